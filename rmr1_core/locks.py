"""Who writes a folder: a lock that goes with its process, however that ends, and says whose it is.

The process is named by its id and by when it began, since ids are given again.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from rmr1_core.errors import RunLocked
from rmr1_core.processes import capture

LOCK_FILE = "lock"
PATIENCE_SECONDS = 0.3
"""Whoever asks whether a lock is free holds it for a moment."""


class Process(msgspec.Struct, frozen=True):
    """A process of this machine or of another one. `began` is in the words of its system, and ""
    where that does not say."""

    pid: int
    began: str
    host: str


def this_process() -> Process:
    """The process that asks."""
    return process_of(os.getpid())


def process_of(pid: int) -> Process:
    """A process of this machine."""
    return Process(pid=pid, began=_began(pid), host=platform.node())


def is_alive(process: Process) -> bool:
    """Whether this very process, of this machine, still runs."""
    if process.host != platform.node() or process.pid <= 0:
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    began = _began(process.pid)
    return bool(began) and began == process.began


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for writing; the lock goes with the process, however it ends.

    Raises:
        RunLocked: another process holds it.
    """
    import fcntl

    with (folder / LOCK_FILE).open("ab", buffering=0) as file:  # it may say whose it is
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RunLocked(folder) from None
                time.sleep(0.02)
        file.truncate(0)
        file.write(msgspec.json.encode(this_process()))
        yield


def holder(folder: Path) -> Process | None:
    """The process that holds a folder's lock; None when nobody does. Its id is 0 where the lock
    does not say whose it is."""
    import fcntl

    try:
        file = (folder / LOCK_FILE).open("rb")
    except OSError:  # it was never locked
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return last_holder(folder) or Process(pid=0, began="", host="")
    return None


def last_holder(folder: Path) -> Process | None:
    """The process that held a folder's lock last, or holds it; None where that is not known."""
    try:
        return msgspec.json.decode((folder / LOCK_FILE).read_bytes(), type=Process)
    except (OSError, msgspec.DecodeError):
        return None


def _began(pid: int) -> str:
    """When a process began, and "" for one that has ended, also if nobody has waited for it yet."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
        return capture(["ps", "-o", "lstart=", "-p", str(pid)]).strip()
    state, *fields = text.rpartition(")")[2].split()  # a name may have spaces and parentheses
    return "" if state in "ZX" else fields[18]
