"""What `rmr1 data` prints for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from rmr1_core.data_stats import Stats
from rmr1_core.errors import BadInput
from rmr1_core.mix_report import REMOVED_FILE, MixReport
from rmr1_core.show import percent, print_table
from rmr1_core.values import Example

_SHOWN = 10
_SHOWN_CHARACTERS = 1200


def skipped_words(skipped: Sequence[BadInput]) -> Iterator[str]:
    """Which rows were left out: the first ones in full, and how many for each reason."""
    yield f"{len(skipped):,} rows were left out; the first:"
    yield from (f"  {error}" for error in skipped[:_SHOWN])
    if len(skipped) > _SHOWN:
        reasons = Counter((error.field or "", error.problem) for error in skipped)
        yield "by reason:"
        for (field, problem), count in reasons.most_common(_SHOWN):
            where = f"field {field!r}: " if field else ""
            yield f"  {count:,}: {where}{problem}"


def print_stats(stats: Stats) -> None:
    """Everything that a source has."""
    rows = f"{stats.rows:,} rows"
    click.echo(f"{stats.dataset}, split {stats.split}: {rows}, {stats.traces:,} with a trace")
    if not stats.rows:
        return
    counts = [
        (kind, name, f"{count:,}")
        for kind, found in _counted(stats)
        for name, count in list(found.items())[:_SHOWN]
    ]
    print_table(("what", "value", "rows"), counts)
    print_table(
        (f"length in {stats.unit}", "mean", "p50", "p90", "p99", "longest"),
        [
            (x.part, f"{x.mean:,.0f}", f"{x.p50:,}", f"{x.p90:,}", f"{x.p99:,}", f"{x.longest:,}")
            for x in stats.lengths
        ],
    )
    click.echo(f"chosen answer first: {percent(stats.first_share)} %")
    click.echo(f"chosen answer longer: {percent(stats.longer_share)} %")
    _print_findings(stats)


def print_findings(stats: Stats, bad: int) -> None:
    """What is wrong with a source."""
    click.echo(f"{stats.dataset}, split {stats.split}: {stats.rows:,} rows that can be used")
    if bad:
        click.echo(f"{bad:,} rows that cannot be used; see above")
    _print_findings(stats)
    if not bad and not stats.findings:
        click.echo("nothing is wrong with them")


def print_mix(report: MixReport, output: Path) -> None:
    """What was mixed, and what was left out."""
    print_table(
        ("source", "read", "filtered", "taken", "removed", "kept"),
        [
            (
                s.name,
                f"{s.read:,}",
                f"{sum(s.filtered.values()):,}",
                f"{s.taken:,}",
                f"{sum(s.removed.values()):,}",
                f"{s.kept:,}",
            )
            for s in report.sources
        ],
    )
    why = [
        (source.name, reason, f"{count:,}")
        for source in report.sources
        for reason, count in source.left_out.items()
    ]
    if why:
        print_table(("source", "left out, since", "rows"), why)
    for warning in report.warnings():
        click.echo(f"note: {warning}")
    click.echo(f"{report.rows:,} rows in {output}; what was removed is in {output / REMOVED_FILE}")
    click.echo(f"train on them with the dataset mixed:{output}")


def _counted(stats: Stats) -> Iterator[tuple[str, Mapping[str, int]]]:
    yield "source", stats.sources
    yield "domain", stats.domains
    yield "licence", stats.licences


def _print_findings(stats: Stats) -> None:
    if stats.findings:
        print_table(
            ("what is wrong", "rows", "the first"),
            [(f.what, f"{f.rows:,}", f"row {f.first:,}") for f in stats.findings],
        )


def print_example(example: Example) -> None:
    """A row with its texts, those that are long shortened."""
    pair = example.pair
    tags = ", ".join(f"{name}={value}" for name, value in pair.tags.items())
    click.echo(f"=== {pair.id}  {tags}")
    for message in pair.prompt:
        click.echo(f"--- {message.role}\n{_shortened(message.content)}")
    order = "first" if example.chosen_first else "second"
    click.echo(f"--- chosen (shown {order})\n{_shortened(pair.chosen)}")
    click.echo(f"--- rejected\n{_shortened(pair.rejected)}")
    if example.trace:
        click.echo(f"--- trace\n{_shortened(example.trace)}")


def _shortened(text: str) -> str:
    more = len(text) - _SHOWN_CHARACTERS
    return f"{text[:_SHOWN_CHARACTERS]} [{more:,} characters more]" if more > 0 else text
