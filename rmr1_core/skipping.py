"""Rows that cannot be used: an error at once, or a list of them at the end.

Outside of `skipping()` the first bad row raises. Inside, it is put on a list and the next row is
read, so that a command can go on and say at its end what it left out. A file that cannot be read at
all is no row, and raises in either case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from rmr1_core.errors import BadInput

R = TypeVar("R")
T = TypeVar("T")


class _Skipped:
    """The bad rows so far, each once, however often a source reads its rows."""

    def __init__(self) -> None:
        self.errors: list[BadInput] = []
        self._seen: set[tuple[str, int | None]] = set()

    def add(self, error: BadInput) -> None:
        place = (error.path, error.row)
        if place not in self._seen:
            self._seen.add(place)
            self.errors.append(error)


_CURRENT: ContextVar[_Skipped | None] = ContextVar("rmr1_skipped", default=None)


@contextmanager
def skipping() -> Iterator[list[BadInput]]:
    """Leave out bad rows while the block lasts. The list grows as they are met, each of them once.

    It counts what is read inside of the block, by the same thread: an iterator that was made here
    and is used up elsewhere raises again.
    """
    skipped = _Skipped()
    token = _CURRENT.set(skipped)
    try:
        yield skipped.errors
    finally:
        _CURRENT.reset(token)


def skip(error: BadInput) -> None:
    """Leave out the row that this error is about, where that is allowed.

    Raises:
        BadInput: the error itself, outside of `skipping()`, or if it is not about a row.
    """
    current = _CURRENT.get()
    if current is None or error.row is None:
        raise error
    current.add(error)


def made(rows: Iterable[R], make: Callable[[R], T | None]) -> Iterator[T]:
    """What is made of each row, in order; a row of which None is made is not wanted.

    Raises:
        BadInput: from `make`, outside of `skipping()`.
    """
    for row in rows:
        try:
            value = make(row)
        except BadInput as error:
            skip(error)
            continue
        if value is not None:
            yield value
