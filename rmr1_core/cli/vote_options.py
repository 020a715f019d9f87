"""Options of how much a judge may write for one verdict: samples, and reasoning."""

from __future__ import annotations

import click

from rmr1_core.errors import UsageError


def _budgets(_context: click.Context, _option: click.Parameter, typed: str) -> tuple[int, ...]:
    parts = [part.strip() for part in typed.split(",") if part.strip()]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise UsageError(f"--budget {typed}: write numbers of tokens, such as --budget 512,1024")
    return tuple(sorted({int(part) for part in parts}))


samples_option = click.option(
    "-n",
    "--samples",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Samples per pair and order; the majority counts.",
)
adaptive_option = click.option(
    "--adaptive",
    "confidence",
    type=click.FloatRange(0.5, 1, min_open=True),
    metavar="CONFIDENCE",
    help="With -n: draw no more samples of a pair and order once their majority is settled with "
    "this probability, such as 0.95; 1: for certain.",
)
budget_option = click.option(
    "--budget",
    "budgets",
    metavar="TOKENS,…",
    default="",
    callback=_budgets,
    help="Then cut the reasoning at so many tokens and let the judge finish: accuracy at each "
    "budget, such as 512,1024,2048. Needs an engine that can go on with an answer.",
)
