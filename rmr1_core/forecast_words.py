"""What a run will take, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from rmr1_core.forecast import Forecast, Need

COLUMNS = (
    *("benchmark", "pairs", "prompts", "requests", "prompt tokens", "answer tokens", "time"),
    *("USD", "sees (points)"),
)


def print_forecast(found: Forecast) -> None:
    """Print every benchmark, all of them together, and where the numbers come from."""
    from rmr1_core.show import console, table_of

    out, needs = console(), found.needs
    rows = [_row(need.benchmark, [need], sees(need)) for need in needs]
    rows += [_row("together", needs, "")] if len(needs) > 1 else []
    table = table_of(COLUMNS, rows)
    for column in table.columns[1:]:
        column.justify = "right"
    out.print(table)
    out.print(
        "sees: the difference of the headline that is found with 80 % power, in one test at 5 %"
    )
    for source in found.sources:
        out.print(source, soft_wrap=True)


def sees(need: Need) -> str:
    """The difference that will be seen, in points; "nothing" where even the largest would not."""
    return f"{100 * need.detectable:.1f}" if need.detectable < 1 else "nothing"


def plain(found: Forecast) -> dict[str, Any]:
    """The forecast as JSON has it, with its totals."""
    needs = found.needs
    totals = {
        "requests": sum(need.requests for need in needs),
        "prompt_tokens": sum(need.prompt_tokens for need in needs),
        "answer_tokens": sum(need.answer_tokens for need in needs),
        "seconds": _sum(need.seconds for need in needs),
        "cost": _sum(need.cost for need in needs),
    }
    return {"benchmarks": msgspec.to_builtins(needs), "together": totals, "sources": found.sources}


def duration(seconds: float) -> str:
    """A time in words: "40 s", "25 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _row(name: str, needs: Iterable[Need], sees: str) -> tuple[str, ...]:
    needs = list(needs)
    seconds, cost = _sum(need.seconds for need in needs), _sum(need.cost for need in needs)
    least = "" if all(need.answers_known for need in needs) else "up to "
    return (
        name,
        f"{sum(need.pairs for need in needs):,}",
        f"{sum(need.prompts for need in needs):,}",
        f"{sum(need.requests for need in needs):,}",
        f"{sum(need.prompt_tokens for need in needs):,}",
        f"{least}{sum(need.answer_tokens for need in needs):,}",
        "-" if seconds is None else f"{least}{duration(seconds)}",
        "-" if cost is None else f"{least}{cost:.2f}",
        sees,
    )


def _sum(amounts: Iterable[float | None]) -> float | None:
    """The sum; None where a part is not known."""
    known = list(amounts)
    return None if None in known else sum(amount or 0.0 for amount in known)
