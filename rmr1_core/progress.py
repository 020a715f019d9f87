"""Progress with rate and time left: a live bar on a terminal, else a plain line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

PLAIN_SECONDS = 10.0


class Progress(Protocol):
    """What a flow tells about how far it is."""

    def advance(
        self, done: int, note: str = "", total: int | None = None, *, known: bool = False
    ) -> None:
        """So much of the total is done now; `note` is shown beside it. What is `known` from before
        says nothing of the rate, which counts from there."""


@contextmanager
def progress(label: str, total: int, unit: str, *, done: int = 0) -> Iterator[Progress]:
    """Show the progress of something on standard error while the block runs."""
    state = _State(label, total, unit, done)
    if sys.stderr.isatty():
        with _live(state) as live:
            yield live
    else:
        plain = _Plain(state)
        yield plain
        plain.show()


@contextmanager
def activity(label: str) -> Iterator[Callable[[str], None]]:
    """Show on standard error that something of unknown length goes on, for how long it has, and the
    note that the yielded function is called with."""
    start = time.monotonic()

    def words(note: str) -> str:
        return ", ".join(filter(None, (label, _clock(time.monotonic() - start), note)))

    if sys.stderr.isatty():
        from rich.console import Console
        from rich.text import Text

        console = Console(stderr=True)
        with console.status(Text(label)) as status:
            room = console.width - 4  # beside the spinner; a second line would flicker
            yield lambda note: status.update(Text(words(note)[:room]))
        return
    shown = start

    def show(note: str) -> None:
        nonlocal shown
        if time.monotonic() - shown >= PLAIN_SECONDS:
            shown = time.monotonic()
            print(words(note), file=sys.stderr, flush=True)

    print(label, file=sys.stderr, flush=True)
    yield show


class _State:
    """How far something is, and since when."""

    def __init__(self, label: str, total: int, unit: str, done: int) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.start = self.since = time.monotonic()
        self.before = self.done = done
        self.note = ""

    def advance(self, done: int, note: str, total: int | None, known: bool) -> None:
        self.done, self.note, self.total = done, note, total or self.total
        if known or done < self.before:
            self.before, self.since = done, time.monotonic()

    def words(self) -> str:
        """All of it in one line; what matters least is last, where a narrow terminal cuts."""
        now, left = time.monotonic(), self.total - self.done
        rate = (self.done - self.before) / max(now - self.since, 1e-9)
        clock = _clock(now - self.start)
        if left > 0 and rate > 0:
            clock = f"{_clock(left / rate)} left"
        count = f"{self.label}: {self.done:g}/{self.total:g} {self.unit}"
        speed = f"{_short(rate)}/s" if rate > 0 else ""
        return ", ".join(filter(None, (count, speed, clock, self.note)))


class _Plain:
    def __init__(self, state: _State) -> None:
        self._state, self._shown = state, state.start

    def advance(
        self, done: int, note: str = "", total: int | None = None, *, known: bool = False
    ) -> None:
        self._state.advance(done, note, total, known)
        if time.monotonic() - self._shown >= PLAIN_SECONDS:
            self.show()

    def show(self) -> None:
        self._shown = time.monotonic()
        print(self._state.words(), file=sys.stderr, flush=True)


@contextmanager
def _live(state: _State) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    width = 12 if console.width < 100 else 30
    columns = (BarColumn(bar_width=width), TextColumn("{task.fields[words]}", markup=False))
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("", total=state.total, completed=state.done, words=state.words())

        class Live:
            def advance(
                self, done: int, note: str = "", total: int | None = None, *, known: bool = False
            ) -> None:
                state.advance(done, note, total, known)
                bar.update(task, completed=done, total=state.total, words=state.words())

        yield Live()


def _short(rate: float) -> str:
    """Three digits, or all of a larger number's: 0.682, 18.7, 1,560."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
