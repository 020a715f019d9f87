"""A plugin with one of everything, for tests of the flows: quick, scripted, and watched by files.

Its engine answers by a hash of the request, so that two runs with the same requests agree, and
writes what it is asked into a file, so that a test can count.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec

from rmr1_core import (
    Answer,
    Backbone,
    Benchmark,
    Comparison,
    Completion,
    Dataset,
    Engine,
    EngineSession,
    Example,
    Job,
    Judgment,
    Message,
    Option,
    Outcome,
    Pair,
    PromptStrategy,
    Recipe,
    Ref,
    Request,
    RequestFailed,
    RewardFunction,
    Scores,
    Stage,
    Step,
    Trainer,
    TrainingTask,
    Verdict,
    hookimpl,
    parse_verdict,
)
from rmr1_core.datafiles import read_rows
from rmr1_core.errors import EngineFailed
from rmr1_core.statistics import mean


def sample_pair(number: int, prefix: str = "pair") -> Pair:
    """Two subsets in turn; pairs of a subset share their group two by two."""
    return Pair(
        id=f"{prefix}-{number}",
        subset=("easy", "hard")[number % 2],
        group=f"{number % 2}-{number // 4}",
        prompt=(Message("user", f"question {number % 2} {number // 4}"),),
        chosen=f"good {number}",
        rejected=f"bad {number}",
    )


class SampleBenchmark(Benchmark, frozen=True, kw_only=True):
    """Generated pairs, or rows with an id from a file."""

    scorings: tuple[str, ...] = ("strict", "lenient")
    size: Annotated[int, Option(description="how many pairs there are", ge=0)] = 12
    whole: Annotated[int, Option(description="how many there should be", ge=0)] = 12
    prefix: Annotated[str, Option(description="of the ids")] = "pair"
    twice: Annotated[bool, Option(description="give every pair twice")] = False

    def pairs(self, source: Path | None) -> Iterator[Pair]:
        """From the source's rows, else generated."""
        if source is not None:
            for row in read_rows(source):
                yield sample_pair(row.get("number", int), self.prefix)
            return
        for _ in range(2 if self.twice else 1):
            yield from (sample_pair(number, self.prefix) for number in range(self.size))

    @property
    def expected(self) -> Mapping[str, int]:
        """Half of them in each subset."""
        return Counter(sample_pair(number).subset for number in range(self.whole))

    def summarize(self, outcomes: Sequence[Outcome], scoring: str) -> Scores:
        """The mean; "lenient" gives half a point to what does not parse."""
        half = 0.5 if scoring == "lenient" else 0.0
        values = [outcome.score(unparsed=half, tie=half) for outcome in outcomes]
        return Scores(
            headline=mean(values, [outcome.pair.group for outcome in outcomes]).metric("accuracy")
        )


class Session(EngineSession):
    """Does what its engine's options say."""

    def __init__(self, engine: ScriptedByOptions) -> None:
        self._engine = engine
        self._passes = 0

    def beginnings(self, texts: Sequence[str], tokens: int) -> list[int]:
        """A third of each."""
        return [len(text) // 3 for text in texts]

    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer by a hash of the request."""
        engine, self._passes = self._engine, self._passes + 1
        for number, request in enumerate(requests):
            text = request.messages[-1].content
            if engine.crash_after and number >= engine.crash_after:
                raise EngineFailed("the script says: crash")
            if engine.interrupt_after and number >= engine.interrupt_after:
                raise KeyboardInterrupt
            engine.note(request.id)
            time.sleep(engine.seconds)
            while number and engine.wait_while and Path(engine.wait_while).exists():
                time.sleep(0.01)
            if engine.skip and re.search(engine.skip, text):
                continue
            if engine.fail and re.search(engine.fail, text):
                yield Answer(id=request.id, result=RequestFailed(error="the script says: fail"))
                continue
            drifts = engine.drift and self._passes > 1
            answer = drifted(request, self._passes, engine.drift) if drifts else written(request)
            yield Answer(id=engine.stray or request.id, result=answer)

    @property
    def facts(self) -> Mapping[str, str]:
        """A made-up version."""
        return {"script": "7"}


def written(request: Request) -> Completion:
    """A quarter of the answers do not parse, some of those are cut off."""
    content = f"{request.messages}{request.sampling}{request.prefill}"
    draw = hashlib.sha256(content.encode(errors="surrogatepass")).digest()[0]
    if request.prefill:
        return Completion(
            text=f"{request.prefill}[[{'AB'[draw % 2]}]]</answer>",
            finish_reason="stop",
            prompt_tokens=10,
            completion_tokens=20,
        )
    text = ("<answer>[[A]]</answer>", "<answer>[[B]]</answer>", "[[A]]", "A!")[draw % 4]
    return Completion(
        text=text,
        finish_reason="length" if draw % 8 == 7 else "stop",
        prompt_tokens=10,
        completion_tokens=draw,
    )


def drifted(request: Request, passes: int, share: int) -> Completion:
    """One of `share` answers of a later pass is another one than before."""
    answer = written(request)
    if hashlib.sha256(f"{passes}{request.messages}".encode()).digest()[1] % share:
        return answer
    text = "<answer>[[A]]</answer>" if "B" in answer.text else "<answer>[[B]]</answer>"
    return msgspec.structs.replace(answer, text=text)


class ScriptedByOptions(Engine, frozen=True, kw_only=True):
    """An engine without weights."""

    prefills: ClassVar[bool] = True
    log: Annotated[str, Option(description="file that gets a line per request")] = ""
    seconds: Annotated[float, Option(description="time per request", ge=0)] = 0.0
    fail: Annotated[str, Option(description="what the prompt of a failing request has")] = ""
    skip: Annotated[str, Option(description="what the prompt of a forgotten request has")] = ""
    stray: Annotated[str, Option(description="the id to answer instead")] = ""
    crash_after: Annotated[int, Option(description="requests before EngineFailed")] = 0
    wait_while: Annotated[str, Option(description="file that makes it wait after the first")] = ""
    drift: Annotated[int, Option(description="of so many answers, one is another if repeated")] = 0
    interrupt_after: Annotated[int, Option(description="requests before Ctrl-C")] = 0

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[EngineSession]:
        """Note that it is opened."""
        self.note("open")
        yield Session(self)

    def note(self, line: str) -> None:
        """Append a line to the log."""
        if self.log:
            with Path(self.log).open("a", encoding="utf-8") as file:
                file.write(line + "\n")


class Plain(PromptStrategy, frozen=True, kw_only=True):
    """The question and the answers."""

    parser: Annotated[Literal["rmr1", "bare"], Option(description="how it is read")] = "rmr1"
    greeting: Annotated[str, Option(description="what it begins with")] = ""

    def render(self, comparison: Comparison) -> tuple[Message, ...]:
        """One user's turn."""
        question = "\n".join(message.content for message in comparison.prompt)
        return (
            Message("user", f"{self.greeting}{question}\nA: {comparison.a}\nB: {comparison.b}"),
        )

    def parse(self, text: str) -> Verdict:
        """With "bare", a letter is enough."""
        if self.parser == "bare" and text.startswith("A"):
            return Verdict.A
        return parse_verdict(text)


class Fixed(RewardFunction, frozen=True, kw_only=True):
    """Always the same."""

    def __call__(self, judgment: Judgment, label: Verdict) -> float:
        """One."""
        return 1.0


class Rows(Dataset, frozen=True, kw_only=True):
    """Four examples with traces."""

    traces: Annotated[bool, Option(description="whether there is something to imitate")] = True

    def examples(self, split: str, *, seed: int) -> Iterator[Example]:
        """The same for every seed."""
        for number in range(4):
            trace = "<answer>[[A]]</answer>" if self.traces else ""
            yield Example(pair=sample_pair(number), chosen_first=number % 2 == 0, trace=trace)


WORKER = """
import json, os, pathlib, sys, time
output, budget = pathlib.Path(sys.argv[1]), sys.argv[4]
fail, wait = map(pathlib.Path, sys.argv[2:4])
(output / "pid").write_text(str(os.getpid()))
while wait.exists():
    time.sleep(0.01)
with (output / "metrics.jsonl").open("a") as events:
    for step in range(1, 4):
        event = {"event": "step", "step": step, "steps": 3, "loss": 1 / step}
        print(json.dumps(event), file=events)
    if fail.exists():
        raise ValueError("the file says: fail")
    done = {"event": "done", "cpu_seconds": 2.5, "wall_seconds": 3.5, "budget": budget}
    print(json.dumps(done), file=events)
(output / "checkpoint").mkdir()
"""


class Echo(Trainer, frozen=True, kw_only=True):
    """A job that trains nothing; it fails while a certain file exists."""

    objective: Literal["sft", "rl"] = "sft"
    fail_while: Annotated[str, Option(description="file that makes it fail")] = "/no/such/file"
    wait_while: Annotated[str, Option(description="file that makes it wait")] = "/no/such/file"

    def plan(self, task: TrainingTask) -> Job:
        """A little script."""
        output = Path(task.output)
        script = str(output / "worker.py")
        return Job(
            name=f"echo {task.stage.name}",
            steps=(
                Step(
                    argv=(
                        *(sys.executable, script, task.output),
                        *(self.fail_while, self.wait_while, str(task.cpu_seconds)),
                    )
                ),
            ),
            files={script: WORKER, str(output / "model.txt"): task.model},
            env={},
            environment="",
            events=str(output / "metrics.jsonl"),
            log=str(output / "log.txt"),
            checkpoint=str(output / "checkpoint"),
        )


RECIPE = Recipe(
    name="sample",
    description="Two stages that learn nothing.",
    backbone=Ref(name="nobody"),
    prompt=Ref(name="plain"),
    reward=Ref(name="fixed"),
    engine=Ref(name="scripted"),
    launcher=Ref(name="local"),
    stages=(
        Stage(name="first", trainer=Ref(name="echo"), dataset=Ref(name="rows")),
        Stage(name="second", trainer=Ref(name="echo-rl"), dataset=Ref(name="rows")),
    ),
    benchmarks=(Ref(name="sample-one"),),
)


@hookimpl
def rmr1_benchmarks() -> list[Benchmark]:
    """Two, with the same ids."""
    return [
        SampleBenchmark(name="sample-one", summary="twelve pairs"),
        SampleBenchmark(name="sample-two", summary="twelve pairs, with the same ids"),
    ]


@hookimpl
def rmr1_engines() -> list[Engine]:
    """One."""
    return [ScriptedByOptions(name="scripted", summary="answers by a hash")]


@hookimpl
def rmr1_backbones() -> list[Backbone]:
    """One."""
    nobody = Backbone(name="nobody", summary="no weights", model="nowhere", prompt="plain")
    presets = {"echo": {"fail_while": "/preset"}}
    return [nobody, msgspec.structs.replace(nobody, name="sized", presets=presets)]


@hookimpl
def rmr1_prompts() -> list[PromptStrategy]:
    """One."""
    return [Plain(name="plain", summary="question and answers")]


@hookimpl
def rmr1_rewards() -> list[RewardFunction]:
    """One."""
    return [Fixed(name="fixed", summary="always one")]


@hookimpl
def rmr1_datasets() -> list[Dataset]:
    """One."""
    return [Rows(name="rows", summary="four examples")]


@hookimpl
def rmr1_trainers() -> list[Trainer]:
    """One per objective."""
    return [
        Echo(name="echo", summary="trains nothing"),
        Echo(name="echo-rl", summary="trains nothing", objective="rl"),
    ]


@hookimpl
def rmr1_recipes() -> list[Recipe]:
    """One."""
    return [RECIPE]
