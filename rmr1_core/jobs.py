"""Jobs on disk and while they run: their files, their events, their true last error.

A job is written as a shell script that runs by hand; the launcher of this machine runs just that.
Others take `settings` and the job's steps, and use `follow`, `Heartbeat` and `last_error` here.
"""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from rmr1_core.components import Launcher
from rmr1_core.errors import BadInput, JobFailed, UsageError
from rmr1_core.values import Job, Located

POLL_SECONDS = 0.1
FULL_DISK_BYTES = 65536
SHELLS_SIGNAL = 128
"""What a shell adds to the number of the signal that ended a program."""
_EXCEPTION = re.compile(r"^([A-Za-z_][\w.]*)?(Error|Exception|Interrupt|Exit|Failed|Warning)\b")
_CONSEQUENCE = re.compile(
    r"^([\w.]*\.)?(ChildFailedError|CalledProcessError|SignalException|DistBackendError"
    r"|DistNetworkError|\w*Warning)\b|.*Connection (closed by|reset by) peer"
)
"""What a program says of another that it started, that stopped it, or that left it alone in the
middle of their work; and a warning: hardly the true error."""
_IGNORED = "Exception ignored "
"""Python's words before an exception that ended nothing, often of objects at a program's end."""
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_SPEAKER = re.compile(r"^(\[rank\d+\]:|\([\w .:]*pid=[^)]*\)) ?")
"""torch and Ray put in front of a line who says it."""


def write(job: Job, located: Located | None = None, more: Mapping[str, str] | None = None) -> None:
    """Write the job's files and a `run.sh` beside its log that runs it by hand.

    `located` is the job's environment, where it is built; `more` are its launcher's files.

    Raises:
        UsageError: a file cannot be written.
    """
    files = {**job.files, str(script(job)): script_of(job, located), **(more or {})}
    try:
        for path, text in files.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write the files of {job.name}: {error}") from error
    script(job).chmod(0o755)


def script(job: Job) -> Path:
    """Where the job's shell script is."""
    return Path(job.log).with_name("run.sh")


def script_of(job: Job, located: Located | None = None) -> str:
    """A shell script that runs the job's steps on this machine, one after the other."""
    *steps, last = [shlex.join(step.argv) for step in job.steps]
    return "\n".join([preamble(job, located), *steps, f"exec {last}", ""])


def preamble(job: Job, located: Located | None = None) -> str:
    """The beginning of a shell script in which the job's steps find their programs and variables;
    a variable that is set already wins over the environment's."""
    return "\n".join(["#!/bin/sh", f"# {job.name}", settings(job, located)])


def settings(job: Job, located: Located | None = None) -> str:
    """What a preamble says below its first lines, in words that any POSIX shell knows."""
    lines = ["set -e"]
    if located is not None:
        lines.append(f"# environment {located.name}: {located.label}")
        lines.append(f'export PATH={shlex.quote(str(located.python.parent))}:"$PATH"')
        lines += [f'export {k}="${{{k}:-{_in_quotes(v)}}}"' for k, v in located.env.items()]
    elif job.environment:
        problem = f"rmr1: environment {job.environment} is not built"
        words = f"{problem}; build it with: rmr1 env create {job.environment}"
        lines.append(f"echo {shlex.quote(words)} >&2; exit 2")
    lines += [f"export {name}={shlex.quote(value)}" for name, value in job.env.items()]
    return "\n".join(lines)


def follow(events: Path, ended: Callable[[], bool]) -> Iterator[Mapping[str, Any]]:
    """The events in a file of JSON lines as they are appended, until `ended()` and all are read.

    A line that is being written is left for the next look. When a resuming job cuts the file short
    and goes on, what comes after the cut follows, even if the file has grown again meanwhile.

    Raises:
        BadInput: a line is no JSON object; it names the row.
    """
    seen = _Seen(events)
    while True:
        over = ended()
        for row, line in seen.new_lines():
            try:
                yield msgspec.json.decode(line, type=dict[str, Any])
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise BadInput(events, str(error), row=row) from None
        if over:
            return
        time.sleep(POLL_SECONDS)


def last_error(log: Path, returncode: int, *, since: int = 0) -> str:
    """Why a process failed: its last exception (a consequence of another's failure counts for
    less), else its last line, in what the log holds from byte `since` on. What was killed from
    outside did not fail by itself."""
    killed = -returncode if returncode < 0 else returncode - SHELLS_SIGNAL
    killed = killed if killed in signal.valid_signals() else 0
    if killed == signal.SIGKILL:
        return "killed by SIGKILL (out of memory?)"
    if log.parent.is_dir() and shutil.disk_usage(log.parent).free < FULL_DISK_BYTES:
        return f"no space left for {log.parent}"  # nor for a traceback that says so
    lines = _tail(log, since)
    errors = list(_exceptions(lines))
    if errors:
        true = [line for line in errors if not _CONSEQUENCE.match(line)]
        return (true or errors)[-1]
    if killed:
        return f"killed by {signal.Signals(killed).name}"
    return lines[-1] if lines else f"exit code {returncode}, and nothing in its log"


def _exceptions(lines: Iterable[str]) -> Iterator[str]:
    """The lines that name an exception, but for those that Python ignored."""
    ignored = False
    for line in lines:
        if line.startswith(_IGNORED):
            ignored = True
        elif _EXCEPTION.match(line):
            if not ignored:
                yield line
            ignored = False


class Heartbeat:
    """Looks whether a job still says something: in its events file, or in its log.

    When nothing was added to either for the launcher's `silent_minutes`, it says so on standard
    error, and again each time that the silence has doubled.
    """

    def __init__(self, job: Job, launcher: Launcher) -> None:
        self._job, self._launcher = job, launcher
        self._sizes: tuple[int, ...] = ()
        self._since = time.monotonic()
        self._told = 1.0

    def look(self) -> None:
        """Look once; cheap enough for several times a second.

        Raises:
            JobFailed: it has been silent for the launcher's `give_up_minutes`.
        """
        sizes = tuple(map(_size, (Path(self._job.events), Path(self._job.log))))
        if sizes != self._sizes:
            self._sizes, self._since, self._told = sizes, time.monotonic(), 1.0
        minutes = (time.monotonic() - self._since) / 60
        launcher = self._launcher
        if 0 < launcher.give_up_minutes <= minutes:
            self._give_up(minutes)
        if 0 < launcher.silent_minutes * self._told <= minutes:
            self._told *= 2
            print(f"{self._job.name}: {self._words(minutes)}", file=sys.stderr, flush=True)

    def _give_up(self, minutes: float) -> None:
        words = f"{self._words(minutes)}, and give_up_minutes is {self._launcher.give_up_minutes:g}"
        raise JobFailed(self._job.name, words, self._job.log)

    def _words(self, minutes: float) -> str:
        lines = _tail(Path(self._job.log), 0)
        last = f"its log ends with: {lines[-1]}" if lines else "its log is empty"
        return f"nothing was heard of it for {minutes:.3g} minutes; {last}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _in_quotes(text: str) -> str:
    """The text as it stands between double quotes in a shell."""
    return re.sub(r'([\\"$`}])', r"\\\1", text)


class _Seen:
    """The whole lines of a file that were seen. A look costs what is new, however many they are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[bytes] = []
        self._size = 0

    def new_lines(self) -> Iterator[tuple[int, bytes]]:
        """What follows them, with its row from 1; those that were cut off are forgotten first."""
        if not self._path.exists():
            return iter(())
        with self._path.open("rb") as file:
            last = self._lines[-1] if self._lines else b""
            file.seek(self._size - len(last))
            if file.read(len(last)) != last:
                self._forget_cut(file)
            new = [line for line in file if line.endswith(b"\n")]  # all at once, or it is cut again
        first = len(self._lines) + 1
        self._lines += new
        self._size += sum(map(len, new))
        return enumerate(new, start=first)

    def _forget_cut(self, file: BinaryIO) -> None:
        file.seek(0)
        pairs = zip(self._lines, file, strict=False)
        del self._lines[sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs)) :]
        self._size = sum(map(len, self._lines))
        file.seek(self._size)


def _tail(log: Path, since: int, size: int = 65536) -> list[str]:
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(since, file.seek(0, 2) - size))
        text = file.read().decode("utf-8", "replace")
    lines = (_SPEAKER.sub("", _COLOUR.sub("", line)).rstrip() for line in text.splitlines())
    return [line for line in lines if line]
