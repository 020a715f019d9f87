"""TensorBoard event files, a folder for each stage: `tensorboard --logdir RUN/tensorboard`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rmr1_core import RunRecord


class TensorBoard:
    """Writes a run's numbers by tensorboardX, which needs neither torch nor TensorBoard.

    A stage that goes on gets another file, and steps that it takes again hide the old ones.
    """

    def __init__(self, record: RunRecord, folder: Path) -> None:
        self._folder = folder / "tensorboard"
        self._writers: dict[str, Any] = {}

    def log(self, section: str, step: int, numbers: Mapping[str, float]) -> None:
        """Scalars of one step, on the disk at once."""
        writer = self._writers.get(section) or self._opened(section, step)
        for name, value in numbers.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    def close(self, *, done: bool) -> None:
        """Close all files."""
        for writer in self._writers.values():
            writer.close()

    def _opened(self, section: str, step: int) -> Any:
        from tensorboardX import SummaryWriter

        own_name = f".{time.time_ns()}"  # a file of the same second is not written over
        folder = str(self._folder / section)
        writer = SummaryWriter(folder, purge_step=step, filename_suffix=own_name)
        self._writers[section] = writer
        return writer
