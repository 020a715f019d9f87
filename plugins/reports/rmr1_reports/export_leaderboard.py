"""Results as Markdown tables, a table for each benchmark, the best judge first."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from rmr1_core import Metric, Report
from rmr1_reports.export_rows import Result

_MARKUP = re.compile(r"([\\`*_\[\]#|~$]|(?<=[a-z]):(?=//)|(?<=www)\.)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}
"""A backslash does not keep these from being markup, or a name from being told of it."""


def leaderboard(found: Sequence[Result]) -> str:
    """A heading and a table for each benchmark, and what the columns are."""
    names = dict.fromkeys(result.report.benchmark for result in found)
    tables = [_table(name, [r for r in found if r.report.benchmark == name]) for name in names]
    return "\n".join([*tables, _NOTE])


_NOTE = """\
In percent. The interval is a 95 % one, clustered by prompt. n counts pairs, or items of best-of-N.
Unparsed and truncated are shares of the judgments, flips the share of the pairs whose verdict
changes with the order of the answers."""


def escaped(text: str) -> str:
    """A text of anybody's as plain text of a cell: no markup, no link, no line of its own, and
    nothing that turns the direction of what follows."""
    plain = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c
        for c in " ".join(text.split())
    )
    marked = _MARKUP.sub(r"\\\1", plain)
    return "".join(_ENTITIES.get(c, c) for c in marked)


def _table(benchmark: str, found: Sequence[Result]) -> str:
    ranked = sorted(found, key=lambda r: -r.report.scores.headline.value)
    sections = _sections([r.report for r in ranked])
    several = len({r.report.scoring for r in ranked}) > 1
    columns = ["judge", *(["scoring"] if several else []), "score", "95 % interval", "n"]
    columns += [*sections, "unparsed", "truncated", "flips"]
    lines = [_line([escaped(column) for column in columns])]
    lines.append(_line(["---", *["---:"] * (len(columns) - 1)]))
    lines += [_line(_cells(result, sections, several)) for result in ranked]
    scoring = "" if several else f", {escaped(ranked[0].report.scoring)} scoring"
    headline = escaped(ranked[0].report.scores.headline.name)
    gaps = [f"- {_who(r)}: {_missing(r.report)}" for r in ranked if r.report.partial]
    notes = ["", "Partial, where not all was judged:", "", *gaps] if gaps else []
    head = [f"## {escaped(benchmark)}", "", f"Score: {headline}{scoring}.", ""]
    return "\n".join([*head, *lines, *notes, ""])


def _sections(reports: Sequence[Report]) -> list[str]:
    """The metrics that are shown: those that are no part of another one, nor the headline."""
    names = dict.fromkeys(m.name for report in reports for m in report.scores.metrics)
    headlines = {report.scores.headline.name for report in reports}
    return [name for name in names if "/" not in name and name not in headlines]


def _cells(result: Result, sections: Sequence[str], several: bool) -> list[str]:
    report = result.report
    headline, facts = report.scores.headline, report.validity
    by_name = {metric.name: metric for metric in report.scores.metrics}
    of = max(facts.judgments, 1)
    return [
        _who(result) + (" (partial)" if report.partial else ""),
        *([escaped(report.scoring)] if several else []),
        f"**{_percent(headline.value)}**",
        f"{_percent(headline.low)} to {_percent(headline.high)}",
        f"{headline.n:,}",
        *(_score(by_name.get(name)) for name in sections),
        _percent(facts.unparsed / of),
        _percent(facts.truncated / of if facts.counted else None),
        _percent(facts.flip_rate),
    ]


def _who(result: Result) -> str:
    return escaped(f"{result.judge} · {result.run}")


def _missing(report: Report) -> str:
    gaps = report.missing
    have, whole = sum(gap.have for gap in gaps), sum(gap.expected for gap in gaps)
    names = ", ".join(escaped(gap.subset) for gap in gaps[:3])
    more = f" and {len(gaps) - 3} more" if len(gaps) > 3 else ""
    return f"{have:,} of {whole:,} pairs of {names}{more}"


def _score(metric: Metric | None) -> str:
    return _percent(metric.value if metric else None)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
