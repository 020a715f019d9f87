"""Checkpoints as veRL leaves them, in small."""

from __future__ import annotations

import zipfile

from rmr1_verl.inside.checkpoints import ACTOR, DATA, LATEST, Checkpoints


def save_checkpoint(checkpoints: Checkpoints, step: int, *, told: bool = True) -> None:
    """A whole checkpoint; `told` is whether veRL came to write its number down."""
    folder = checkpoints.of(step)
    (folder / ACTOR).mkdir(parents=True)
    (folder / ACTOR / "model_world_size_1_rank_0.pt").write_bytes(b"weights")
    with zipfile.ZipFile(folder / DATA, "w") as archive:
        archive.writestr("data.pkl", "the state of the data")
    if told:
        (checkpoints.folder / LATEST).write_text(str(step), encoding="utf-8")
