"""Observers that keep a run's steps and results where people look at curves.

TensorBoard files are written beside the run where `tensorboardX` is installed. Others are for those
who ask: `RMR1_TRACKERS=tensorboard,wandb,trackio`, or `RMR1_TRACKERS=none`. Nothing leaves the
machine unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmr1_core import hookimpl

if TYPE_CHECKING:
    from rmr1_core import RunRecord
    from rmr1_trackers.watching import Watch

_watches: dict[Path, Watch] = {}
"""The runs of this process that are watched, by folder."""


@hookimpl
def rmr1_run_started(record: RunRecord, folder: Path) -> None:
    """Open the trackers that are asked for."""
    if record.command != "run":
        return
    from rmr1_trackers.watching import Watch

    _watches[folder.absolute()] = Watch.of(record, folder.absolute())


@hookimpl
def rmr1_stepped(folder: Path, stage: str, event: Mapping[str, Any]) -> None:
    """Log one step of a stage, or of an ablation's."""
    for run, watch in _watches.items():
        if folder == run:
            watch.step(stage, event)
        elif run in folder.parents:
            watch.step(f"{folder.name}/{stage}", event)


@hookimpl
def rmr1_run_finished(record: RunRecord, folder: Path) -> None:
    """Log the results, and close the trackers."""
    watch = _watches.pop(folder.absolute(), None)
    if watch is not None:
        watch.finish(done=record.status == "done")
