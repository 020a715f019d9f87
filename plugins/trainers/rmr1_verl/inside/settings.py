"""The settings file of a job: what its steps have to know beside veRL's own settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rmr1_verl.inside.checkpoints import Checkpoints


@dataclass(frozen=True)
class Settings:
    """Paths are absolute. `steps` 0 means `epochs` times what the data allows."""

    data: str
    model: str
    output: str
    events: str
    checkpoint: str
    orders: str
    rollout_batch_size: int
    max_prompt_length: int
    epochs: int
    steps: int
    keep_checkpoints: int
    start_minutes: float
    step_minutes: float

    @classmethod
    def read(cls, given: str) -> Settings:
        """The settings in a file, or those that are given themselves."""
        text = given if given.startswith("{") else Path(given).read_text(encoding="utf-8")
        return cls(**json.loads(text))

    @property
    def folder(self) -> Path:
        """The stage's folder."""
        return Path(self.output)

    @property
    def parquet(self) -> Path:
        """The rows as veRL reads them."""
        return self.folder / "data" / "train.parquet"

    @property
    def manifest(self) -> Path:
        """What the parquet was made from and holds; written after it."""
        return self.folder / "data" / "manifest.json"

    @property
    def checkpoints(self) -> Checkpoints:
        """veRL's own checkpoints."""
        return Checkpoints(self.folder / "verl")

    @property
    def cause(self) -> Path:
        """Where a reward that fails says why."""
        return self.folder / "reward-error.txt"

    @property
    def tallies(self) -> Path:
        """Where the processes of the reward count what they read."""
        return self.folder / "tallies"

    @property
    def total_steps(self) -> int:
        """How many steps the training has, when the data is there."""
        rows = int(json.loads(self.manifest.read_text(encoding="utf-8"))["rows"])
        return self.steps or rows // self.rollout_batch_size * self.epochs

    @property
    def steps_done(self) -> int:
        """The step of veRL's last whole checkpoint, 0 where there is none."""
        return self.checkpoints.last
