"""The card of a mix: its README, with the header that the hub reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rmr1_core.mix_report import REMOVED_FILE, REPORT_FILE, ROWS_FILE, MixReport, SourceReport
from rmr1_core.recipes import encode

_SHOWN = 20
"""Domains that are shown of a source, those with the most rows; all are in the report."""


def card(report: MixReport) -> str:
    """The card, in Markdown."""
    return "\n".join([*_header(report), *_about(report), *_lists(report)]) + "\n"


def _header(report: MixReport) -> Iterator[str]:
    yield from ("---", f"pretty_name: {_quoted(report.mixture.name)}", "license: other")
    yield from ("tags:", "- reward-model", "- preferences", "configs:", "- config_name: default")
    yield from ("  data_files:", "  - split: train", f"    path: {ROWS_FILE}", "---", "")


def _about(report: MixReport) -> Iterator[str]:
    mixture = report.mixture
    yield from (f"# {mixture.name}", "", mixture.description.strip(), "")
    yield f"{report.rows:,} rows, mixed by rmr1 {report.version} with seed {mixture.seed}."
    if mixture.order == "alternate":
        yield "The chosen answer comes first in every other row, from the first on."
    else:
        yield "Each row has its answers in the order in which its source has them."
    yield ""
    yield from _table(
        ("source", "dataset", "read", "filtered", "not drawn", "taken", "removed", "kept", "hash"),
        (_source_line(source) for source in report.sources),
    )
    yield from ("", "The hash is of the rows that were taken, as their source gives them.")
    yield from ("", f"`{ROWS_FILE}`: {report.bytes:,} bytes, SHA-256 `{report.sha256}`")
    warnings = report.warnings()
    if warnings:
        yield from ("", *(f"- Note: {warning}." for warning in warnings))


def _lists(report: MixReport) -> Iterator[str]:
    yield from ("", "## Licences", "", "As the sources state them; rows keep theirs in `tags`.", "")
    yield from _table(("source", "licence", "rows"), _counts(report.sources, "licences"))
    yield from ("", "## Domains", "")
    yield from _table(("source", "domain", "rows"), _counts(report.sources, "domains"))
    yield from ("", "## What was left out, and why", "")
    yield f"Each removed row, with what it is like, is in `{REMOVED_FILE}`."
    yield "Texts are the same when they differ in nothing but white space and case."
    yield ""
    why = [(s.name, reason, n) for s in report.sources for reason, n in s.left_out.items()]
    yield from _table(("source", "why", "rows"), why)
    if report.benchmarks:
        rule = report.mixture.overlap
        yield from ("", "Prompts were compared with those of these benchmarks: the same text, or a")
        yield f"Jaccard similarity of at least {rule.threshold:g} of their sets of {rule.words}"
        yield from ("successive words.", "")
        yield from _table(
            ("benchmark", "pairs", "of", "different prompts"),
            ((c.benchmark, c.pairs, c.expected, c.prompts) for c in report.benchmarks),
        )
    yield from (
        "",
        "## How to mix it again",
        "",
        f"All figures are in `{REPORT_FILE}`. The mixture:",
    )
    yield from ("", "```toml", encode(report.mixture).rstrip(), "```")


def _source_line(source: SourceReport) -> tuple[object, ...]:
    filtered, removed = sum(source.filtered.values()), sum(source.removed.values())
    figures = (source.read, filtered, source.not_drawn, source.taken, removed, source.kept)
    return (source.name, f"`{source.dataset}`", *figures, f"`{source.content}`")


def _counts(sources: Iterable[SourceReport], field: str) -> Iterator[tuple[object, ...]]:
    for source in sources:
        counts: Mapping[str, int] = getattr(source, field)
        most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        yield from ((source.name, name, count) for name, count in most[:_SHOWN])
        rest = sum(count for _, count in most[_SHOWN:])
        if rest:
            yield source.name, f"{len(most) - _SHOWN} others", rest


def _table(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) else " ".join(str(value).split())
    return text.replace("|", "\\|")


def _quoted(text: str) -> str:
    escaped = " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
