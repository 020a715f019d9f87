"""How each kind of chart is drawn on its axes, and how high it is.

The colours stand for variables of a page: see `figures`, which puts charts together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rmr1_core.charts import Bars, Chart, Curve, Heatmap, TokenCurve, TokenPoint, one_line
from rmr1_core.values import Metric

INK, SOFT, LINE = "#1b1f28", "#5c6676", "#dfe3eb"
SERIES = ("#3b5bdc", "#c2701c", "#1a7f4c")
LONGEST_IN_TWO = 24
"""Letters of a name with which a legend still has two columns."""
MARKERS = ("D", "s", "^", "v", "P", "X")


def draw(axes: Any, chart: Chart) -> None:
    """Draw a chart on matplotlib's axes."""
    match chart:
        case Bars():
            _bars(axes, chart)
        case Heatmap():
            _heatmap(axes, chart)
        case Curve():
            _curve(axes, chart)
        case TokenCurve():
            _token_curve(axes, chart)


def height(chart: Chart) -> float:
    """Of a chart, in inches."""
    match chart:
        case Bars():
            names = _names(chart)
            legend = 0.18 * math.ceil(len(names) / _columns(names)) + 0.07 * bool(names)
            return 0.75 + legend + len(chart.rows) * max(0.22, 0.15 * len(chart.series))
        case Heatmap():
            return 0.9 + 0.55 * len(chart.rows)
        case Curve():
            return 2.4
        case TokenCurve():
            return 2.8


def _columns(names: Sequence[Any]) -> int:
    """How many columns of a legend fit beside one another."""
    return 1 if any(len(name.get_label()) > LONGEST_IN_TWO for name in names) else 2


def _bars(axes: Any, chart: Bars) -> None:
    thick = 0.76 / len(chart.series)
    for number, row in enumerate(chart.rows):
        for series, metric in enumerate(row.metrics):
            if metric is not None:
                place = number + (series - (len(row.metrics) - 1) / 2) * thick
                _bar(axes, chart, metric, place, series)
    labels = [one_line(row.label) for row in chart.rows]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(0, 117)
    axes.set_xticks(range(0, 101, 25), [f"{n} %" for n in range(0, 101, 25)])
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if handles := _names(chart):
        axes.legend(
            handles=handles,
            ncols=_columns(handles),
            loc="upper left",
            bbox_to_anchor=(0, 0),
            borderaxespad=2.2,
        )


def _bar(axes: Any, chart: Bars, metric: Metric, place: float, series: int) -> None:
    thick, many = 0.76 / len(chart.series), len(chart.series) > 1
    value, low, high = (100 * share for share in (metric.value, metric.low, metric.high))
    axes.barh(place, value, height=0.9 * thick, color=SERIES[series % len(SERIES)], alpha=0.45)
    axes.plot([low, high], [place, place], color=INK, linewidth=0.9, solid_capstyle="butt")
    axes.plot([value], [place], marker="|", color=INK, markersize=18 * thick, markeredgewidth=1.4)
    axes.text(117, place, f"{value:.1f}", ha="right", va="center", fontsize=7 if many else 8.5)
    names = _marked(chart)
    for mark in chart.marks.get(metric.name, ()):
        theirs, far = 100 * mark.value, 100 * mark.tolerance
        axes.plot([max(theirs - far, 0), min(theirs + far, 100)], [place + 0.27 * thick] * 2,
                  color=SERIES[1], linewidth=1.0)  # fmt: skip
        axes.plot([theirs], [place + 0.27 * thick], color=SERIES[1], markersize=4,
                  marker=MARKERS[names.index(mark.label) % len(MARKERS)])  # fmt: skip


def _marked(chart: Bars) -> list[str]:
    """Whose marks there are, each once."""
    return list(dict.fromkeys(mark.label for marks in chart.marks.values() for mark in marks))


def _names(chart: Bars) -> list[Any]:
    """What the legend shows: the series where there are several, and whose marks are drawn."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    several = [s for s in enumerate(chart.series) if len(chart.series) > 1]
    patches = [
        Patch(color=SERIES[number % len(SERIES)], alpha=0.45, label=one_line(label))
        for number, label in several
    ]
    lines = [
        Line2D([], [], color=SERIES[1], linewidth=1, markersize=4, label=one_line(label),
               marker=MARKERS[number % len(MARKERS)])
        for number, label in enumerate(_marked(chart))
    ]  # fmt: skip
    return [*patches, *lines]


def _heatmap(axes: Any, chart: Heatmap) -> None:
    from matplotlib.patches import Rectangle

    for i, row in enumerate(chart.cells):
        for j, metric in enumerate(row):
            alpha = 0.0 if metric is None else 0.03 + 0.5 * metric.value**3
            box = Rectangle((j, i), 0.97, 0.94, color=SERIES[0], alpha=alpha, linewidth=0)
            axes.add_patch(box)
            said = "–" if metric is None else f"{100 * metric.value:.1f}"
            axes.text(j + 0.49, i + 0.38, said, ha="center", va="center", fontsize=10)
            if metric is not None:
                interval = f"{100 * metric.low:.0f} to {100 * metric.high:.0f}"
                axes.text(j + 0.49, i + 0.7, interval, ha="center", va="center", fontsize=7,
                          color=SOFT)  # fmt: skip
    columns, rows = map(one_line, chart.columns), map(one_line, chart.rows)
    axes.set_xticks([j + 0.49 for j in range(len(chart.columns))], list(columns))
    axes.set_yticks([i + 0.47 for i in range(len(chart.rows))], list(rows))
    axes.set_xlim(0, len(chart.columns))
    axes.set_ylim(len(chart.rows), 0)
    axes.set_xlabel(one_line(chart.column_axis))
    axes.set_ylabel(one_line(chart.row_axis))
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)


def _curve(axes: Any, chart: Curve) -> None:
    steps, values = [p[0] for p in chart.points], [p[1] for p in chart.points]
    alone = "o" if len(steps) == 1 else ""
    axes.plot(steps, values, color=SERIES[0], linewidth=0.6, alpha=0.4, marker=alone)
    axes.plot(steps, _smooth(values), color=SERIES[0], linewidth=1.4)
    axes.set_xlabel("step")
    axes.grid()
    axes.tick_params(length=0)
    axes.spines[["top", "right"]].set_visible(False)


def _token_curve(axes: Any, chart: TokenCurve) -> None:
    points = sorted(chart.points, key=lambda point: point.tokens)
    tokens = [point.tokens for point in points]
    shares = [100 * point.metric.value for point in points]
    axes.plot(tokens, shares, color=SERIES[0], linewidth=1.0, alpha=0.6)
    for at, share, point in zip(tokens, shares, points, strict=True):
        interval = [100 * point.metric.low, 100 * point.metric.high]
        axes.plot([at, at], interval, color=INK, linewidth=0.9, solid_capstyle="butt")
        axes.plot([at], [share], marker="o", color=SERIES[0], markersize=4)
    for (at, share), labels in _labelled(points).items():
        last = at == round(tokens[-1], 1) and len(tokens) > 1
        axes.annotate(one_line(", ".join(labels)), (at, share), fontsize=7.5,
                      xytext=(-4, -11) if last else (4, 4), ha="right" if last else "left",
                      textcoords="offset points")  # fmt: skip
    if tokens and tokens[-1] > 8 * max(tokens[0], 1):
        axes.set_xscale("log")
    axes.set_xlabel("tokens for one pair in one order")
    axes.set_ylabel("percent")
    axes.grid()
    axes.tick_params(length=0)
    axes.spines[["top", "right"]].set_visible(False)


def _labelled(points: Sequence[TokenPoint]) -> dict[tuple[float, float], list[str]]:
    """The labels at each place; points that are one have one label."""
    found: dict[tuple[float, float], list[str]] = {}
    for point in points:
        place = round(point.tokens, 1), round(100 * point.metric.value, 1)
        found.setdefault(place, []).append(point.label)
    return found


def _smooth(values: Sequence[float]) -> list[float]:
    """The mean over a window around each step, of about a twentieth of all steps."""
    half = max(1, len(values) // 40)
    windows = (values[max(0, i - half) : i + half + 1] for i in range(len(values)))
    return [sum(window) / len(window) for window in windows]
