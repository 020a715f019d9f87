"""Commands that go on when the terminal is closed, and how to see and to stop them.

    <folder>/lock            held by whoever writes the folder; it says which process that is
             output.log      what a detached command said, one attempt after another
             detached.json   the last one: its process, and where its output begins
             ended.json      how that one ended; written last

A command is detached in two steps. What can be refused is refused before, where the user sees it;
what is started then goes on with what is in the folder, as after an interruption.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import msgspec

from rmr1_core.errors import Rmr1Error, RunLocked, UsageError
from rmr1_core.locks import LOCK_FILE, Process, holder, is_alive, last_holder, process_of
from rmr1_core.processes import left
from rmr1_core.values import Value

T = TypeVar("T")

OUTPUT_FILE, DETACHED_FILE, ENDED_FILE = "output.log", "detached.json", "ended.json"
PROGRAM = "rmr1_core.cli.detached"
LOOK_SECONDS = 0.1
START_SECONDS = 30.0
"""How long to wait for a detached command to begin with its work, before it is left alone."""
STOP_SECONDS = 60.0
"""How long a run may take to save what it has and to stop its jobs."""
NOW_SECONDS = 5.0
"""How long it may where it shall stop now."""


class Detached(Value, frozen=True):
    """A detached command. `offset` is where its output begins, in bytes of the file."""

    argv: tuple[str, ...]
    process: Process
    offset: int = 0


class Ended(Value, frozen=True):
    """How a detached command ended."""

    process: Process
    code: int


def start(folder: Path, argv: Sequence[str]) -> Detached:
    """Start `rmr1 ARGV`, which writes this folder, as a process that stays.

    It is waited for until it holds the folder's lock, or has ended.

    Raises:
        RunLocked: another process writes the folder.
    """
    if holder(folder) is not None:
        raise RunLocked(folder)
    output = folder / OUTPUT_FILE
    offset = output.stat().st_size if output.exists() else 0
    # -P: what lies in the present folder is not taken for a module
    process = left([sys.executable, "-P", "-m", PROGRAM, str(folder), *argv], output=output)
    detached = Detached(argv=tuple(argv), process=process_of(process.pid), offset=offset)
    _write(folder / DETACHED_FILE, detached)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        held = holder(folder)
        if held is not None and held.pid == process.pid:
            break
        time.sleep(LOOK_SECONDS / 2)
    process.returncode = process.returncode or 0  # it is nobody's any more
    return detached


def detached_in(folder: Path) -> Detached | None:
    """The last detached command of a folder, if there was one."""
    return _read(folder / DETACHED_FILE, Detached)


def said(folder: Path, detached: Detached) -> Iterator[bytes]:
    """What a detached command has said so far, and then what it says until it ends."""
    with (folder / OUTPUT_FILE).open("rb") as file:
        file.seek(detached.offset)
        while True:
            alive = is_alive(detached.process)  # asked first, so that no last word is lost
            if chunk := file.read(65536):
                yield chunk
            elif alive:
                time.sleep(LOOK_SECONDS)
            else:
                return


def exit_code(folder: Path, detached: Detached) -> int | None:
    """How a detached command ended; None where it was killed, or goes on."""
    ended = _read(folder / ENDED_FILE, Ended)
    return ended.code if ended and ended.process.pid == detached.process.pid else None


def is_past(folder: Path, detached: Detached) -> bool:
    """Whether another process has written the folder since the detached command did."""
    last = last_holder(folder)
    if last is None or last.pid == detached.process.pid:
        return False
    return (folder / LOCK_FILE).stat().st_mtime > (folder / DETACHED_FILE).stat().st_mtime


def note_end(folder: Path, process: Process, code: int) -> None:
    """Write down, for those who attach, how the detached command ended."""
    _write(folder / ENDED_FILE, Ended(process=process, code=code))


def stop(folder: Path, name: str, *, now: bool, tell: Callable[[str], None]) -> None:
    """End what writes a folder, in whichever terminal it runs, as Ctrl-C does.

    With `now` it gets 5 seconds for that, and is killed then.

    Raises:
        UsageError: nobody writes the folder.
        Rmr1Error: the process cannot be ended, or takes longer than it may.
    """
    held = _to_stop(folder, name)
    if not now and _ignores_interrupts(held.pid):
        raise Rmr1Error(
            f"{name} was started so that it does not heed Ctrl-C (process {held.pid}); end it "
            f"with: rmr1 runs stop {name} --now"
        )
    with ExitStack() as stack:
        send = _sender(held, stack)
        send(signal.SIGINT)
        tell(f"asked {name} to end (process {held.pid}); it saves what it has")
        if _ended(held, NOW_SECONDS if now else STOP_SECONDS):
            return
        if not now:
            raise Rmr1Error(
                f"{name} has not ended within {STOP_SECONDS:.0f} s; it may still do so; kill it "
                f"with: rmr1 runs stop {name} --now"
            )
        send(signal.SIGKILL)
        tell(f"killed it; jobs that it had on other machines may go on there: see {folder}")
        if not _ended(held, NOW_SECONDS):
            raise Rmr1Error(f"process {held.pid} of {name} does not end; the system holds it")


def _to_stop(folder: Path, name: str) -> Process:
    """The process that writes a folder, made sure of."""
    held = holder(folder)
    if held is None:
        raise UsageError(f"{name} does not run; see: rmr1 runs list")
    if held.host and held.host != process_of(os.getpid()).host:
        raise UsageError(f"{name} runs on {held.host}; stop it there")
    if not is_alive(held):
        raise Rmr1Error(
            f"{name} is being written, but its lock does not say by which process; find that with: "
            f"fuser {folder / 'lock'}"
        )
    return held


def _sender(process: Process, stack: ExitStack) -> Callable[[signal.Signals], None]:
    """What signals the process, and no other one that is given its id afterwards."""

    def send(number: signal.Signals) -> None:
        try:
            if handle is not None:
                signal.pidfd_send_signal(handle, number)
            elif is_alive(process):
                os.kill(process.pid, number)
        except ProcessLookupError:
            pass  # it has ended meanwhile
        except PermissionError:
            raise UsageError(f"process {process.pid} is another user's; let them end it") from None

    handle: int | None = None
    if hasattr(os, "pidfd_open"):
        try:
            handle = os.pidfd_open(process.pid)
            stack.callback(os.close, handle)
        except OSError:  # gone, or a kernel without such handles
            return send
        if not is_alive(process):  # and its id may be another one's by now
            handle = None
    return send


def _ended(process: Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS / 2)
    return True


def _ignores_interrupts(pid: int) -> bool:
    """Whether a process ignores Ctrl-C, as those do that a script started in the background."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    ignored = int(dict(line.split(":", 1) for line in status.splitlines())["SigIgn"], 16)
    return bool(ignored >> (signal.SIGINT - 1) & 1)


def _write(path: Path, value: Value) -> None:
    aside = path.with_name(path.name + ".part")
    aside.write_bytes(msgspec.json.encode(value) + b"\n")
    aside.replace(path)


def _read(path: Path, type_: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except (OSError, msgspec.DecodeError):
        return None
