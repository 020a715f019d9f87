"""The worker's two ends of the conversation, out of reach of what vLLM prints and starts.

Standard input and output are moved to descriptors that no child inherits; what is printed goes to
the log. Reading, rendering and writing have threads of their own, so that the engine's only steps.
"""

from __future__ import annotations

import fcntl
import os
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from rmr1_vllm import wire

_CHUNK = 1 << 20
_F_SETPIPE_SZ = 1031


def take_over() -> tuple[int, int]:
    """Descriptors to read from and to write to; the standard ones are the null device and log."""
    source, target = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    for pipe in (source, target):
        with suppress(OSError):  # Linux only, and only as far as a user may
            fcntl.fcntl(pipe, _F_SETPIPE_SZ, _CHUNK)
    return source, target


class Inbox:
    """Messages as they come, as many at a time as there are; `ended` is called at the end."""

    def __init__(self, source: int, ended: Callable[[], None]) -> None:
        self._source, self._ended, self._begun = source, ended, b""

    def read(self) -> list[wire.ToWorker]:
        """At least one message; at the end of the conversation, none."""
        while chunk := os.read(self._source, _CHUNK):
            *lines, self._begun = (self._begun + chunk).split(b"\n")
            if lines:
                return [wire.to_worker(line) for line in lines]
        return []

    def follow(self, handle: Callable[[list[wire.ToWorker]], None]) -> None:
        """Hand over messages until there are no more, in a thread of its own."""

        def run() -> None:
            try:
                while messages := self.read():
                    handle(messages)
            finally:
                self._ended()

        threading.Thread(target=run, name="inbox", daemon=True).start()


class Outbox:
    """Messages to send; what must be made of something first is made in the sending thread."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._queue: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self._send, name="outbox", daemon=True).start()

    def put(self, make: Sequence[Callable[[], wire.FromWorker]]) -> None:
        """Send what these make, soon."""
        self._queue.put(make)

    def say(self, message: wire.FromWorker) -> None:
        """Send a message, soon."""
        self._queue.put((lambda: message,))

    def flush(self) -> None:
        """Wait until all is sent."""
        sent = threading.Event()
        self._queue.put(sent)
        sent.wait()

    def _send(self) -> None:
        try:
            self._send_all()
        except Exception:  # a worker that can say nothing any more must not seem to work
            traceback.print_exc()
            os._exit(1)

    def _send_all(self) -> None:
        while True:
            item = self._queue.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            data = b"".join(wire.encode(make()) + b"\n" for make in item)
            with suppress(BrokenPipeError):  # nobody listens any more; the inbox ends, too
                while data:
                    data = data[os.write(self._target, data) :]
