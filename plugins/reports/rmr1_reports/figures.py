"""The figures of a run, for papers: what its report draws, one by one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from rmr1_core import Chart
from rmr1_core import figures as drawing
from rmr1_core.curves import of_steps, scores
from rmr1_core.errors import UsageError
from rmr1_core.folders import whole_file
from rmr1_core.stored import StoredRun
from rmr1_reports.facts import sections


class Figure(NamedTuple):
    """A chart with a name that suits a file: lower case, digits and "-"."""

    name: str
    chart: Chart


def figures(run: StoredRun) -> list[Figure]:
    """All figures of a run, each name once: of every benchmark what it wants to be drawn, accuracy
    by length and position, and the curves of every training stage. Works while the run goes on.

    Raises:
        BadInput: something in the run's folder is damaged.
    """
    found = [
        (f"{section.benchmark} {chart.title}", chart)
        for section in sections(run, with_examples=False)
        for chart in section.charts
    ]
    found += [(chart.title, chart) for chart in scores(run.results())]
    for stage, steps in run.steps().items():
        found += [(chart.title, chart) for chart in of_steps(stage, steps)]
    named: dict[str, Chart] = {}
    for title, chart in found:
        name = _file_name(title)
        while name in named:
            name += "-2"
        named[name] = chart
    return [Figure(name, chart) for name, chart in named.items()]


def write(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, SVG or PDF, which the suffix of the path says, all at once.

    The same figure gives the same bytes, with the same matplotlib.

    Raises:
        UsageError: the suffix is another one.
    """
    if path.suffix not in drawing.FORMS:
        raise UsageError(f"{path}: a figure is one of {', '.join(drawing.FORMS)}; name it so")
    with whole_file(path) as aside:
        drawing.write([figure.chart], aside, form=path.suffix)


def _file_name(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:80] or "figure"
