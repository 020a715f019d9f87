"""What `rmr1 data distill` prints for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from rmr1_core.distill_passes import USUAL_TOKENS
from rmr1_core.distill_report import REJECTED_FILE, DistillReport, PassPlan, pass_lines
from rmr1_core.show import print_table


def print_plan(plans: Sequence[PassPlan]) -> None:
    """What each pass would ask, and what it may cost."""
    columns = ("pass", "model", "engine", "requests", "prompt tokens", "answer tokens", "cost")
    rows = [
        (
            *(p.name, p.teacher, p.engine, f"{p.requests:,}", f"{p.prompt_tokens:,}"),
            f"{p.completion_tokens:,} to {p.most_completion_tokens:,}",
            "not known" if p.cost is None else f"${p.cost:,.2f} to ${p.most_cost:,.2f}",
        )
        for p in plans
    ]
    print_table(columns, rows)
    click.echo(
        "At most so many requests: none is asked again that gave a trace to keep. Prompts are "
        f"estimated at 4 letters per token; answers at up to {USUAL_TOKENS:,} tokens each, and at "
        "their limit."
    )


def print_report(report: DistillReport, folder: Path) -> None:
    """What each pass gave, and where it is."""
    print_table(("pass", "what", "traces"), list(pass_lines(report.passes)))
    cost = sum(one.cost for one in report.passes)
    spent = f", for ${cost:,.2f}" if cost else ""
    click.echo(
        f"{folder}: {report.kept:,} traces for {report.rows:,} rows{spent}; those that were not "
        f"kept are in {REJECTED_FILE}"
    )
