"""What all formats have in common: finding logs by how they begin, conversations, scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rmr1_core import LoggedJudgment, Message, Verdict
from rmr1_core.datafiles import Row, skip
from rmr1_core.errors import BadInput
from rmr1_core.salvage import beginning

_ENDINGS = (".json", ".jsonl", ".json.gz", ".jsonl.gz")


class Texts(NamedTuple):
    """A conversation and two answers; all empty where a log does not hold them."""

    prompt: tuple[Message, ...] = ()
    chosen: str = ""
    rejected: str = ""


def find_logs(path: Path, is_log: Callable[[bytes], bool]) -> list[Path]:
    """The file, if it begins as a log does, or the files below the folder that do, by name."""
    if path.is_file():
        return [path] if is_log(beginning(path)) else []
    below = (p for p in sorted(path.rglob("*")) if p.name.endswith(_ENDINGS) and p.is_file())
    shown = (p for p in below if not any(x.startswith(".") for x in p.relative_to(path).parts))
    return [p for p in shown if is_log(beginning(p))]


def each(
    rows: Iterable[Row], make: Callable[[Row], Iterable[LoggedJudgment]]
) -> Iterator[LoggedJudgment]:
    """What is made of each record; of one that cannot be used, nothing.

    Raises:
        BadInput: from `make`, outside of `skipping()`.
    """
    for row in rows:
        try:
            found = list(make(row))
        except BadInput as error:
            skip(error)
            continue
        yield from found


def texts_of(row: Row, chosen: str = "text_chosen", rejected: str = "text_rejected") -> Texts:
    """The two conversations of a record, which end with the answers. Where a chat template made
    one text of them, nobody can tell the answer from the rest, and they count as missing.

    Raises:
        BadInput: a conversation has no answer.
    """
    if not all(isinstance(row.values.get(name), list) for name in (chosen, rejected)):
        return Texts()
    right, wrong = row.messages(chosen), row.messages(rejected)
    for field, turns in ((chosen, right), (rejected, wrong)):
        if len(turns) < 2:
            raise row.bad(field, "has no conversation before the answer")
    return Texts(right[:-1], right[-1].content, wrong[-1].content)


def number(row: Row, *fields: str) -> float:
    """The score in the first of these fields that is there; a list of one is its number.

    Raises:
        BadInput: there is none, or it is no finite number.
    """
    field = next((name for name in fields if name in row.values), fields[0])
    value = row.values.get(field)
    return finite(row, field, value)


def finite(row: Row, field: str, value: object) -> float:
    """A score of a record. Raises BadInput where it is no finite number."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise row.bad(field, f"expected a finite number, and not {value!r}")
    return float(value)


def by_scores(chosen: float, rejected: float) -> tuple[Verdict, str]:
    """What two scores say with the chosen answer shown first, and the words for a reader."""
    words = f"chosen {chosen:g}, rejected {rejected:g}"
    if chosen == rejected:
        return Verdict.TIE, words
    return (Verdict.A if chosen > rejected else Verdict.B), words


def by_result(row: Row, field: str, result: object, chosen_first: bool) -> Verdict:
    """The verdict that a result stands for: 1 the chosen answer, 0 the other, 0.5 neither.

    Raises:
        BadInput: it is none of these.
    """
    if result in (0, 1) and result is not None:
        return Verdict.favouring_chosen(chosen_first is bool(result))
    if result == 0.5:
        return Verdict.UNPARSED
    raise row.bad(field, f"expected 1, 0 or 0.5, and not {result!r}")


def listed(row: Row, field: str, sizes: Sequence[int], what: str) -> list[object]:
    """A list of one of these sizes. Raises BadInput."""
    values: list[object] = row.get(field, list)
    if len(values) not in sizes:
        raise row.bad(field, f"has {len(values)} members, and not one for every {what}")
    return values
