"""The kinds of component, and what each must be able to do.

A component is a frozen record. Its `name` is what a user types, its other fields are its options
with types and defaults, and `Annotated[..., Meta(description=...)]` is their help. Making one does
no work and imports nothing heavy: heavy imports belong in its methods. Variations are rows, made
with other field values, not subclasses.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from rmr1_core.charts import Chart, overview
from rmr1_core.deprecation import Renamed
from rmr1_core.errors import EngineFailed, UsageError
from rmr1_core.parsing import after_thought
from rmr1_core.values import (
    Answer,
    Check,
    Comparison,
    EnvironmentVariant,
    Example,
    Job,
    Judgment,
    Located,
    LoggedJudgment,
    Message,
    Outcome,
    Pair,
    Request,
    Scores,
    TrainingTask,
    Verdict,
)

VERDICT_TAG = "<answer>"
"""What a verdict begins with, up to where any tokenizer can end a token."""

Option = Meta
"""`Annotated[int, Option(description="…", ge=1)]`: an option's help and bounds. One with
`extra=PATH` is a path; a run keeps it absolute, so that it can go on from another folder. One with
`extra=PATH_OR_NAME` is a path where there is something at it, and a name otherwise."""
PATH: Mapping[str, Any] = {"path": "always"}
"""For an option that is a path: `Option(description="a file", extra=PATH)`."""
PATH_OR_NAME: Mapping[str, Any] = {"path": "if it exists"}
"""For an option that is a path or a name, such as a model of the hub."""


class _ComponentMeta(msgspec.StructMeta, abc.ABCMeta):
    """A record type that may have abstract methods."""


class Component(msgspec.Struct, frozen=True, kw_only=True, metaclass=_ComponentMeta):
    """Base of all kinds. `summary` is one line for `rmr1 list`.

    Fields with a described annotation are the options. A component typed as `NAME:ARGUMENT` gets
    the argument as its option `argument`, where the class says that there is one. Options that had
    another name before are in `renamed`, by that name; who uses it is told so.
    """

    argument: ClassVar[str] = ""
    renamed: ClassVar[Mapping[str, Renamed]] = {}
    name: str
    summary: str = ""


class Backbone(Component, frozen=True, kw_only=True):
    """Who judges: which weights, what family of chat model, which prompt suits it."""

    model: Annotated[str, Option(description="hub id or folder of the weights")]
    family: Annotated[
        Literal["instruct", "reasoning"],
        Option(description="'reasoning' models think before they answer and get no system message"),
    ] = "instruct"
    prompt: Annotated[
        str, Option(description="prompt strategy; when empty, the default one of the family")
    ] = ""
    prompt_options: Annotated[
        Mapping[str, Any], Option(description="options of that prompt strategy")
    ] = {}
    max_new_tokens: Annotated[int, Option(description="limit of an answer, in tokens", ge=1)] = 8192
    revision: Annotated[str, Option(description="branch, tag or commit on the hub")] = "main"
    presets: Annotated[
        Mapping[str, Mapping[str, Any]], Option(description="options by trainer that suit its size")
    ] = {}

    def prepare(self, folder: Path, *, seed: int, corpus: Callable[[], Iterable[str]]) -> Backbone:
        """The backbone as an engine or trainer can load it, made in `folder` if it must be made.

        Pretrained weights need no preparation. A model that starts from nothing builds itself and
        its tokenizer here, from the texts that `corpus()` yields.
        """
        return self


class LiveRequests(Iterator[Request]):
    """Requests that come while others are answered, such as those of a server's clients.

    It has none for now when it raises StopIteration, and may have one later. An engine that can
    take in new requests while it works looks again, at least every `LOOK_SECONDS`.
    """

    LOOK_SECONDS: ClassVar[float] = 0.01


class EngineSession(abc.ABC):
    """An engine with its weights loaded."""

    @abc.abstractmethod
    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request once, in any order, each as soon as it is finished.

        They may be `LiveRequests`.

        Raises:
            EngineFailed: the engine cannot go on; answers already yielded stand.
        """

    def beginnings(self, texts: Sequence[str], tokens: int) -> list[int]:
        """For each text how many characters its first so many tokens are, by the model's own
        tokenizer; the whole length of one that has no more. Not called while it generates, and
        only of engines that say that they `prefills`, which override it.

        Raises:
            EngineFailed: the engine has no way to tell.
        """
        raise EngineFailed(
            f"{type(self).__name__} cannot cut answers to budgets: it has no method 'beginnings'"
        )

    @property
    def facts(self) -> Mapping[str, str]:
        """What a reader needs to repeat the run: versions, dtype, attention implementation.

        Asked for when the engine is open, and again when everything is answered.
        """
        return {}


class Engine(Component, frozen=True, kw_only=True):
    """How weights run. The one with `default` is used when none is named.

    `environment` names the managed environment that it runs in; "" is the one of rmr1 itself.
    `prefills` says whether its sessions heed a request's `prefill`, and know `beginnings`. `asks`
    is False where they read a request's `comparison` alone, so that no prompt is to be shown.
    """

    environment: ClassVar[str] = ""
    prefills: ClassVar[bool] = False
    asks: ClassVar[bool] = True
    default: bool = False

    def own_backbone(self) -> Backbone | None:
        """Who judges when the user names nobody; None where a backbone has to be named.

        Raises:
            UsageError: the engine's options must say it, and do not.
        """
        return None

    def cost(
        self, backbone: Backbone, prompt_tokens: float, completion_tokens: float
    ) -> float | None:
        """What so many tokens cost, in US dollars; None where the price is not known."""
        return None

    @abc.abstractmethod
    def open(self, backbone: Backbone) -> AbstractContextManager[EngineSession]:
        """Load the backbone once, for all that a command asks.

        Raises:
            EngineFailed, UsageError: the weights or what they need cannot be loaded.
        """


class PromptStrategy(Component, frozen=True, kw_only=True):
    """What the judge is asked and how its answer is read, in training and evaluation alike.

    `default_for` is the family of backbones that use it when neither they nor the user name one.
    """

    default_for: str = ""

    @abc.abstractmethod
    def render(self, comparison: Comparison) -> tuple[Message, ...]:
        """The chat messages that ask for a judgment."""

    @abc.abstractmethod
    def parse(self, text: str) -> Verdict:
        """The verdict in a judge's answer. Total: any text gives a verdict, none raises."""

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings after which the answer is complete."""
        return ("</answer>",)

    def closing(self, begun: str, *, thinking: bool) -> str:
        """What ends the reasoning of an answer that is cut after `begun`, and leads into its
        verdict; "" where that has been given. `thinking`: whether the cut is within the thoughts
        of a model that thinks before it answers.

        By default what leads into `<answer>[[A]]</answer>`, the thoughts being ended first.
        """
        if not thinking and "</answer>" in after_thought(begun):
            return ""
        return f"\n</think>\n\n{VERDICT_TAG}" if thinking else f"\n\n{VERDICT_TAG}"


class RewardFunction(Component, frozen=True, kw_only=True):
    """The reward of reinforcement learning with verifiable rewards."""

    @abc.abstractmethod
    def __call__(self, judgment: Judgment, label: Verdict) -> float:
        """The reward of one answer, given the right verdict (A or B)."""

    def group(
        self, messages: Sequence[Message], judgments: Sequence[Judgment], label: Verdict
    ) -> list[float]:
        """The rewards of all answers to one prompt, `messages`, in their order.

        A reward that compares answers overrides this; it is then called from several threads.
        """
        return [self(judgment, label) for judgment in judgments]

    @property
    def sees_groups(self) -> bool:
        """Whether a trainer has to show it all answers to a prompt at once, with `group`."""
        return type(self).group is not RewardFunction.group

    def checks(self) -> Iterable[Check]:
        """What should hold before hours are spent; looks around, and changes nothing."""
        return ()


class Trainer(Component, frozen=True, kw_only=True):
    """Turns a stage into a job. The component's fields are its training options.

    With the objective "sft", the loss is on a row's completion and the token that ends it, and on
    nothing else; before these are the very tokens that evaluation asks with.

    `environment` names the managed environment of its jobs; "" is the one of rmr1 itself.
    """

    environment: ClassVar[str] = ""
    objective: Literal["sft", "rl"]

    @abc.abstractmethod
    def plan(self, task: TrainingTask) -> Job:
        """What to run. Pure: it reads and writes nothing, so a dry run costs nothing.

        The job must resume by itself from what an interrupted run left in `task.output`.
        """

    def event(self, line: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """A line of the job's events file as an event; None for one that says nothing.

        `{"event": "step", "step": 3, "steps": 100}`, with what is known of `loss`, `reward_mean`,
        `kl`, `response_length` (tokens), `unparsed` (share of answers), `tokens_per_second`; and at
        the end `{"event": "done"}`, with `cpu_seconds`, `wall_seconds`, `peak_memory_mb`.
        """
        return line

    def checks(self, task: TrainingTask) -> Iterable[Check]:
        """What should hold before hours are spent; looks at the machine, and changes nothing."""
        return ()


class Benchmark(Component, frozen=True, kw_only=True):
    """Pairs to judge, and the rule that makes a score of the verdicts."""

    hub: Annotated[str, Option(description="dataset id on the hub")] = ""
    revision: Annotated[str, Option(description="branch, tag or commit on the hub")] = "main"
    scorings: tuple[str, ...] = ("strict",)

    @abc.abstractmethod
    def pairs(self, source: Path | None) -> Iterator[Pair]:
        """The pairs, in upstream's order, from a local file or folder or else from the hub.

        Raises:
            BadInput: a row cannot be used; it names file, row and field.
            UsageError: nothing usable is at `source`, or the hub cannot be reached.
        """

    @abc.abstractmethod
    def summarize(self, outcomes: Sequence[Outcome], scoring: str) -> Scores:
        """The score of these outcomes (at least one) under one of `scorings`."""

    def charts(self, scores: Scores) -> Sequence[Chart]:
        """What a report draws of its scores. Pure, and total: stored scores may lack a metric.

        By default a bar for the headline and for each metric that is no part of another one.
        """
        return (overview(scores),)

    @property
    def expected(self) -> Mapping[str, int]:
        """How many pairs each subset has when the data is complete."""
        return {}


class Dataset(Component, frozen=True, kw_only=True):
    """A source of training examples."""

    splits: tuple[str, ...] = ("train",)

    @abc.abstractmethod
    def examples(self, split: str, *, seed: int) -> Iterator[Example]:
        """The rows of one split, the same ones for the same seed.

        Raises:
            BadInput: a row cannot be used; it names file, row and field.
        """

    def check_split(self, split: str) -> None:
        """Raise UsageError unless the dataset has this split."""
        if split not in self.splits:
            raise UsageError(
                f"dataset {self.name!r} has no split {split!r}; it has {', '.join(self.splits)}"
            )


class Launcher(Component, frozen=True, kw_only=True):
    """Where a job runs. `jobs.Heartbeat` heeds its two options."""

    silent_minutes: Annotated[
        float, Option(description="say so when a job was silent for so long; 0: never", ge=0)
    ] = 30.0
    give_up_minutes: Annotated[
        float, Option(description="end a job that was silent for so long; 0: never", ge=0)
    ] = 360.0

    def files(self, job: Job, located: Located | None) -> Mapping[str, str]:
        """What it needs beside the job's own files, as text by path. Pure: the core writes them,
        for a dry run, too.

        `located` is the job's environment, None where it is not built or none is asked for.
        """
        return {}

    def checks(self, job: Job) -> Iterable[Check]:
        """What should hold before hours are spent; looks around, and changes nothing."""
        return ()

    @abc.abstractmethod
    def run(self, job: Job) -> Iterator[Mapping[str, Any]]:
        """Run the job to its end and yield the events it reports, as they come.

        Leaving the iterator early stops the job.

        Raises:
            JobFailed: with the job's own last error.
        """


class Environment(Component, frozen=True, kw_only=True):
    """Packages whose pins exclude those of others, in a folder of their own.

    `module` is what must be importable when it is built. `variants` are by accelerator: "cuda" and
    "cpu".
    """

    module: str
    variants: Mapping[str, EnvironmentVariant]


class Importer(Component, frozen=True, kw_only=True):
    """Reads what another project's evaluation logged, for `rmr1 import`.

    `prompt` names the strategy whose parser can read the answers again; "" where they are written
    in another notation, or are scores, and only the log's own verdicts say what is meant. `unknown`
    names what a reader may take for said, and no log of the format says.
    """

    prompt: str = ""
    unknown: tuple[str, ...] = ()

    @abc.abstractmethod
    def files(self, path: Path) -> Sequence[Path]:
        """The logs of this format: the file itself, or those below the folder, in the order in
        which they are read. Quick, and total: it looks at how files begin."""

    @abc.abstractmethod
    def judgments(self, path: Path) -> Iterator[LoggedJudgment]:
        """What these files hold, in their order.

        Raises:
            BadInput: a record cannot be used, and it names file and record; with its row, so that
                inside of `rmr1_core.datafiles.skipping()` it is left out.
        """

    def judge(self, path: Path) -> str:
        """Who judged, as far as the log or its name says it; else ""."""
        return ""


KINDS: Mapping[str, type[Component]] = {
    "backbone": Backbone,
    "engine": Engine,
    "prompt": PromptStrategy,
    "reward": RewardFunction,
    "trainer": Trainer,
    "benchmark": Benchmark,
    "dataset": Dataset,
    "launcher": Launcher,
    "environment": Environment,
    "importer": Importer,
}
"""Kinds in the order in which they are listed."""
