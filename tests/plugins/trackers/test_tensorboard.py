"""A run's curves as TensorBoard files, which are read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorboardX", reason="the extra 'trackers' is not installed")

from event_files import events, scalars

from rmr1_core import Ref, RunRecord, Stage, train
from rmr1_core.errors import JobFailed
from rmr1_core.observers import Observers
from rmr1_core.values import Variant

Run = Callable[..., Path]


def test_every_stage_has_its_curves(run: Run) -> None:
    folder = run() / "tensorboard"
    losses = [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3, abs=1e-5))]
    assert scalars(folder / "first") == {"loss": losses}
    assert scalars(folder / "second") == {"loss": losses}


def test_every_evaluation_is_a_point(run: Run) -> None:
    folder = run()
    found = scalars(folder / "tensorboard" / "evaluation")
    results = train.stored_results(folder)
    scores = [result.reports[0].scores.headline.value for result in results]
    assert found["sample-one"] == [
        (n, pytest.approx(score, abs=1e-5)) for n, score in enumerate(scores)
    ]
    assert [step for step, _ in found["sample-one/unparsed"]] == [0, 1, 2]
    assert {"sample-one/tokens", "sample-one/flips"} <= found.keys()


def test_an_ablation_has_a_folder_of_its_own(run: Run) -> None:
    stages = (Stage(name="only", trainer=Ref(name="echo"), dataset=Ref(name="rows")),)
    variants = {"short": Variant(description="one stage", stages=stages)}
    folder = run("short", variants=variants) / "tensorboard"
    assert len(scalars(folder / "short" / "only")["loss"]) == 3
    assert len(scalars(folder / "short" / "evaluation")["sample-one"]) == 1


def test_a_run_that_goes_on_writes_only_what_is_new(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fail = tmp_path / "fail"
    fail.touch()
    options = {"fail_while": str(fail)}
    failing = Stage(name="a", trainer=Ref(name="echo", options=options), dataset=Ref(name="rows"))
    with pytest.raises(JobFailed):
        run(stages=(failing,))
    (folder,) = (tmp_path / "runs").iterdir()
    fail.unlink()
    train.execute(folder)
    assert [step for step, _ in scalars(folder / "tensorboard" / "a")["loss"]] == [1, 2, 3]
    assert "tracker" not in capsys.readouterr().err


def told(folder: Path, *steps: dict[str, Any]) -> None:
    record = RunRecord(
        id=folder.name, command="run", status="started", created="", versions={}, argv=()
    )
    observers = Observers()
    observers.run_started(record, folder)
    for number, numbers in enumerate(steps, start=1):
        event = {"event": "step", "step": number, "steps": 9, **numbers}
        observers.stepped(folder, "rl", event)
    observers.run_finished(record, folder)


def test_all_numbers_of_a_step_are_written_and_nothing_else(tmp_path: Path) -> None:
    told(tmp_path, {"reward_mean": 1, "kl": 0.25, "note": "text", "flag": True, "unparsed": None})
    assert scalars(tmp_path / "tensorboard" / "rl") == {
        "reward_mean": [(1, 1.0)],
        "kl": [(1, 0.25)],
    }


def test_steps_that_are_taken_again_hide_the_old_ones(tmp_path: Path) -> None:
    told(tmp_path, {"kl": 0.5}, {"kl": 0.25})
    told(tmp_path, {"kl": 0.75})
    starts = [e.step for e in events(tmp_path / "tensorboard" / "rl") if e.HasField("session_log")]
    assert starts == [1, 1]


@pytest.mark.parametrize("asked", ["", "none"])
def test_nothing_is_written_where_nothing_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setenv("RMR1_TRACKERS", asked)
    told(tmp_path, {"kl": 0.5})
    assert list(tmp_path.iterdir()) == []
