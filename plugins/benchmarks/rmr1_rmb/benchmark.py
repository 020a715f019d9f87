"""RMB's rules: micro means per goal, of pairs and of best-of-N items, and the mean of these four.

A best-of-N item is won when its best answer beats every loser; a tie loses. Its value is the
product of its pairs' scores: with one order judged that is 0 or 1, with both it is the expectation
when every pair's order is drawn alone, as RM-R1 does. The mean of the four is RM-R1's: upstream
gives no overall number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from rmr1_core import BarRow, Bars, Benchmark, Chart, Metric, Option, Outcome, Pair, Scores
from rmr1_core.datafiles import Row, hub_rows
from rmr1_core.errors import UsageError
from rmr1_core.statistics import Estimate, average, mean
from rmr1_rmb import rows
from rmr1_rmb.categories import BON, CATEGORIES, EXPECTED, GOALS, PAIRWISE

_SETS = {"all": (PAIRWISE, BON), "pairwise": (PAIRWISE,), "bon": (BON,)}
_SPLITS = {PAIRWISE: "pairwise", BON: "bon"}
_AUTHORS = "https://github.com/Zhou-Zoey/RMB-Reward-Model-Benchmark"
_LABELS = {PAIRWISE: "pairwise", BON: "BoN"}


class RMB(Benchmark, frozen=True, kw_only=True):
    """RMB (arXiv 2410.09893).

    Its authors publish it on GitHub only; `hub` is somebody else's complete copy, in a schema of
    its own with the splits `pairwise` and `bon`.
    """

    parts: Annotated[
        Literal["all", "pairwise", "bon"],
        Option(description="judge the pairs, the best-of-N items, or both"),
    ] = "all"

    def pairs(self, source: Path | None) -> Iterator[Pair]:
        """The pairs, and the best-of-N items as pairs, from the hub, a file, or a folder with
        upstream's `RMB_dataset`."""
        sets = _SETS[self.parts]
        found = self._hub_rows(sets) if source is None else rows.local_rows(source, sets)
        return rows.pairs(found, sets)

    @property
    def expected(self) -> Mapping[str, int]:
        """The pairs of each category of the parts that are judged."""
        sets = _SETS[self.parts]
        return {path: n for path, n in EXPECTED.items() if path.split("/")[0] in sets}

    def summarize(self, outcomes: Sequence[Outcome], scoring: str) -> Scores:
        """The mean of the four parts; what is missing is left out of the means above it."""
        pairs = [outcome for outcome in outcomes if outcome.pair.tags["task"] == "pairwise"]
        of_items = [outcome for outcome in outcomes if outcome.pair.tags["task"] == "bon"]
        items, notes = _items(of_items)
        units = _by_category([*map(_unit, pairs), *items])
        parts = dict(_parts(units))
        return Scores(
            headline=average(parts.values()).metric("Overall"),
            metrics=(
                *(part.metric(name) for name, part in parts.items()),
                *_pair_accuracy(of_items),
                *_categories(units),
            ),
            notes=notes,
        )

    def charts(self, scores: Scores) -> Sequence[Chart]:
        """The four parts, and the categories of each goal, pairs beside best-of-N items."""
        goals = (_of_goal(goal, scores) for goal in GOALS)
        return (*super().charts(scores), *(chart for chart in goals if chart.rows))

    def _hub_rows(self, sets: Iterable[str]) -> Iterator[Row]:
        try:
            for name in sets:
                yield from hub_rows(self.hub, split=_SPLITS[name], revision=self.revision)
        except UsageError as error:
            raise UsageError(f"{error}, for example a clone of {_AUTHORS}") from error


class _Unit(NamedTuple):
    """What counts once: a pair, or a best-of-N item."""

    category: str
    score: float
    cluster: str


def _unit(outcome: Outcome) -> _Unit:
    return _Unit(outcome.pair.subset, outcome.score(), outcome.pair.group)


def _items(outcomes: Iterable[Outcome]) -> tuple[list[_Unit], tuple[str, ...]]:
    """The items, without those of which some losers were not judged, and a note on these.

    Where no item is complete, none is left out.
    """
    grouped: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        grouped.setdefault(outcome.pair.tags["item"], []).append(outcome)
    whole = [item for item in grouped.values() if len(item) == int(item[0].pair.tags["losers"])]
    counted = whole or list(grouped.values())
    units = [_unit(item[0])._replace(score=math.prod(o.score() for o in item)) for item in counted]
    incomplete = len(grouped) - len(whole)
    fate = "left out" if whole else "counted all the same"
    note = f"{incomplete} best-of-N items {fate}: not all losers were judged"
    return units, (note,) if incomplete else ()


def _by_category(units: Iterable[_Unit]) -> dict[str, list[_Unit]]:
    grouped: dict[str, list[_Unit]] = {path: [] for path in EXPECTED}
    for unit in units:
        grouped[unit.category].append(unit)
    return {path: found for path, found in grouped.items() if found}


def _mean(units: Sequence[_Unit]) -> Estimate:
    return mean([unit.score for unit in units], [unit.cluster for unit in units])


def _parts(units: Mapping[str, Sequence[_Unit]]) -> Iterator[tuple[str, Estimate]]:
    for goal in GOALS:
        for name in (BON, PAIRWISE):
            part = [
                u for path, us in units.items() if path.startswith(f"{name}/{goal}/") for u in us
            ]
            if part:
                yield f"{goal} {_LABELS[name]}", _mean(part)


def _pair_accuracy(outcomes: Iterable[Outcome]) -> Iterator[Metric]:
    """How often the best answer beats a loser, over all pairs of all items."""
    outcomes = list(outcomes)
    for goal in GOALS:
        pairs = [_unit(o) for o in outcomes if o.pair.tags["goal"] == goal]
        if pairs:
            yield _mean(pairs).metric(f"{goal} BoN/pairs")


def _of_goal(goal: str, scores: Scores) -> Bars:
    by_name = {metric.name: metric for metric in scores.metrics}
    labels = (_LABELS[PAIRWISE], _LABELS[BON])
    all_rows = (
        BarRow(
            label=category.name,
            metrics=tuple(by_name.get(f"{goal} {label}/{category.name}") for label in labels),
        )
        for category in CATEGORIES
        if category.goal == goal
    )
    there = tuple(row for row in all_rows if any(row.metrics))
    return Bars(title=f"{goal} by category", rows=there, series=labels)


def _categories(units: Mapping[str, Sequence[_Unit]]) -> Iterator[Metric]:
    for path, found in units.items():
        name, goal, category = path.split("/", 2)
        yield _mean(found).metric(f"{goal} {_LABELS[name]}/{category}")
