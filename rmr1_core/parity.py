"""One example as a model sees it in evaluation, in distillation and in reinforcement.

Each way is looked at where it runs: in the engine's environment, in those of the trainers, in this
Python. It is the pre-flight's own probe that looks, so what is shown is what the check before a
training is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rmr1_core import environments
from rmr1_core.components import Backbone, Engine, PromptStrategy, Trainer
from rmr1_core.discovery import plugins
from rmr1_core.errors import MissingPackage, Rmr1Error, UsageError
from rmr1_core.preflight import model_check
from rmr1_core.token_views import Token, View, Way, difference
from rmr1_core.tokens import Limits, Probed, probe, token_checks
from rmr1_core.values import Check, Example, Located, Message, Pair, TrainingRow, Value
from rmr1_core.weights import checked_folder

WAYS: Mapping[Way, str] = {"SFT": "sft", "RL": "rl"}
"""The ways of training, by the objective of their trainers."""
HERE = "this Python"
_CONFIGURATION = ("config.json",)
"""What a folder has to hold beside its tokenizer: weights do not tokenize."""
_PAIR = Pair(
    id="example",
    subset="",
    group="example",
    prompt=(Message("user", "How many minutes are there in a day?"),),
    chosen="There are 24 * 60 = 1440 minutes.",
    rejected="1400",
)
_TRACES = {
    "instruct": (
        "<type>Reasoning</type>\n<solution>24 hours of 60 minutes are 1440.</solution>\n"
        "<eval><quote_A>24 * 60 = 1440</quote_A> is right, 1400 is not.</eval>\n"
        "<answer>[[A]]</answer>"
    ),
    "reasoning": (
        "24 hours of 60 minutes are 1440, as A says.\n</think>\n\n<answer>[[A]]</answer>"
    ),
}
EXAMPLES = {
    family: Example(pair=_PAIR, chosen_first=True, trace=trace) for family, trace in _TRACES.items()
}
"""What is shown where no dataset is named, by the backbone's family."""


class Parity(Value, frozen=True):
    """What was seen. `problem` is one sentence on what does not hold, "" where all does; `diff`
    compares two views that differ, as lines. `notes` say what could not be looked at in its place.
    """

    backbone: str
    model: str
    prompt: str
    views: tuple[View, ...]
    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    problem: str
    diff: tuple[str, ...]


class _Place(NamedTuple):
    where: str
    found: Probed


def look(
    backbone: Backbone,
    strategy: PromptStrategy,
    engine: Engine,
    row: TrainingRow,
    tell: Callable[[str], object],
) -> Parity:
    """The row in every way. `tell` hears where is looked: each place takes seconds.

    Raises:
        UsageError: the model or its tokenizer is not to be had, or refuses the conversation.
        MissingEnvironment, MissingPackage: the engine's environment, or transformers, is not there.
    """
    if type(engine).own_backbone is not Engine.own_backbone:
        raise UsageError(
            f"what engine {engine.name!r} makes of a conversation cannot be seen from here; choose "
            "one that runs weights itself; see: rmr1 list engines"
        )
    with TemporaryDirectory(prefix="rmr1-") as folder:
        corpus = ["\n".join([*(m.content for m in row.messages), row.completion])]
        prepared = backbone.prepare(Path(folder) / "model", seed=0, corpus=lambda: corpus)
        checked_folder(prepared.model, _CONFIGURATION)
        model = model_check(prepared.model, prepared.revision)
        if model.ok is False:
            raise UsageError(model.detail)
        places = _Places(prepared, row, tell)
        evaluation = places.of(engine.environment)
        views = [_view("evaluation", evaluation)]
        for way in WAYS:
            views += [_view(way, each) for each in places.training(way, evaluation)]
    of_tokens = token_checks(evaluation.found, Limits(), sft=True)
    checks = tuple(check for check in of_tokens if check.name != "lengths")  # of no stage here
    problem, diff = difference(views, places.asked()) or _failing(checks, evaluation) or ("", ())
    return Parity(
        backbone=backbone.name,
        model=backbone.model or backbone.name,
        prompt=strategy.name,
        views=tuple(views),
        checks=checks,
        notes=tuple(places.notes),
        problem=problem,
        diff=diff,
    )


class _Places:
    """The places where the row is looked at, each once."""

    def __init__(self, backbone: Backbone, row: TrainingRow, tell: Callable[[str], object]) -> None:
        self._backbone, self._row, self._tell = backbone, row, tell
        self._looked: dict[str, _Place] = {}
        self.notes: list[str] = []

    def asked(self) -> Mapping[str, tuple[int, ...]]:
        """The prompt's ids in each place, as evaluation would have them there."""
        return {each.where: each.found.ids[0].evaluation for each in self._looked.values()}

    def of(self, environment: str) -> _Place:
        """The environment of this name, or this Python for none."""
        if environment not in self._looked:
            located = environments.locate(environment) if environment else None
            where = f"environment {environment}" if environment else HERE
            self._tell(f"looking in {where}")
            self._looked[environment] = _Place(where, self._probed(where, located))
        return self._looked[environment]

    def training(self, way: Way, otherwise: _Place) -> Iterator[_Place]:
        """Where trainers of this way tokenize; where none of them can, as evaluation does."""
        offered: list[Trainer] = [offer.component for offer in plugins().offers("trainer")]
        names = sorted({t.environment for t in offered if t.objective == WAYS[way]})
        built = [name for name in names if self._is_there(name)]
        for name in names:
            if name and name not in built:
                make = f"rmr1 env create {name}"
                self.notes.append(
                    f"environment {name} is not built; to look at {way} in it: {make}"
                )
        yield from map(self.of, built)
        if not built:
            yield otherwise

    def _is_there(self, environment: str) -> bool:
        if not environment:
            return find_spec("transformers") is not None
        return environments.if_built(environment) is not None

    def _probed(self, where: str, located: Located | None) -> Probed:
        backbone = self._backbone
        found = probe(backbone.model, backbone.revision, [self._row], located, tokens=True)
        if found is None:
            install = "pip install 'rmr1[local]'"
            raise MissingPackage("transformers", "rmr1 doctor prompt", install)
        if found.error:
            raise UsageError(f"{backbone.name}: {found.error}{self._advice(found.error)}")
        if found.crash:
            raise Rmr1Error(f"{where} cannot look at {backbone.name}: {found.crash}")
        return found

    def _advice(self, error: str) -> str:
        """What to type where a template takes no system message."""
        if "refuses" not in error or all(m.role != "system" for m in self._row.messages):
            return ""
        offered: list[PromptStrategy] = [offer.component for offer in plugins().offers("prompt")]
        plain = next((s.name for s in offered if s.default_for == "reasoning"), "NAME")
        return f"; choose a prompt without a system message: --prompt {plain}"


def _view(way: Way, place: _Place) -> View:
    found, (ids,) = place.found, place.found.ids
    seen = {"evaluation": ids.evaluation, "SFT": ids.sft, "RL": ids.rl}[way]
    prompt = len(ids.evaluation) if way == "SFT" else len(seen)
    return View(
        way=way,
        where=place.where,
        library=found.library,
        tokens=tuple(
            Token(id=t, text=found.pieces[t], special=t in found.special, loss=number >= prompt)
            for number, t in enumerate(seen)
        ),
        prompt_tokens=prompt,
        begins=sum(t == found.begin for t in seen) if found.begin is not None else 0,
    )


def _failing(checks: Sequence[Check], place: _Place) -> tuple[str, tuple[str, ...]] | None:
    """The first of the pre-flight's checks of the tokens that does not hold."""
    for check in checks:
        if check.ok is False:
            return f"{check.name} in {place.where}: {check.detail}", ()
    return None
