"""Whom to tell, and that this takes no more than seconds and harms no run."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from rmr1_core.errors import UsageError
from rmr1_notify import VARIABLE, ways
from rmr1_notify.words import News

AFTER_VARIABLE, AFTER_SECONDS = "RMR1_NOTIFY_AFTER", 60.0
PATIENCE_SECONDS = ways.SECONDS + 6
"""When the run no longer waits for whoever is told; a program is ended before."""
_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def tell(status: str, seconds: float, news: Callable[[], News]) -> None:
    """Tell the news of what took so many seconds, if that is long.

    Who presses Ctrl-C knows; who had stopped a run without a terminal may be somebody else.
    """
    if seconds < after() or (status == "interrupted" and sys.stderr.isatty()):
        return
    try:
        way, what = _way(), news()
    except UsageError as error:
        _warn(str(error))
        return
    failed: list[Exception] = []
    sender = threading.Thread(target=_guarded, args=(way, what, failed), daemon=True)
    sender.start()
    with suppress(KeyboardInterrupt):  # somebody does not want to wait for this
        sender.join(PATIENCE_SECONDS)
    if sender.is_alive():
        _warn(f"{whom()} does not answer; nobody may have been told")
    elif failed:
        _warn(f"{whom()} could not be told: {failed[0]}")


def complain() -> None:
    """Warn if nobody can be told at the end."""
    if wrong := problem():
        _warn(wrong)


def problem() -> str:
    """Why nobody can be told; "" if they can."""
    try:
        _way()
        _after()
    except UsageError as error:
        return str(error)
    return ""


def whom() -> str:
    """Who is told, without what may be secret of it."""
    return ways.public(_asked())


def after() -> float:
    """How many seconds are long."""
    try:
        return _after()
    except UsageError:
        return AFTER_SECONDS


def _after() -> float:
    text = os.environ.get(AFTER_VARIABLE, "").strip()
    if not text:
        return AFTER_SECONDS
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text)
    if found is None or found[2] not in _UNITS:
        raise UsageError(f"{AFTER_VARIABLE}={text}: give seconds, or a time such as 10m or 2h")
    return float(found[1]) * _UNITS[found[2]]


def _asked() -> str:
    return os.environ.get(VARIABLE, "").strip()


def _way() -> Callable[[News], None]:
    """What tells whom the environment names. Raises UsageError for what cannot be."""
    asked = _asked()
    if asked.startswith("command:"):
        return partial(ways.by_command, asked.removeprefix("command:").strip())
    if asked == "desktop":
        return ways.desktop()
    return ways.webhook(asked)


def _guarded(way: Callable[[News], None], what: News, failed: list[Exception]) -> None:
    try:
        way(what)
    except Exception as error:  # the boundary to the world
        failed.append(error)


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)
