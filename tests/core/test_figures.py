"""Charts as pictures: all forms, and texts of anybody's."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest

from rmr1_core import (
    BarRow,
    Bars,
    Chart,
    Curve,
    Heatmap,
    Mark,
    Metric,
    TokenCurve,
    TokenPoint,
    bars,
    figures,
)
from rmr1_core.charts import LONGEST, one_line

HOSTILE = "</svg><script>alert(1)</script>$\\frac{x$\n\0\u202e\u2028]]>&amp;<!--" + "x" * 10_000


def metric(name: str, value: float = 0.5) -> Metric:
    return Metric(name=name, value=value, n=10, low=value / 2, high=(1 + value) / 2)


def charts(name: str) -> list[Chart]:
    many = tuple(metric(f"{name} {n}", n / 4) for n in range(5))
    marks = {f"{name} 1": (Mark(label=name, value=0.4, tolerance=0.1), Mark(label="", value=1.0))}
    two = (BarRow(label=name, metrics=(many[0], None)), BarRow(label="b", metrics=(None, many[4])))
    cells = ((many[0], None), (many[1], many[2]))
    return [
        msgspec.structs.replace(bars(name, many), marks=marks),
        Bars(title=name, rows=two, series=(name, "other")),
        Bars(title=name, rows=()),
        Heatmap(
            title=name, row_axis=name, rows=(name, "b"), column_axis=name, columns=(name, "b"),
            cells=cells,
        ),
        Curve(title=name, points=((0.0, 1.0),)),
        Curve(title=name, points=((0.0, -1.0), (1.0, 2.0))),
        TokenCurve(title=name, points=(TokenPoint(tokens=0.0, metric=many[1], label=name),)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("suffix", "magic"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")]
)
def test_charts_are_written_in_every_form(tmp_path: Path, suffix: str, magic: bytes) -> None:
    path = tmp_path / f"x{suffix}"
    figures.write(charts(HOSTILE), path)
    assert path.read_bytes().startswith(magic)
    first = path.read_bytes()
    figures.write(charts(HOSTILE), path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("chart", charts(HOSTILE), ids=lambda chart: type(chart).__name__)
def test_hostile_text_stays_text_in_a_page(chart: Chart) -> None:
    text = figures.svg(chart)
    assert "<script" not in text
    assert text.count("</svg>") == 1
    assert not re.search("[\0\u202e]", text)
    assert len(text) < 40_000
    ET.fromstring(text.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1))


def test_a_page_gives_its_pictures_their_colours() -> None:
    text = figures.svg(charts("a")[0])
    assert "var(--ink)" in text
    assert "var(--series-0)" in text
    assert not [colour for colour in figures.VARIABLES if colour in text]
    assert "DejaVu" not in text


def test_names_are_texts_that_can_be_read_and_found() -> None:
    text = figures.svg(bars("score by section", [metric("Chat Hard", 0.746)]))
    assert ">Chat Hard<" in text
    assert ">74.6<" in text
    assert 'aria-label="score by section"' in text


def test_charts_of_one_page_share_no_id() -> None:
    found = [set(re.findall(r' id="([^"]*)"', figures.svg(chart))) for chart in charts("a")]
    assert sum(map(len, found)) == len(set().union(*found)) > 0


def test_long_names_are_cut() -> None:
    assert one_line("word " * 100) == ("word " * 100)[: LONGEST - 1] + "…"


def test_scores_against_tokens_are_a_line_with_intervals(tmp_path: Path) -> None:
    points = tuple(
        TokenPoint(
            tokens=tokens,
            metric=Metric(name="accuracy", value=share, n=9, low=share - 0.1, high=share + 0.1),
            label=f"{tokens} <b>",
        )
        for tokens, share in ((10, 0.5), (900, 0.8))
    )
    chart = TokenCurve(title="accuracy against tokens", points=points)
    page = figures.svg(chart)
    assert "10 &lt;b&gt;" in page
    assert "tokens for one pair in one order" in page
    figures.write([chart], tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000
