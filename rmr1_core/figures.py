"""Charts as pictures, drawn by matplotlib: for papers as PNG, SVG and PDF, for pages as SVG.

There is one way to draw. A page's SVG differs in two things: its texts are texts, and its colours
are the page's own variables, so that it follows the page into the dark.
"""

from __future__ import annotations

import hashlib
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rmr1_core import axes
from rmr1_core.axes import INK, LINE, SERIES, SOFT
from rmr1_core.charts import Chart, one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMS = (".png", ".svg", ".pdf")
VARIABLES: Mapping[str, str] = {
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    LINE: "var(--line)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES)},
}
"""The variables that a page must define, by the colour that stands for each in pictures."""

WIDTH = 4.6
"""Of a chart, in inches: narrow, so that it can be read on a phone."""
PER_ROW = 3
_STYLE: Mapping[str, Any] = {
    "text.parse_math": False,  # a name may have dollar signs
    "text.usetex": False,
    "axes.facecolor": "none",
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "ytick.labelcolor": INK,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "pdf.fonttype": 42,
    "svg.hashsalt": "rmr1",
}


def write(charts: Sequence[Chart], path: Path, *, form: str = "") -> None:
    """Draw charts into one picture. Its form is one of `FORMS`, by default the path's suffix.

    The same charts give the same bytes, but for what matplotlib's version does.
    """
    with _styled():
        figure = _figure(charts, PER_ROW)
        dates = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        form = form or path.suffix
        figure.savefig(path, format=form[1:], dpi=150, metadata=dates[form], facecolor="white")


def svg(chart: Chart) -> str:
    """A chart to stand in a page, as `<svg>` without a size and a title of its own."""
    with _styled({"svg.fonttype": "none", "svg.hashsalt": _digest(chart)}):
        text = StringIO()
        _figure([chart], 1, titled=False).savefig(text, format="svg", transparent=True)
    return _for_a_page(text.getvalue(), one_line(chart.title, 200))


def _digest(chart: Chart) -> str:
    """A number of its content, so that no two charts of a page share an id."""
    return hashlib.sha256(msgspec.json.encode(chart)).hexdigest()


@contextmanager
def _styled(more: Mapping[str, Any] | None = None) -> Iterator[None]:
    import matplotlib

    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    with matplotlib.rc_context({**_STYLE, **(more or {})}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of characters that the font lacks
        log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            log.setLevel(level)


def _figure(charts: Sequence[Chart], per_row: int, *, titled: bool = True) -> Figure:
    """All charts in a grid, each row as high as its highest chart."""
    from matplotlib.figure import Figure

    columns = max(1, min(per_row, len(charts)))
    rows = [charts[start : start + columns] for start in range(0, len(charts), columns)]
    heights = [max(map(axes.height, row)) for row in rows] or [1.0]
    figure = Figure(figsize=(WIDTH * columns, sum(heights)), layout="constrained")
    grid = figure.add_gridspec(max(len(rows), 1), columns, height_ratios=heights)
    for number, chart in enumerate(charts):
        area = figure.add_subplot(grid[divmod(number, columns)])
        if titled:
            area.set_title(one_line(chart.title, 60))
        axes.draw(area, chart)
    return figure


def _for_a_page(text: str, label: str) -> str:
    """matplotlib's SVG as part of a page: without head, ids that would repeat, size and fonts."""
    head, _, body = text[text.index("<svg") :].partition(">")
    box = re.search(r'viewBox="[^"]*"', head)
    for old, new in _SHORTER:
        body = old.sub(new, body)
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, variable)
    return f'<svg {box[0] if box else ""} role="img" aria-label="{escape(label)}">{body.strip()}'


_SHORTER = (
    (re.compile(r"<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL), ""),
    (re.compile(r'(?<=<g) id="[^"]*"'), ""),
    (re.compile(r"font-family: [^;\"]*"), "font-family: var(--font)"),
    (re.compile(r"(?<=\d\.\d\d)\d+(?=[^<>]*>)"), ""),
    (re.compile(r"\n\s*"), " "),
)
"""What a page does not need, or has itself."""
