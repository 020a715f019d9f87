"""A worker to talk with: messages out, messages in, and its true error when it is gone.

What the worker prints that is no message is kept in its log. It is looked after while nothing
comes, because a child of it may hold its output open after it died.
"""

from __future__ import annotations

import select
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from rmr1_core.errors import EngineFailed, UsageError
from rmr1_vllm import wire
from rmr1_vllm.causes import follows, true_error

POLL_MILLISECONDS = 500
_EXIT_SECONDS = 5.0
_CHUNK = 1 << 20


class Worker:
    """The process at the other end."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, since: int) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._in, self._out = process, process.stdin, process.stdout
        self.log, self.since = log, since
        self._begun = b""
        self._parting: wire.Refused | wire.Failed | None = None
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)

    def say(self, messages: Iterable[wire.ToWorker]) -> None:
        """Send messages, all at once. That it is gone is heard later, after its last answers."""
        lines = b"".join(wire.encode(message) + b"\n" for message in messages)
        with suppress(BrokenPipeError):
            self._in.write(lines)
            self._in.flush()

    def hear(
        self, *, patient: bool = True, milliseconds: int = POLL_MILLISECONDS
    ) -> list[wire.FromWorker]:
        """What it said since; when patient, at least one message, and otherwise what comes within
        so many milliseconds.

        Raises:
            UsageError: what was given cannot work. EngineFailed: it is gone.
        """
        while True:
            if self._parting:
                self._part(self._parting)
            # looked at before: what it said in its last moments is still read
            gone = self._process.poll() is not None
            said = self._read() if self._poll.poll(0 if gone else milliseconds) else None
            if said or (said is None and not patient and not gone):
                return said or []
            if said is None and gone:
                self._end()

    def bye(self) -> None:
        """Let it end by itself, which it does when nobody can ask it anything any more."""
        with suppress(OSError):
            self._in.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(2 * _EXIT_SECONDS)

    def _read(self) -> list[wire.FromWorker]:
        chunk = self._out.raw.read(_CHUNK)  # type: ignore[attr-defined]  # a BufferedReader
        if not chunk:
            self._end()
        *lines, self._begun = (self._begun + chunk).split(b"\n")
        said = []
        for line in lines:
            try:
                message = wire.from_worker(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self._keep(line)
                continue
            if isinstance(message, wire.Refused | wire.Failed):
                self._parting = message
            else:
                said.append(message)
        return said

    def _part(self, message: wire.Refused | wire.Failed) -> None:
        """Its last word, after all else that it said."""
        if isinstance(message, wire.Refused):
            raise UsageError(message.why)
        self._fail(self._cause(message.why))

    def _end(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_SECONDS)
        code = self._process.poll()
        if code is None:
            self._fail("the worker says nothing any more")
        self._fail(true_error(self.log, code or 0, since=self.since))

    def _cause(self, why: str) -> str:
        """What the worker says of its end, or the error of a process of vLLM's that led to it."""
        return true_error(self.log, 1, since=self.since) if follows(why) else why

    def _fail(self, why: str) -> None:
        raise EngineFailed(
            f"vLLM failed: {why.rstrip('.')}; what was answered is kept; its whole log is "
            f"{self.log}"
        )

    def _keep(self, line: bytes) -> None:
        with self.log.open("ab") as log:
            log.write(line + b"\n")
