"""Every process that a training starts, Ray's daemons and vLLM's servers included, ends with it.

On Linux, processes whose parent is gone are given to us (`adopt_orphans`), so that all that is left
of a training are our descendants, found without knowing any name.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
GRACE_SECONDS = 2.0
"""Launchers wait a few seconds before they use force; this has to be over by then."""
_TICKS = os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    """A line of the process table; `started` tells apart two that had the same number."""

    pid: int
    parent: int
    state: str
    cpu_seconds: float
    started: int


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def bound(command: list[str]) -> list[str]:
    """A command that runs the given one, bound to this process: killed when it dies, however it
    does."""
    return [sys.executable, __file__, *command]


def descendants() -> list[Process]:
    """All processes that this one started, and those that they did."""
    table = list(_table())
    family = {os.getpid()}
    found: list[Process] = []
    while True:
        new = [p for p in table if p.parent in family and p.pid not in family]
        if not new:
            return found
        found += new
        family |= {process.pid for process in new}


def end_all() -> None:
    """End all descendants: politely, then by force, and leave no zombie."""
    _signal_all(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while _living() and time.monotonic() < deadline:
        time.sleep(0.05)
        _reap()
    while _living():  # what is killed may have started others meanwhile
        _signal_all(signal.SIGKILL)
        time.sleep(0.02)
        _reap()
    _reap()


class Spent:
    """CPU time of this process's descendants, as far as it was looked at."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], float] = {}

    def look(self) -> float:
        """The CPU seconds up to now; call it every few seconds."""
        for process in descendants():
            self._seen[process.pid, process.started] = process.cpu_seconds
        return sum(self._seen.values())


def _table() -> Iterator[Process]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):  # it ended meanwhile
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12])
            yield Process(
                int(folder.name), int(fields[1]), fields[0], ticks / _TICKS, int(fields[19])
            )


def _living() -> list[Process]:
    return [process for process in descendants() if process.state != "Z"]


def _signal_all(number: int) -> None:
    for process in descendants():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _prctl(option: int, value: int) -> None:
    with suppress(AttributeError, OSError):  # only Linux has it
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.execvp(sys.argv[1], sys.argv[1:])
