"""Sources and benchmarks made for a test, and what a mix of them is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from rmr1_core import (
    Benchmark,
    Dataset,
    Example,
    Message,
    MixSource,
    Mixture,
    Outcome,
    Pair,
    Ref,
    Scores,
    hookimpl,
    mixing,
)
from rmr1_core.discovery import plugins
from rmr1_core.errors import BadInput
from rmr1_core.mix_report import REMOVED_FILE, ROWS_FILE, MixReport
from rmr1_core.skipping import made


class Rows(Dataset, frozen=True, kw_only=True):
    """Examples, or the errors of rows that cannot be used."""

    rows: Sequence[Example | BadInput]

    def examples(self, split: str, *, seed: int) -> Iterator[Example]:
        """The rows, in order."""
        return made(self.rows, _example)


class Prompts(Benchmark, frozen=True, kw_only=True):
    """Prompts to be compared with."""

    prompts: Sequence[str]

    def pairs(self, source: Path | None) -> Iterator[Pair]:
        """A pair for each prompt."""
        return (example(f"{self.name}-{n}", text).pair for n, text in enumerate(self.prompts))

    def summarize(self, outcomes: Sequence[Outcome], scoring: str) -> Scores:
        """Nobody asks."""
        raise AssertionError


def _example(row: Example | BadInput) -> Example:
    if isinstance(row, BadInput):
        raise row
    return row


def example(
    name: str,
    prompt: str | None = None,
    chosen: str = "good",
    rejected: str = "bad",
    *,
    first: bool = True,
    trace: str = "",
    **tags: str,
) -> Example:
    """A row; its prompt is its name unless there is another one."""
    pair = Pair(
        id=name,
        subset="made-up",
        group=name,
        prompt=(Message("user", prompt if prompt is not None else f"question {name}"),),
        chosen=chosen,
        rejected=rejected,
        tags={"source": "made-up", "row_id": name, "licence": "CC0-1.0", **tags},
    )
    return Example(pair=pair, chosen_first=first, trace=trace)


def numbered(count: int, prefix: str = "row", **tags: str) -> list[Example]:
    """So many different rows."""
    return [example(f"{prefix}-{number}", **tags) for number in range(count)]


def offer(
    datasets: dict[str, Sequence[Any]], benchmarks: dict[str, Sequence[str]] | None = None
) -> None:
    """Register these, until the plugins are forgotten."""
    components = {
        "rmr1_datasets": [Rows(name=name, rows=tuple(rows)) for name, rows in datasets.items()],
        "rmr1_benchmarks": [
            Prompts(name=name, prompts=tuple(prompts))
            for name, prompts in (benchmarks or {}).items()
        ],
    }
    hooks = {hook: hookimpl(lambda found=found: found) for hook, found in components.items()}
    plugins().register("made-up", SimpleNamespace(**hooks))


def mixture(*sources: MixSource | str, **fields: Any) -> Mixture:
    """A mixture of these sources; a string is a dataset of which all is taken."""
    made_of = tuple(
        MixSource(name=s, dataset=Ref(name=s)) if isinstance(s, str) else s for s in sources
    )
    return Mixture(name="mine", description="Made up.", sources=made_of, **fields)


def run(mixed: Mixture, output: Path, **options: Any) -> MixReport:
    """Mix silently."""
    options = {"data": {}, "skipped": (), "say": lambda note: None, **options}
    return mixing.mix(mixed, output, **options)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """The mixed rows."""
    return lines(folder / ROWS_FILE)


def removed_of(folder: Path) -> dict[str, dict[str, Any]]:
    """What was removed, by id."""
    return {row["id"]: row for row in lines(folder / REMOVED_FILE)}


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


def ids(rows: Iterable[dict[str, Any]]) -> list[str]:
    """The names of rows."""
    return [row["id"] for row in rows]
