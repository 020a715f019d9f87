"""Nothing of a job is left behind: a variable that all its descendants inherit finds them again.

A process group is not enough: daemons (Ray's, for one) leave it. Descendants are found by what
their environment says (Linux's /proc); elsewhere none are found, and groups must do.

This file runs as a program, too, with nothing but the standard library: the guard of a job, which
ends what is left of it when rmr1 itself was killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

VARIABLE, FOLDER = "RMR1_JOB", "RMR1_JOB_FOLDER"
_READABLE = {"SPT_NOENV": "1"}
"""Programs that rename themselves, as vLLM's do, write over what /proc says of their environment,
unless this is set (setproctitle)."""
GRACE_SECONDS = 3.0
PROCESSES = Path("/proc")


@contextmanager
def swept(folder: Path) -> Iterator[Mapping[str, str]]:
    """Variables for the processes of a job in this folder; those of its descendants that still run
    when the block ends are ended, and when this process is killed within the block, too.

    What an earlier attempt in the folder has left, or is just ending, is ended first.
    """
    here = f"{FOLDER}={folder.absolute()}"
    sweep(here)
    marker = f"{VARIABLE}={uuid.uuid4().hex}"
    guard = subprocess.Popen(
        [sys.executable, "-S", "-E", __file__, marker],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is not for it
    )
    try:
        yield {**_READABLE, **dict(entry.split("=", 1) for entry in (marker, here))}
    finally:
        sweep(marker)
        guard.kill()
        guard.wait()
        if guard.stdin is not None:
            guard.stdin.close()


def sweep(marker: str) -> None:
    """End all processes that inherited this variable ("NAME=value"): politely first, later by
    force."""
    deadline = time.monotonic() + GRACE_SECONDS
    told: set[int] = set()
    while found := marked(marker):
        late = time.monotonic() > deadline
        for process in found:
            if late or process not in told:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL if late else signal.SIGTERM)
        told.update(found)
        if time.monotonic() > deadline + GRACE_SECONDS:
            return  # only the kernel holds them still
        time.sleep(0.02)


def marked(marker: str) -> list[int]:
    """The ids of all live processes that inherited this variable, but for this one."""
    wanted = os.fsencode(marker)
    numbers = [int(entry.name) for entry in PROCESSES.glob("[0-9]*") if entry.name.isdigit()]
    return [n for n in numbers if n != os.getpid() and wanted in _environment(n)]


def _environment(process: int) -> list[bytes]:
    try:
        return (PROCESSES / str(process) / "environ").read_bytes().split(b"\0")
    except OSError:  # gone, or somebody else's
        return []


if __name__ == "__main__":
    sys.stdin.buffer.read()  # ends with the process that holds the other end
    sweep(sys.argv[1])
