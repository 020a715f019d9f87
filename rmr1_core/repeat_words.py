"""What repeating a run changed, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from rmr1_core.repeating import Repeated, Spread


def print_repeated(found: Sequence[Repeated], *, every: bool = False) -> None:
    """Print each benchmark's sentences, and its metrics that were not the same in every pass; of
    these the parts of others, whose names have a "/", only when `every` is."""
    from rmr1_core.show import console, table_of

    out = console()
    for repeated in found:
        for sentence in repeated.words:
            out.print(f"{repeated.benchmark}: {sentence}", soft_wrap=True)
        moved = [spread for spread in repeated.spreads if spread.low != spread.high]
        shown = [spread for spread in moved if every or "/" not in spread.name]
        if shown:
            columns = ("metric", "lowest", "highest", "sd", "sample of pairs")
            table = table_of(columns, map(_row, shown))
            for column in table.columns[1:]:
                column.justify = "right"
            out.print(table)
        out.print()


def plain_repeated(found: Iterable[Repeated]) -> list[dict[str, Any]]:
    """The same as JSON has it, with its sentences."""
    return [{**msgspec.to_builtins(one), "words": one.words} for one in found]


def _row(spread: Spread) -> tuple[str, ...]:
    return (
        spread.name,
        f"{100 * spread.low:.1f}",
        f"{100 * spread.high:.1f}",
        f"±{100 * spread.sd:.2f}",
        f"±{100 * spread.half_width:.1f}",
    )
