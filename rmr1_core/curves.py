"""The learning curve of a training run: what its trainers report of their steps, and the scores
between the stages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rmr1_core import figures
from rmr1_core.charts import BarRow, Bars, Chart, Curve
from rmr1_core.values import Report, StageResult

CURVE_FILE = "learning_curve.png"
CURVES: Mapping[str, str] = {
    "loss": "loss",
    "accuracy": "accuracy",
    "reward_mean": "mean reward",
    "kl": "KL to the reference",
    "response_length": "tokens per answer",
}
"""What is drawn of a stage's steps, where its trainer reports it: field and label."""

MOST_POINTS = 600
"""Of longer trainings, groups of successive steps are averaged."""

Events = Sequence[Mapping[str, Any]]


def draw(stages: Sequence[tuple[str, Events]], results: Sequence[StageResult], path: Path) -> None:
    """Draw the scores, and every stage's steps."""
    charts: list[Chart] = [
        *scores(results),
        *(c for name, events in stages for c in of_steps(name, events)),
    ]
    if charts:
        figures.write(charts, path)


def of_steps(stage: str, events: Events) -> list[Curve]:
    """A curve for each quantity that a stage's steps tell; the loss only where no reward is."""
    steps = [event for event in events if event.get("event") == "step"]
    return [
        Curve(title=f"{stage}: {CURVES[field]}", points=thinned(points))
        for field in _fields(steps)
        if (points := [(s["step"], s[field]) for s in steps if _told(s, field)])
    ]


def scores(results: Sequence[StageResult]) -> list[Bars]:
    """For each benchmark its headline before training and after every stage of the recipe."""
    own = [result for result in results if not result.variant and result.reports]
    names = dict.fromkeys(report.benchmark for result in own for report in result.reports)
    several = any(result.sampled for result in own)
    series = ("greedy", "sampled") if several else ("",)
    return [
        Bars(
            title=f"score on {name}",
            series=series,
            rows=tuple(
                BarRow(
                    label=result.stage + (" (partial)" if _partial(name, result) else ""),
                    metrics=tuple(
                        _headline(name, reports)
                        for reports in (result.reports, result.sampled)[: len(series)]
                    ),
                )
                for result in own
            ),
        )
        for name in names
    ]


def thinned(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """At most so many points as are drawn: means of successive ones."""
    size = -(-len(points) // MOST_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size or 1)]
    return tuple(
        (group[len(group) // 2][0], sum(p[1] for p in group) / len(group)) for group in groups
    )


def _headline(benchmark: str, reports: Iterable[Report]) -> Any:
    return next((r.scores.headline for r in reports if r.benchmark == benchmark), None)


def _partial(benchmark: str, result: StageResult) -> bool:
    return any(r.partial for r in result.reports if r.benchmark == benchmark)


def _fields(steps: Events) -> Iterable[str]:
    rewarded = any("reward_mean" in step for step in steps)
    return [field for field in CURVES if not (field == "loss" and rewarded)]


def _told(step: Mapping[str, Any], field: str) -> bool:
    return all(_is_number(step.get(name)) for name in ("step", field))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
