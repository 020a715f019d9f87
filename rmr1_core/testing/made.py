"""Small things to test with: pairs, outcomes, judgments, requests, a stage to plan, bad texts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from rmr1_core.components import RewardFunction, Trainer
from rmr1_core.discovery import plugins
from rmr1_core.values import (
    Completion,
    Judgment,
    Message,
    OrderVerdict,
    Outcome,
    Pair,
    Recipe,
    Ref,
    Request,
    RunRecord,
    Sampling,
    Stage,
    TrainingTask,
    Verdict,
)

HOSTILE_TEXTS = (
    "",
    "[[A]] [[B]]",
    "<answer>[[A]]</answer><answer>[[B]]</answer>",
    "{braces} {{twice}} %s \\1 \x00 \u202e\U0001f600",
    "<answer>" * 1000,
)
"""Texts that a total parser must survive, and a renderer must carry."""


def example_pair(number: int = 0, **changes: Any) -> Pair:
    """A small pair, different for every number."""
    pair = Pair(
        id=f"pair-{number}",
        subset="small",
        group=f"group-{number}",
        prompt=(Message("user", f"question {number}"),),
        chosen=f"good answer {number}",
        rejected=f"bad answer {number}",
    )
    return msgspec.structs.replace(pair, **changes)


def outcome(pair: Pair, *verdicts: Verdict, chosen_first: bool = True) -> Outcome:
    """An outcome from the verdict of one order, or of both with the chosen answer first, then
    second."""
    orders = (chosen_first,) if len(verdicts) == 1 else (True, False)
    return Outcome(
        pair=pair,
        verdicts=tuple(
            OrderVerdict(chosen_first=first, verdict=verdict)
            for first, verdict in zip(orders, verdicts, strict=True)
        ),
    )


def judgment(pair: Pair, verdict: Verdict, text: str = "", **changes: Any) -> Judgment:
    """A judgment of a pair with the chosen answer first."""
    completion = Completion(text=text, finish_reason="stop", prompt_tokens=1, completion_tokens=1)
    made = Judgment(
        benchmark="small",
        pair_id=pair.id,
        chosen_first=True,
        sample=0,
        verdict=verdict,
        completion=completion,
    )
    return msgspec.structs.replace(made, **changes)


def example_requests(*texts: str, max_new_tokens: int = 64) -> list[Request]:
    """A greedy request for each text, with ids of their own."""
    sampling = Sampling(max_new_tokens=max_new_tokens)
    return [
        Request(id=f"request-{number}", messages=(Message("user", text),), sampling=sampling)
        for number, text in enumerate(texts)
    ]


def example_task(trainer: Trainer, folder: Path, **changes: Any) -> TrainingTask:
    """A stage for a trainer to plan, in a folder where nothing has to be yet. What its recipe names
    besides is the first of its kind that is installed."""
    stage = Stage(name="only", trainer=Ref(name=trainer.name), dataset=Ref(name="examples"))
    recipe = Recipe(
        name="example",
        description="A stage to plan.",
        stages=(stage,),
        backbone=_first("backbone"),
        prompt=_first("prompt"),
        reward=_first("reward"),
        engine=_first("engine"),
        launcher=_first("launcher"),
    )
    task = TrainingTask(
        recipe=recipe,
        stage=stage,
        model=str(folder / "model"),
        data=str(folder / "data.jsonl"),
        output=str(folder / "output"),
        seed=0,
    )
    return msgspec.structs.replace(task, **changes)


def example_record(**changes: Any) -> RunRecord:
    """The record of a small run that has begun."""
    record = RunRecord(
        id="20250505-101500-bench-small",
        command="bench",
        status="started",
        created="2025-05-05T10:15:00+00:00",
        versions={},
        argv=("bench", "small"),
    )
    return msgspec.structs.replace(record, **changes)


def _first(kind: str) -> Ref:
    """The first component of a kind that serves without another process."""
    offers: Iterable[Any] = plugins().offers(kind)
    for offer in offers:
        component = offer.component
        needs_groups = isinstance(component, RewardFunction) and component.sees_groups
        if not component.argument and not needs_groups:
            return Ref(name=component.name)
    raise AssertionError(f"no {kind} is installed; is rmr1 itself? see: rmr1 plugins")
