"""Accuracy against tokens, as tables for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rmr1_core.tradeoffs import Savings, TradeOff, TradeOffPoint, TradeOffs

_COLUMNS: Mapping[str, str] = {"votes": "votes", "budget": "tokens of reasoning"}


def print_tradeoffs(found: TradeOffs) -> None:
    """Print each curve as a table."""
    from rmr1_core.show import console

    out = console()
    for curve in found.curves:
        out.print(_table(curve))
    if found.curves:
        out.print("tokens: mean of all that was written for one pair in one order")
    if any(curve.by == "votes" for curve in found.curves):
        out.print("votes: the first samples of those made; an even split is a tie")

    for savings in found.savings:
        out.print(saved(savings))


def saved(found: Savings) -> str:
    """What votes that stop early saved, in two sentences."""
    most = found.samples * found.votes
    lead = (
        f"{found.benchmark}: {found.drawn:,} of {most:,} samples drawn, "
        f"{100 * found.saved:.1f} % of the tokens saved "
        f"({found.tokens:,} instead of about {found.full_tokens:,.0f}). "
    )
    if found.certain == found.votes:
        return f"{lead}Every vote ended as all {found.samples} samples would have."
    return (
        f"{lead}{found.certain:,} of {found.votes:,} votes ended for certain as all "
        f"{found.samples} samples would have, the others at confidence {found.confidence:g}; "
        f"expected to agree: {100 * found.agreement:.1f} %"
    )


def plain(found: TradeOffs) -> dict[str, Any]:
    """The curves as JSON has them, and the share of the tokens that was saved."""
    fields: dict[str, Any] = msgspec.to_builtins(found)
    for savings, known in zip(fields["savings"], found.savings, strict=True):
        savings["saved"] = known.saved
    return fields


def label(point: TradeOffPoint) -> str:
    """What a point is of: a number of votes, a budget, or "all" for what was not cut."""
    return "all" if point.at is None else f"{point.at:,}"


def _table(curve: TradeOff) -> Any:
    from rmr1_core.show import interval, percent, table_of

    rows = [
        (
            label(point),
            f"{point.tokens:,.1f}",
            percent(point.score.value),
            interval(point.score),
            percent(point.unparsed / max(point.judgments, 1)),
        )
        for point in curve.points
    ]
    title = f"{curve.benchmark}: {curve.points[0].score.name} against tokens, in percent"
    table = table_of(
        (_COLUMNS[curve.by], "tokens", "score", "95 % interval", "unparsed"), rows, title
    )
    for column in table.columns:
        column.justify = "right"
    return table
