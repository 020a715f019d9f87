"""veRL's own checkpoints: which are whole, where to go on, and how many are kept.

veRL writes the actor, then the state of its data, then the number of the step into a file that it
resumes by. It removes the older actor before that number is written, and a full disk leaves the
file empty: a kill in between would leave nothing to resume from. So a checkpoint counts here by
what is in it, the older ones are removed by us, and the number is set before veRL reads it.
"""

from __future__ import annotations

import shutil
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PREFIX = "global_step_"
LATEST = "latest_checkpointed_iteration.txt"
"""Where veRL looks for the step to resume from."""
ACTOR, DATA = "actor", "data.pt"
"""The weights of a checkpoint; and what is written last, an archive whose end tells that it is
whole."""


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints in a folder."""

    folder: Path

    def of(self, step: int) -> Path:
        """The checkpoint of a step."""
        return self.folder / f"{PREFIX}{step}"

    @property
    def last(self) -> int:
        """The step of the last whole checkpoint, 0 where there is none."""
        return max(self._whole(), default=0)

    def resume(self) -> None:
        """Let veRL go on from the last whole one; what is no whole one is removed."""
        last = self.last
        for step in self._steps():
            if step > last or not self._is_whole(step):
                self._remove(step)
        if not last:
            (self.folder / LATEST).unlink(missing_ok=True)
            return
        aside = self.folder / f"{LATEST}.part"
        aside.write_text(str(last), encoding="utf-8")
        aside.replace(self.folder / LATEST)

    def keep(self, count: int) -> None:
        """Remove all but the last `count` whole ones; one that is being written is left alone."""
        for step in self._whole()[:-count]:
            self._remove(step)

    def _remove(self, step: int) -> None:
        (self.of(step) / DATA).unlink(missing_ok=True)  # what is half removed is no whole one
        shutil.rmtree(self.of(step), ignore_errors=True)

    def _whole(self) -> list[int]:
        return [step for step in self._steps() if self._is_whole(step)]

    def _is_whole(self, step: int) -> bool:
        return (self.of(step) / ACTOR).is_dir() and zipfile.is_zipfile(self.of(step) / DATA)

    def _steps(self) -> list[int]:
        found = []
        for path in self.folder.glob(f"{PREFIX}*"):
            with suppress(ValueError):
                found.append(int(path.name.removeprefix(PREFIX)))
        return sorted(found)
