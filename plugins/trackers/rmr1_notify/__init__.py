"""Tells somebody when a long command ends: `RMR1_NOTIFY` says whom, `RMR1_NOTIFY_AFTER` how long.

Nothing leaves the machine unless it is asked for, and whatever goes wrong is a warning.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rmr1_core import Check, hookimpl

if TYPE_CHECKING:
    from rmr1_core import RunRecord

VARIABLE = "RMR1_NOTIFY"

_began: dict[Path, float] = {}
"""When the runs of this process began, or went on, by folder."""


@hookimpl
def rmr1_run_started(folder: Path) -> None:
    """Note the time, and say at once if nobody could be told at the end."""
    if not os.environ.get(VARIABLE):
        return
    from rmr1_notify.telling import complain

    _began[folder.absolute()] = time.monotonic()
    complain()


@hookimpl
def rmr1_run_finished(record: RunRecord, folder: Path) -> None:
    """Tell how it ended, if it took long."""
    began = _began.pop(folder.absolute(), None)
    if began is None:
        return
    from rmr1_notify.telling import tell
    from rmr1_notify.words import of_run

    seconds = time.monotonic() - began
    tell(record.status, seconds, lambda: of_run(record, folder, seconds))


@hookimpl
def rmr1_distilled(folder: Path, status: str, seconds: float, words: str) -> None:
    """Tell how a distillation ended, if it took long."""
    if not os.environ.get(VARIABLE):
        return
    from rmr1_notify.telling import tell
    from rmr1_notify.words import of_distillation

    tell(status, seconds, lambda: of_distillation(folder, status, seconds, words))


@hookimpl
def rmr1_checks() -> Iterable[Check]:
    """Could somebody be told?"""
    if not os.environ.get(VARIABLE):
        return []
    from rmr1_notify.telling import problem, whom

    wrong = problem()
    return [Check(name="notifications", ok=not wrong, detail=wrong or f"to {whom()}")]
