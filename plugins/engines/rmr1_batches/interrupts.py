"""Ctrl-C at a moment when it would lose a batch that is paid for."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts_later(words: str) -> Iterator[None]:
    """Let the first interrupt of the block wait for its end, and say so; a second does not wait.

    In another thread than the main one, which alone is interrupted, nothing changes.
    """
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield
        return
    came: list[int] = []

    def wait(number: int, frame: FrameType | None) -> None:
        if came:
            usual(number, frame)
        came.append(number)
        print(words, file=sys.stderr, flush=True)

    signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if came:
        usual(came[0], None)
