"""rmr1's benchmarks as tasks of Inspect AI, which finds them through its entry point.

`inspect eval rmr1_interop/rm_bench` judges with any of Inspect's models. The metric `headline` is
the number of `rmr1 bench` for the same answers, and the others are its metrics by name.
"""

from __future__ import annotations

from typing import Any

from inspect_ai import Epochs, Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import (
    Metric,
    SampleScore,
    Score,
    Scorer,
    ScoreReducer,
    Target,
    metric,
    score_reducer,
    scorer,
)
from inspect_ai.solver import TaskState, generate

from rmr1_core import Verdict
from rmr1_core.scoring import majority
from rmr1_interop.inspect_session import chat, text_of
from rmr1_interop.judged import Said, judged

TOKENS = 8192
"""Limit of an answer; `--max-tokens` sets another."""


@task
def judge(
    benchmark: str, prompt: str = "", data: str = "", scoring: str = "strict", samples: int = 1
) -> Task:
    """Any benchmark of rmr1 by name, in both orders; several samples per order are votes."""
    known = judged(benchmark, prompt, data)
    dataset = [
        Sample(
            id=asked.id,
            input=chat(asked.messages),
            target=str(asked.label),
            metadata={"pair": asked.pair.id, "chosen_first": asked.chosen_first},
        )
        for asked in known.asked()
    ]
    return Task(
        dataset=MemoryDataset(dataset, name=benchmark),
        solver=generate(),
        scorer=verdict(benchmark, prompt, data),
        metrics=[rmr1_score(benchmark, prompt, data, scoring)],
        epochs=Epochs(samples, vote()),
        config=GenerateConfig(temperature=0.0 if samples == 1 else 1.0, max_tokens=TOKENS),
    )


@task
def rewardbench(prompt: str = "", data: str = "", samples: int = 1) -> Task:
    """RewardBench."""
    return judge("rewardbench", prompt, data, samples=samples)


@task
def rm_bench(prompt: str = "", data: str = "", samples: int = 1) -> Task:
    """RM-Bench."""
    return judge("rm-bench", prompt, data, samples=samples)


@task
def rmb(prompt: str = "", data: str = "", samples: int = 1) -> Task:
    """RMB."""
    return judge("rmb", prompt, data, samples=samples)


@scorer(metrics=[])
def verdict(benchmark: str, prompt: str = "", data: str = "") -> Scorer:
    """The verdict of an answer: A, B, tie or unparsed."""
    known = judged(benchmark, prompt, data)

    async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001 - Inspect's
        text = text_of(state.output)
        return Score(value=str(known.verdict(text)), answer=text, metadata=dict(state.metadata))

    return score


@score_reducer(name="vote")
def vote() -> ScoreReducer:
    """The verdict of most samples; those that do not parse do not vote."""

    def reduce(scores: list[Score]) -> Score:
        value = majority(Verdict(score.as_str()) for score in scores)
        return Score(value=str(value), metadata=scores[0].metadata)

    return reduce


@metric
def rmr1_score(benchmark: str, prompt: str = "", data: str = "", scoring: str = "strict") -> Metric:
    """The benchmark's own score, its headline first, and the share of unparsed verdicts."""
    known = judged(benchmark, prompt, data)

    def compute(scores: list[SampleScore]) -> Any:
        said = [
            Said(of["pair"], of["chosen_first"], Verdict(sample.score.as_str()))
            for sample in scores
            if (of := sample.score.metadata) is not None
        ]
        if not said:
            return {"headline": 0.0}
        found = known.scores(said, scoring)
        unparsed = sum(verdict is Verdict.UNPARSED for *_, verdict in said) / len(said)
        parts = {part.name: part.value for part in found.metrics}
        return {"headline": found.headline.value, **parts, "unparsed": unparsed}

    return compute
