"""Weights & Biases, and trackio: a run of theirs for each of ours, under the same name.

Where they keep it is their own business: WANDB_MODE, WANDB_PROJECT, TRACKIO_DIR and so on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from rmr1_core import RunRecord

PROJECT = "rmr1"


class Wandb:
    """A run of Weights & Biases, found again by its id when ours goes on."""

    def __init__(self, record: RunRecord, folder: Path) -> None:
        import wandb

        self._sections: set[str] = set()
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=record.id,
            name=record.id,
            resume="allow",
            dir=str(folder),
            config=_config(record),
        )

    def log(self, section: str, step: int, numbers: Mapping[str, float]) -> None:
        """One step, on an axis of the section's own."""
        if section not in self._sections:
            self._sections.add(section)
            self._run.define_metric(f"{section}/step")
            self._run.define_metric(f"{section}/*", step_metric=f"{section}/step")
        self._run.log(_named(section, {**numbers, "step": step}))

    def close(self, *, done: bool) -> None:
        """End the run, as failed unless it is done."""
        self._run.finish(exit_code=0 if done else 1)


class Trackio:
    """A run of trackio, kept on this machine unless its own variables say otherwise."""

    def __init__(self, record: RunRecord, folder: Path) -> None:
        import trackio

        self._trackio = trackio
        trackio.init(
            project=os.environ.get("TRACKIO_PROJECT", PROJECT),
            name=record.id,
            resume="allow",
            config=_config(record),
        )

    def log(self, section: str, step: int, numbers: Mapping[str, float]) -> None:
        """One step."""
        self._trackio.log(_named(section, {**numbers, "step": step}))

    def close(self, *, done: bool) -> None:
        """End the run."""
        self._trackio.finish()


def _config(record: RunRecord) -> Any:
    """What the run was: its recipe and its versions."""
    return msgspec.to_builtins({"recipe": record.recipe, "versions": record.versions})


def _named(section: str, numbers: Mapping[str, float]) -> dict[str, float]:
    return {f"{section}/{name}": value for name, value in numbers.items()}
