"""`report.html`: a run on one page that loads nothing, has no script, and shows all text as text.

Texts of models and of datasets may be anything. The template escapes them, cuts them, and keeps
their direction to themselves; a policy in the page forbids scripts and loading, whatever it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rmr1_core import Chart, Metric, Report, StageResult, __version__, figures
from rmr1_core.charts import one_line
from rmr1_core.folders import whole_file
from rmr1_core.stored import StoredRun
from rmr1_reports import words
from rmr1_reports.facts import Section, sections, training_charts
from rmr1_reports.published import Published, nearest

if TYPE_CHECKING:
    from markupsafe import Markup

REPORT_FILE = "report.html"
FOLDER = Path(__file__).parent / "page"
MOST_ROWS, MOST_LINE = 400, 120
"""Rows of a table, and characters of a name."""


class ResultRow(NamedTuple):
    """A benchmark of one result of a training."""

    judge: str
    report: Report
    sampled: Metric | None
    cpu_seconds: float


def write(run: StoredRun, state: str = "") -> Path:
    """Write the page into the run's folder, all at once; where it is.

    Raises:
        BadInput: something in the folder is damaged.
    """
    path = run.folder / REPORT_FILE
    page = render(run, state or run.state)
    with whole_file(path) as aside:
        aside.write_text(page, encoding="utf-8", errors="replace")
    return path


def render(run: StoredRun, state: str) -> str:
    """The page; `state` says how the run stands, as `StoredRun.state` does."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader(FOLDER),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_filters())
    record = run.record
    return environment.get_template("report.html").render(
        run=record,
        state=state,
        judge=words.judge(run),
        resume=words.resume(run, state),
        style=_style(),
        sections=sections(run),
        results=_result_rows(run.results()),
        training_charts=training_charts(run),
        again=words.again(run),
        how=words.how(run),
        asked=words.asked(run),
        recipe=words.recipe(run),
        version=__version__,
    )


def _filters() -> Mapping[str, Callable[..., Any]]:
    return {
        "percent": words.percent,
        "signed": words.signed,
        "line": lambda text, most=MOST_LINE: one_line(text, most),
        "visible": words.visible,
        "missing": words.missing,
        "unparsed": lambda facts: words.percent(facts.unparsed / max(facts.judgments, 1)),
        "truncated": lambda facts: words.percent(facts.truncated / max(facts.judgments, 1)),
        "picture": _picture,
        "drawn_models": _drawn_models,
        "published_rows": _published_rows,
        "scorings": _scorings,
        "moved": lambda found: [s for s in found.spreads if s.low != s.high][:MOST_ROWS],
        "metric_rows": _metric_rows,
    }


def _style() -> Markup:
    from markupsafe import Markup

    return Markup((FOLDER / "report.css").read_text(encoding="utf-8"))


def _picture(chart: Chart) -> Markup:
    """A chart as SVG; where it cannot be drawn, that is said, and the page is whole."""
    from markupsafe import Markup

    try:
        return Markup(figures.svg(chart))
    except Exception as error:  # the boundary to foreign code
        said = one_line(f"{chart.title} cannot be drawn: {error!r}", 300)
        return Markup("<p class='facts'>{}</p>").format(said)


def _drawn_models(section: Section) -> str:
    assert section.report is not None
    drawn = nearest(section.published, section.report.scores.headline)
    return ", ".join(one_line(model, 60) for model in drawn) or "none"


def _published_rows(section: Section) -> tuple[list[Published], list[Published]]:
    """All numbers of the models that are drawn, and of the others the one beside the headline."""
    assert section.report is not None
    headline = section.report.scores.headline
    drawn = nearest(section.published, headline)
    own = [one for model in drawn for one in section.published if one.model == model]
    others = [one for one in section.published if one.metric == headline.name]
    rest = sorted((one for one in others if one.model not in drawn), key=lambda one: -one.theirs)
    return own, rest[:MOST_ROWS]


def _scorings(section: Section) -> list[str]:
    assert section.report is not None
    return [section.report.scoring, *section.report.alternatives]


def _metric_rows(section: Section) -> list[tuple[str, int, list[Metric | None]]]:
    """A row for each metric: its name, its n, and its value under each scoring rule."""
    assert section.report is not None
    rules = [section.report.scores, *section.report.alternatives.values()]
    columns = [{m.name: m for m in (scores.headline, *scores.metrics)} for scores in rules]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = []
    for name in names[:MOST_ROWS]:
        metrics = [column.get(name) for column in columns]
        rows.append((name, max(metric.n for metric in metrics if metric), metrics))
    return rows


def _result_rows(results: Sequence[StageResult]) -> list[ResultRow]:
    rows = []
    for result in results:
        sampled = {report.benchmark: report.scores.headline for report in result.sampled}
        for report in result.reports:
            when = result.stage if result.stage == "before" else f"after {result.stage}"
            judge = f"{result.variant}, {when}" if result.variant else when
            rows.append(ResultRow(judge, report, sampled.get(report.benchmark), result.cpu_seconds))
    return rows
