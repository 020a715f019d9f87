"""Reports as tables for people. Every number stands beside its n, its interval and its gaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rmr1_core.curves import CURVE_FILE
from rmr1_core.runs import read_record
from rmr1_core.scoring import missing_words
from rmr1_core.values import EvalProtocol, Metric, Report, StageResult, Validity

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def console() -> Console:
    """Standard output, without wrapping or colour when it is not a terminal."""
    import sys

    from rich.console import Console

    width = None if sys.stdout.isatty() else 160
    return Console(width=width, highlight=False, markup=False, emoji=False)


def percent(share: float | None) -> str:
    """A share in percent with one decimal, as papers print it; "-" for none."""
    return "-" if share is None else f"{100 * share:.1f}"


def interval(metric: Metric) -> str:
    """A metric's 95 % interval in percent."""
    return f"{percent(metric.low)} to {percent(metric.high)}"


def summary_table(reports: Sequence[Report]) -> Table:
    """One line per benchmark: the headline with what qualifies it, in 80 columns."""
    table = _table("in percent")
    table.add_column("benchmark")
    for column in ("score", "95 % interval", "n", "unparsed", "flips"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("scoring")
    for report in reports:
        headline, facts = report.scores.headline, report.validity
        table.add_row(
            report.benchmark + (" (partial)" if report.partial else ""),
            percent(headline.value),
            interval(headline),
            str(headline.n),
            percent(facts.unparsed / max(facts.judgments, 1)),
            percent(facts.flip_rate),
            report.scoring,
        )
    return table


def metrics_table(report: Report, *, every: bool) -> Table:
    """The metrics of one report, and the headline under the benchmark's other rules.

    A metric whose name has a "/" is a part of another one, and shown only when `every` is.
    """
    table = _table()
    table.add_column("metric")
    for column in ("score", "95 % interval", "n"):
        table.add_column(column, justify="right")
    rows: list[tuple[str, Metric]] = [("", report.scores.headline)]
    rows += [("", m) for m in report.scores.metrics if every or "/" not in m.name]
    rows += [(f"{name}: ", scores.headline) for name, scores in report.alternatives.items()]
    for prefix, metric in rows:
        table.add_row(prefix + metric.name, percent(metric.value), interval(metric), str(metric.n))
    return table


def validity_line(facts: Validity) -> str:
    """What a reader must know beside a score, in one line."""
    of = facts.judgments or 1
    words = [
        *(f"{facts.judgments} judgments", f"{percent(facts.unparsed / of)} % unparsed"),
        f"{percent(facts.truncated / of)} % truncated",
        *(f"{facts.prompt_too_long} prompts too long", f"{facts.ties} ties"),
    ]
    if not facts.counted:
        words[2:4] = ["tokens and truncation not known"]
    if facts.flip_rate is not None:
        both = facts.pairs_in_both_orders
        words.append(f"{percent(facts.flip_rate)} % of {both} pairs flip with the order")
    length = f"{facts.completion_tokens / of:.0f} tokens per answer"
    if facts.completion_tokens_p95:
        middle, most = facts.completion_tokens_p50, facts.completion_tokens_p95
        length += f" (median {middle}, 95 % within {most})"
    words += [length] if facts.counted and facts.completion_tokens else []
    if facts.cached_tokens:
        share = percent(facts.cached_tokens / (facts.prompt_tokens or 1))
        how = "from the prefix cache" if facts.completion_tokens else "not read again"
        words.append(f"{share} % of the prompts {how}")
    if facts.cost:
        words.append(f"{facts.cost:.2f} USD")
    return ", ".join(words)


def plain_reports(reports: Iterable[Report]) -> list[dict[str, Any]]:
    """Reports as JSON has them, with what is worked out from their fields."""
    plain = []
    for report in reports:
        fields = msgspec.to_builtins(report)
        fields["partial"] = report.partial
        fields["validity"]["flip_rate"] = report.validity.flip_rate
        plain.append(fields)
    return plain


def plain_results(results: Iterable[StageResult]) -> list[dict[str, Any]]:
    """Results of a training run as JSON has them."""
    return [
        {
            **msgspec.to_builtins(result),
            "reports": plain_reports(result.reports),
            "sampled": plain_reports(result.sampled),
        }
        for result in results
    ]


def print_reports(reports: Sequence[Report], *, every: bool = False) -> None:
    """Print each report's metrics, validity and notes, and a summary of several."""
    from rich.text import Text

    out = console()
    for report in reports:
        words = f", {report.scoring} scoring"
        if report.partial:
            words = f"{words}; partial: {missing_words(report.missing)}"
        mark = " (partial)" if report.partial else ""
        out.print(Text.assemble((report.benchmark, "bold"), mark, words))
        out.print(metrics_table(report, every=every))
        out.print(validity_line(report.validity))
        for note in report.scores.notes:
            out.print(f"note: {note}")
        hidden = sum("/" in metric.name for metric in report.scores.metrics)
        if hidden and not every:
            out.print(f"{hidden} more metrics with --all")
        out.print()
    if len(reports) > 1:
        out.print(summary_table(reports))
        for report in reports:
            if report.partial:
                out.print(f"{report.benchmark} is partial: {missing_words(report.missing, 2)}")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """Print a plain table of text."""
    console().print(table_of(columns, rows, title))


def table_of(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> Table:
    """A plain table of text."""
    table = _table(title)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _table(title: str = "") -> Table:
    from rich import box
    from rich.table import Table

    return Table(
        title=title or None,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def results_table(results: Sequence[StageResult]) -> Table:
    """How good the judge is before, after every stage, and in the variants."""
    names = sorted({report.benchmark for result in results for report in result.reports})
    table = _table(f"scores on {', '.join(names)}, in percent")
    for column in ("judge", "benchmark")[: 1 + (len(names) > 1)]:
        table.add_column(column)
    for column in ("score", "95 % interval", "n", "unparsed", "flips", "tokens", "sampled"):
        table.add_column(column, justify="right", no_wrap=True)
    for result in results:
        for report, sampled in zip_longest(result.reports, result.sampled):
            headline, facts = report.scores.headline, report.validity
            partial = " (partial)" if report.partial else ""
            who = (_when(result), report.benchmark) if len(names) > 1 else (_when(result),)
            table.add_row(
                *who[:-1],
                who[-1] + partial,
                percent(headline.value),
                interval(headline),
                str(headline.n),
                percent(facts.unparsed / max(facts.judgments, 1)),
                percent(facts.flip_rate),
                f"{facts.completion_tokens / max(facts.judgments, 1):.1f}",
                percent(sampled.scores.headline.value) if sampled else "-",
            )
    return table


def cost_table(results: Sequence[StageResult]) -> Table:
    """What the training before each result cost."""
    table = _table("what it cost")
    table.add_column("judge")
    for column in ("CPU s", "wall s", "peak MB"):
        table.add_column(column, justify="right", no_wrap=True)
    for result in results:
        amounts = (result.cpu_seconds, result.wall_seconds, result.peak_memory_mb)
        if any(amounts):
            table.add_row(_when(result), *(f"{a:.0f}" if a else "-" for a in amounts))
    return table


def print_results(results: Sequence[StageResult], folder: Path) -> None:
    """Print the table of a training run, and where the rest is."""
    out = console()
    out.print(results_table(results))
    recipe = read_record(folder).recipe
    if recipe is None:
        return
    out.print(f"score: {_how(recipe.evaluation)}")
    if recipe.sampled_evaluation is not None:
        out.print(f"sampled: {_how(recipe.sampled_evaluation)}")
    out.print("unparsed and flips in percent; tokens: mean length of an answer")
    costs = cost_table(results)
    if costs.row_count:
        out.print()
        out.print(costs)
    out.print(f"recipe {recipe.name}: {recipe.description.strip()}")
    picture, last = folder / CURVE_FILE, folder / "stages" / recipe.stages[-1].name / "checkpoint"
    if picture.exists():
        out.print(f"\nlearning curve: {picture}", soft_wrap=True)
    if last.is_dir():
        say = f"evaluate the trained judge with: rmr1 bench BENCHMARK --backbone {last}"
        out.print(say, soft_wrap=True)


def _how(protocol: EvalProtocol) -> str:
    """How pairs were judged, in words."""
    drawn = "greedy answers"
    if protocol.temperature:
        drawn = f"answers at temperature {protocol.temperature:g}"
    most = f", the majority of {protocol.samples}" if protocol.samples > 1 else ""
    return f"{drawn}{most}, order {protocol.order}"


def _when(result: StageResult) -> str:
    """Which judge it is: "before", "after sft", or the name of a variant."""
    return result.variant or (result.stage if result.stage == "before" else f"after {result.stage}")
