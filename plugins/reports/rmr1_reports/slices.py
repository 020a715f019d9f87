"""What the judgments of an evaluation say beside its scores: whether length or position sways the
judge, and which pairs are worth reading. The journal is read once, and no text is kept.

Here what is no verdict is wrong, and a pair counts as its outcome does: with both orders judged,
half a point for each order that is right.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from rmr1_core import BarRow, Bars, Chart, Outcome, Pair, Validity, Verdict
from rmr1_core.scoring import Tally
from rmr1_core.statistics import mean
from rmr1_core.stored import StoredEvaluation

BINS = 3
"""How many bins each have the pairs whose chosen answer is shorter, and those where it is not."""
MOST_EXAMPLES = 3
"""Of each kind."""


class Slices(NamedTuple):
    """One benchmark's judgments so far: of `pairs`, those in `outcomes`. `longer` says by how many
    characters the chosen answer is longer than the rejected one, by the pair's id."""

    pairs: int
    outcomes: Sequence[Outcome]
    validity: Validity
    longer: Mapping[str, int]


def slices(evaluation: StoredEvaluation) -> dict[str, Slices]:
    """Every benchmark of an evaluation, by name."""
    tallies = {name: Tally() for name in evaluation.benchmarks()}
    for judgment in evaluation.judgments():
        if judgment.benchmark in tallies:
            tallies[judgment.benchmark].add(judgment)
    return {name: _sliced(evaluation, name, tally) for name, tally in tallies.items()}


def _sliced(evaluation: StoredEvaluation, benchmark: str, tally: Tally) -> Slices:
    longer: dict[str, int] = {}
    pairs = []
    for pair in evaluation.each_pair(benchmark):
        longer[pair.id] = len(pair.chosen) - len(pair.rejected)
        pairs.append(msgspec.structs.replace(pair, prompt=(), chosen="", rejected=""))
    outcomes = tally.outcomes(pairs)
    return Slices(len(pairs), outcomes, tally.validity(outcomes), longer)


def charts(seen: Slices, *, order_known: bool = True) -> list[Chart]:
    """Accuracy by position of the chosen answer, if that is known, and by how much longer it is."""
    drawn = [by_length(seen), *([by_position(seen.outcomes)] if order_known else [])]
    return [chart for chart in drawn if chart.rows]


def by_length(seen: Slices) -> Bars:
    """Accuracy by the length of the chosen answer less that of the rejected one."""
    rows = []
    for low, high in _bins(sorted(seen.longer[o.pair.id] for o in seen.outcomes)):
        part = [o for o in seen.outcomes if low <= seen.longer[o.pair.id] <= high]
        estimate = mean([o.score() for o in part], [o.pair.group for o in part])
        label = _signed(low) if low == high else f"{_signed(low)} to {_signed(high)}"
        rows.append(BarRow(label=f"{label} (n {len(part):,})", metrics=(estimate.metric(label),)))
    return Bars(title="accuracy by difference in length", rows=tuple(rows))


def by_position(outcomes: Sequence[Outcome]) -> Bars:
    """Accuracy where the chosen answer was shown first, and where it was shown second."""
    rows = []
    for first, label in ((True, "chosen answer first"), (False, "chosen answer second")):
        part = [(o, v) for o in outcomes for v in o.verdicts if v.chosen_first is first]
        if part:
            right = [float(v.verdict is Verdict.favouring_chosen(first)) for _, v in part]
            estimate = mean(right, [o.pair.group for o, _ in part])
            rows.append(BarRow(label=label, metrics=(estimate.metric(label),)))
    return Bars(title="accuracy by position", rows=tuple(rows))


def says_first(outcomes: Iterable[Outcome]) -> float | None:
    """The share of A among the verdicts A and B; None without any."""
    said = [v.verdict for o in outcomes for v in o.verdicts if v.verdict in "AB"]
    return said.count(Verdict.A) / len(said) if said else None


def examples(outcomes: Sequence[Outcome]) -> dict[str, list[Pair]]:
    """Some pairs of each kind that is worth reading, drawn by their ids: always the same ones."""
    kinds: Mapping[str, Callable[[Outcome], bool]] = {
        "wrong": _wrong,
        "flipped with the order": _flipped,
        "unparsed": lambda outcome: Verdict.UNPARSED in _verdicts(outcome),
    }
    found = {}
    for kind, is_one in kinds.items():
        those = sorted((o.pair for o in outcomes if is_one(o)), key=_lot)
        if those:
            found[kind] = those[:MOST_EXAMPLES]
    return found


def _bins(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Ranges with about as many pairs each; none has both signs, and none is empty."""
    found = []
    for part in ([n for n in lengths if n < 0], [n for n in lengths if n >= 0]):
        starts = sorted({part[len(part) * k // BINS] for k in range(BINS)}) if part else []
        for start, end in pairwise([*starts, math.inf]):
            inside = [n for n in part if start <= n < end]
            found.append((inside[0], inside[-1]))
    return found


def _signed(number: int) -> str:
    return f"{number:+,}".replace("-", "−") if number else "0"


def _verdicts(outcome: Outcome) -> list[Verdict]:
    return [v.verdict for v in outcome.verdicts]


def _wrong(outcome: Outcome) -> bool:
    """Whether every order's verdict names the rejected answer."""
    return all(v.verdict is Verdict.favouring_chosen(not v.chosen_first) for v in outcome.verdicts)


def _flipped(outcome: Outcome) -> bool:
    """Whether the verdict names the same position in both orders."""
    said = _verdicts(outcome)
    return len(said) == 2 and said[0] == said[1] and said[0] in (Verdict.A, Verdict.B)


def _lot(pair: Pair) -> bytes:
    return hashlib.sha256(pair.id.encode("utf-8", "surrogatepass")).digest()
