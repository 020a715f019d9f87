from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from verl_checkpoints import save_checkpoint

from rmr1_verl.inside.checkpoints import ACTOR, DATA, LATEST, Checkpoints


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path)


def steps(checkpoints: Checkpoints) -> list[str]:
    return sorted(path.name for path in checkpoints.folder.glob("global_step_*"))


def test_a_training_goes_on_from_the_last_whole_checkpoint(checkpoints: Checkpoints) -> None:
    assert checkpoints.last == 0
    save_checkpoint(checkpoints, 9)
    save_checkpoint(checkpoints, 10)
    assert checkpoints.last == 10


@pytest.mark.parametrize("half", ["no data", "data cut short", "no actor"])
def test_a_checkpoint_that_was_being_written_does_not_count(
    checkpoints: Checkpoints, half: str
) -> None:
    save_checkpoint(checkpoints, 10)
    save_checkpoint(checkpoints, 20, told=False)
    if half == "no data":
        (checkpoints.of(20) / DATA).unlink()
    elif half == "data cut short":
        whole = (checkpoints.of(20) / DATA).read_bytes()
        (checkpoints.of(20) / DATA).write_bytes(whole[:-9])
    else:
        shutil.rmtree(checkpoints.of(20) / ACTOR)
    assert checkpoints.last == 10
    checkpoints.resume()
    assert steps(checkpoints) == ["global_step_10"]
    assert (checkpoints.folder / LATEST).read_text() == "10"


@pytest.mark.parametrize("told", ["10", ""])
def test_a_whole_checkpoint_counts_whatever_verls_own_file_says(
    checkpoints: Checkpoints, told: str
) -> None:
    save_checkpoint(checkpoints, 20, told=False)
    (checkpoints.folder / LATEST).write_text(told)
    (checkpoints.of(10)).mkdir()  # its actor was removed for the new one
    checkpoints.resume()
    assert (checkpoints.folder / LATEST).read_text() == "20"
    assert steps(checkpoints) == ["global_step_20"]


def test_without_a_whole_checkpoint_verl_begins_anew(checkpoints: Checkpoints) -> None:
    save_checkpoint(checkpoints, 10)
    (checkpoints.of(10) / DATA).unlink()
    checkpoints.resume()
    assert list(checkpoints.folder.iterdir()) == []
    Checkpoints(checkpoints.folder / "not" / "there").resume()


def test_the_last_checkpoints_are_kept_and_one_that_is_being_written(
    checkpoints: Checkpoints,
) -> None:
    for step in (8, 9, 10):
        save_checkpoint(checkpoints, step)
    (checkpoints.of(11) / ACTOR).mkdir(parents=True)
    checkpoints.keep(2)
    assert steps(checkpoints) == ["global_step_10", "global_step_11", "global_step_9"]
