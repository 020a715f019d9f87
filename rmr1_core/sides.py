"""What is compared: evaluations of runs, by the names that people type."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rmr1_core import prompt_prints
from rmr1_core.errors import UnknownName, UsageError
from rmr1_core.stored import BENCH, StoredEvaluation, StoredRun
from rmr1_core.values import Ref

LETTERS = string.ascii_uppercase
SAMPLED = "-sampled"
_WHAT = {
    "order": "order of the answers",
    "samples": "samples",
    "confidence": "confidence at which a vote ends",
    "temperature": "temperature",
    "top_p": "top-p",
    "max_new_tokens": "limit of an answer's tokens",
    "scoring": "scoring rule",
}
"""The fields of a protocol that change what is measured; of which pairs, is said beside."""


class Side:
    """One evaluation that is compared. `letter` is its short name in tables."""

    def __init__(self, run: StoredRun, evaluation: StoredEvaluation) -> None:
        self.run, self.evaluation = run, evaluation
        self.letter = ""

    @property
    def name(self) -> str:
        """The run, and which evaluation of it where it has several."""
        one = self.evaluation.name == BENCH
        return self.run.folder.name + ("" if one else f":{self.evaluation.name}")

    @property
    def judge(self) -> str:
        """Who judged, in words."""
        record = self.run.record
        if record.recipe is None:
            parts = (_named(record.backbone), _named(record.prompt), _named(record.engine))
            if record.imported:
                parts = (_named(record.backbone), "imported", record.imported.format)
            return ", ".join(filter(None, parts))
        recipe, stage = record.recipe, self.evaluation.name
        when = "before training" if stage == "before" else f"after {stage}"
        return f"{_named(recipe.backbone)}, recipe {recipe.name}, {when}"

    @property
    def benchmarks(self) -> list[Ref]:
        """The benchmarks of the run and of its variants, with their options."""
        record = self.run.record
        if record.recipe is None:
            return list(record.benchmarks)
        varied = [ref for v in record.recipe.variants.values() for ref in v.benchmarks or ()]
        return [*record.recipe.benchmarks, *varied]

    def check_complete(self) -> None:
        """Raise UsageError while judgments are lacking: those made first are not like the rest."""
        made, wanted = self.evaluation.progress()
        if made < wanted:
            record = self.run.record
            raise UsageError(
                f"{self.name}: {wanted - made} of {wanted} judgments are not made yet; go on with: "
                f"rmr1 {record.command} --resume {record.id}"
            )


def choose(names: Sequence[str], runs_dir: Path | None, baseline: str | None) -> list[Side]:
    """The evaluations that are meant, the baseline first.

    A name is a run's, as everywhere, or RUN:EVALUATION. Of a training run alone, all evaluations
    are meant; among others, the last one.

    Raises:
        UsageError, UnknownName: a name is unknown or means several, or there is one alone.
    """
    asked = [n for n in names if n != baseline]
    named = [_side(name, runs_dir) for name in ([baseline, *asked] if baseline else names)]
    sides = named
    if len(named) == 1:
        sides = [Side(named[0].run, found) for found in _unsampled(named[0].run.evaluations())]
    if len(sides) < 2:
        raise UsageError(
            "compare two runs or more, such as: rmr1 compare RUN1 RUN2; see: rmr1 runs list"
        )
    if len(sides) > len(LETTERS):
        raise UsageError(f"at most {len(LETTERS)} runs can be compared; see: rmr1 compare --help")
    for letter, side in zip(LETTERS, sides, strict=False):
        side.letter = letter
    _refuse_repeats(sides)
    return sides


def unlike(first: Side, second: Side, benchmarks: Iterable[str]) -> Iterator[str]:
    """In what two sides were not judged alike, in words; of an imported one it is not known. Of
    `benchmarks` both have the same pairs: where these were shown in the same orders, hashes tell
    whether the prompts were the same."""
    imported = [side.letter for side in (first, second) if side.run.record.imported]
    if imported:
        are, were = ("are", "they were") if len(imported) > 1 else ("is", "it was")
        yield f"{' and '.join(imported)} {are} imported, and how {were} judged is not known"
        return
    own, other = first.evaluation.protocol, second.evaluation.protocol
    for field, words in _WHAT.items():
        before, after = getattr(own, field), getattr(other, field)
        if before != after:
            yield f"{words} {_plain(before)} and {_plain(after)}"
    drawn = own.order in ("balanced", "random") and own.seed != other.seed
    if own.order != other.order:
        return
    if drawn:
        yield "orders drawn with different seeds"
        return
    hashes = first.evaluation.fingerprints(), second.evaluation.fingerprints()
    for benchmark in benchmarks:
        if words := prompt_prints.unlike(*hashes, benchmark):
            yield words


def _side(name: str, runs_dir: Path | None) -> Side:
    run, colon, evaluation = name.rpartition(":")
    if not colon or Path(name).exists():
        run, evaluation = name, ""
    found = StoredRun.find(run, runs_dir)
    known = {e.name: e for e in found.evaluations()}
    if not known:
        raise UsageError(
            f"{found.folder.name} has no evaluation yet; go on with: "
            f"rmr1 {found.record.command} --resume {found.record.id}"
        )
    if evaluation and evaluation not in known:
        kind = f"evaluation of {found.folder.name} (there is {', '.join(known)})"
        raise UnknownName(kind, evaluation, known, hint=f"rmr1 runs show {found.folder.name}")
    own = [e for e in _unsampled(known.values()) if "/" not in e.name]
    return Side(found, known[evaluation] if evaluation else (own or list(known.values()))[-1])


def _unsampled(evaluations: Iterable[StoredEvaluation]) -> list[StoredEvaluation]:
    return [e for e in evaluations if not e.name.endswith(SAMPLED)]


def _refuse_repeats(sides: Sequence[Side]) -> None:
    places = [side.evaluation.folder.resolve() for side in sides]
    for side, place in zip(sides, places, strict=True):
        if places.count(place) > 1:
            raise UsageError(f"{side.name} is named twice; see: rmr1 runs list")


def _named(ref: Ref | None) -> str:
    if ref is None:
        return ""
    options = ", ".join(f"{name}={value}" for name, value in ref.options.items())
    return f"{ref.name} ({options})" if options else ref.name


def _plain(value: object) -> str:
    return "the backbone's" if value is None else str(value)
