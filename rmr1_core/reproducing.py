"""What `rmr1 bench --reproduce` sets, and whether the published numbers came out again.

A reproduction is a run like any other, whose record says whose numbers it is to reproduce. Each
number is compared under the scoring rule that made it, whichever makes the headline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rmr1_core.anchors import Beside, of_model, protocol_to_reproduce, published
from rmr1_core.discovery import plugins
from rmr1_core.errors import UsageError
from rmr1_core.lookup import find
from rmr1_core.values import Anchor, EvalProtocol, Value


class Reproduction(Value, frozen=True):
    """The numbers to reproduce, and what to set for it: `bench` options by their names."""

    model: str
    anchors: tuple[Anchor, ...]
    settings: Mapping[str, Any]


class Reproduced(Value, frozen=True):
    """How a reproduction ended: how many numbers are within their tolerance, which are not, and
    which could not be compared."""

    model: str
    within: int
    outside: tuple[str, ...]
    open: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every number was compared, and is within its tolerance."""
        return bool(self.within) and not self.outside and not self.open

    @property
    def words(self) -> str:
        """The result in a sentence."""
        total = self.within + len(self.outside) + len(self.open)
        sentence = f"{self.model}: {self.within} of {total} published numbers are reproduced"
        if self.outside:
            sentence += f"; outside of the tolerance: {', '.join(self.outside)}"
        if self.open:
            sentence += f"; not to be compared: {', '.join(self.open)}"
        return f"{'pass' if self.passed else 'FAIL'}: {sentence}"


def reproduction(name: str, benchmarks: Sequence[str] = ()) -> Reproduction:
    """What to run to reproduce a model's numbers on these benchmarks, or on all that are installed.

    Raises:
        UnknownName: no model or benchmark is called so.
        UsageError: nothing was published of the model on a benchmark that is named, or in more
            than one way.
    """
    of = of_model(name, published())
    known = {offer.component.name for offer in plugins().offers("benchmark")}
    there = list(dict.fromkeys(a.benchmark for a in of if a.benchmark in known))
    wanted = {typed: find("benchmark", typed).name for typed in benchmarks}
    for typed, benchmark in wanted.items():
        if benchmark not in there:
            raise UsageError(
                f"nothing is published of {of[0].model} on {typed}; there is "
                f"{', '.join(there) or 'nothing'}; see: rmr1 anchors --model {name}"
            )
    if not there:
        raise UsageError(
            f"no benchmark is installed that has numbers of {of[0].model}; "
            f"see: rmr1 anchors --model {name}"
        )
    chosen = tuple(a for a in of if a.benchmark in (set(wanted.values()) or there))
    settings = {
        "benchmarks": tuple(wanted) or tuple(there),
        "backbone": next((a.backbone for a in chosen if a.backbone), None),
        "scoring": _scoring(chosen),
        **protocol_to_reproduce(chosen),
    }
    return Reproduction(
        model=chosen[0].model,
        anchors=chosen,
        settings={option: value for option, value in settings.items() if value is not None},
    )


def reproduced(model: str, expected: Sequence[Anchor], besides: Sequence[Beside]) -> Reproduced:
    """Which of the expected numbers a run has reproduced."""
    found = {_key(b.anchor): b for b in besides}
    outside, open_, within = [], [], 0
    for anchor in expected:
        b = found.get(_key(anchor))
        words = f"{anchor.benchmark} {anchor.metric}"
        match b.within if b else None:
            case True:
                within += 1
            case False if b:
                outside.append(f"{words} ({100 * b.difference:+.1f})")
            case _:
                open_.append(words)
    return Reproduced(model=model, within=within, outside=tuple(outside), open=tuple(open_))


def expected_of(name: str, benchmarks: Sequence[str]) -> list[Anchor]:
    """The numbers that a run on these benchmarks is to reproduce; none where no plugin knows the
    model any more."""
    wanted = name.lower()
    return [
        anchor
        for anchor in published()
        if wanted in (anchor.model.lower(), anchor.backbone) and anchor.benchmark in benchmarks
    ]


def _scoring(anchors: Sequence[Anchor]) -> str:
    """The rule for the headlines: that of all numbers or, where they differ, the one that is not
    the default, which benchmarks without it do not heed."""
    rules = list(dict.fromkeys(anchor.protocol.scoring for anchor in anchors))
    usual = EvalProtocol().scoring
    return next((rule for rule in rules if rule != usual), usual)


def _key(anchor: Anchor) -> tuple[str, ...]:
    return anchor.benchmark, anchor.metric, anchor.source.title, anchor.source.table
