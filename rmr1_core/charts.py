"""What a report draws, as pure data; how it is drawn is the business of `figures`."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from rmr1_core.values import Metric, Scores, Value

LONGEST = 34
"""Characters of a label."""


class Mark(Value, frozen=True):
    """Somebody else's number beside ours, such as a published one: a share in [0, 1] and how far
    ours may be from it by chance."""

    label: str
    value: float
    tolerance: float = 0.0


class BarRow(Value, frozen=True):
    """A row of bars: its label, and a metric for each series, None where there is none."""

    label: str
    metrics: tuple[Metric | None, ...]


class Bars(Value, frozen=True):
    """Metrics as bars with their intervals, in rows; with several series, a row has a bar of each.

    `marks` are drawn on the bar of the metric of that name.
    """

    title: str
    rows: tuple[BarRow, ...]
    series: tuple[str, ...] = ("",)
    marks: Mapping[str, tuple[Mark, ...]] = {}


class Heatmap(Value, frozen=True):
    """Metrics in a grid: `cells` has the rows from top to bottom, None where nothing is known."""

    title: str
    row_axis: str
    rows: tuple[str, ...]
    column_axis: str
    columns: tuple[str, ...]
    cells: tuple[tuple[Metric | None, ...], ...]


class Curve(Value, frozen=True):
    """A quantity over the steps of a training: points of step and value, as they came."""

    title: str
    points: tuple[tuple[float, float], ...]


class TokenPoint(Value, frozen=True):
    """A metric at so many tokens, and what it is of."""

    tokens: float
    metric: Metric
    label: str


class TokenCurve(Value, frozen=True):
    """A metric with its intervals against the tokens that it takes, such as by votes."""

    title: str
    points: tuple[TokenPoint, ...]


Chart = Bars | Heatmap | Curve | TokenCurve
"""What a report can draw."""


def bars(title: str, metrics: Iterable[Metric]) -> Bars:
    """A bar for each metric, with its name."""
    return Bars(title=title, rows=tuple(BarRow(label=m.name, metrics=(m,)) for m in metrics))


def overview(scores: Scores) -> Bars:
    """A bar for the headline, and for each metric that is no part of another one."""
    whole = [metric for metric in scores.metrics if "/" not in metric.name]
    return bars("score", [scores.headline, *whole])


def one_line(text: str, most: int = LONGEST) -> str:
    """A text of anybody's as one short line, without what would turn the direction of others."""
    line = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c
        for c in " ".join(text[: 4 * most].split())
    )
    return line if len(line) <= most else line[: most - 1] + "…"
