"""The one place that starts processes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rmr1_core.errors import UsageError

GRACE_SECONDS = 5.0
LOOK_SECONDS = 0.2
_BOTH = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def capture(argv: Sequence[str], *, timeout: float = 10.0) -> str:
    """What a quick command prints; "" when it fails or does not exist."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def ask(
    argv: Sequence[str],
    *,
    timeout: float = 60.0,
    env: Mapping[str, str] | None = None,
    said: str | None = None,
) -> tuple[int, str, str]:
    """A quick program's exit code, and what it says on its standard output and error. `said` is
    what it hears on its standard input.

    Ctrl-C does not reach it. One that takes longer than `timeout` seconds has failed.

    Raises:
        UsageError: the program does not exist.
    """
    stdin = subprocess.DEVNULL if said is None else subprocess.PIPE
    process = _start(argv, env or {}, stdin=stdin, text=True, **_BOTH)
    try:
        output, errors = process.communicate(said, timeout=timeout)
    except subprocess.TimeoutExpired:
        return 1, "", f"{argv[0]} did not answer within {timeout:g} s"
    finally:
        stop(process)
    return process.returncode, output, errors


@contextmanager
def running(
    argv: Sequence[str], *, env: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose output is appended to `log`; it and its children end with the block.

    Raises:
        UsageError: the program does not exist.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = _start(
            argv, env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        stop(process)


@contextmanager
def talking(
    argv: Sequence[str], *, env: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process to talk with through its standard input and output; what it says on its standard
    error is appended to `log`. It and its children end with the block.

    Raises:
        UsageError: the program does not exist.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as errors:
        process = _start(argv, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
    try:
        yield process
    finally:
        stop(process)
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # what it did not read any more is lost with it
                pipe and pipe.close()


def completed(
    argv: Sequence[str], *, env: Mapping[str, str], log: Path, look: Callable[[], None]
) -> int:
    """Run a program to its end, its output appended to `log`: its exit code. `look` is called a few
    times a second meanwhile.

    Raises:
        UsageError: the program does not exist.
    """
    with running(argv, env=env, log=log) as process:
        while True:
            try:
                return process.wait(LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                look()


def left(argv: Sequence[str], *, output: Path) -> subprocess.Popen[bytes]:
    """A process that stays when this one ends: in a session of its own, without a terminal or any
    input, and with all that it says appended to `output`.

    Raises:
        UsageError: the program does not exist.
    """
    with output.open("ab") as said:
        return _start(argv, {}, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)


def stop(process: subprocess.Popen[Any]) -> None:
    """End a process and then what is left of its group: politely first, later by force."""
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    deadline = time.monotonic() + GRACE_SECONDS / 10
    while _signal(process, 0) and time.monotonic() < deadline:
        time.sleep(0.02)
    _signal(process, signal.SIGKILL)
    process.wait()


def _start(argv: Sequence[str], env: Mapping[str, str], **pipes: Any) -> subprocess.Popen[Any]:
    """Start a program in a group of its own, so that the whole of it can be stopped."""
    try:
        return subprocess.Popen(argv, env={**os.environ, **env}, start_new_session=True, **pipes)
    except OSError as error:
        raise UsageError(f"cannot start {argv[0]}: {error.strerror}") from error


def _signal(process: subprocess.Popen[Any], number: int) -> bool:
    """Signal the process's group; whether there still is anybody in it."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
