"""One line on standard error that says what is waited for."""

from __future__ import annotations

import shutil
import sys
import time


class Status:
    """A line that changes on a terminal; elsewhere only the beginning and the end are said."""

    def __init__(self, label: str) -> None:
        self._label, self._start = label, time.monotonic()
        self._live = sys.stderr.isatty()
        if not self._live:
            print(f"{label} …", file=sys.stderr, flush=True)

    def show(self, what: str) -> None:
        """Say what is going on."""
        if not self._live:
            return
        words = f"{self._label}: {self._seconds()}" + (f", {what}" if what else "")
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\x1b[2K{words[:width]}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away; something else will be said."""
        if self._live:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)

    def done(self, how: str) -> None:
        """Say how it ended."""
        self.clear()
        print(f"{self._label}: {how} after {self._seconds()}", file=sys.stderr, flush=True)

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._start:.0f} s"
