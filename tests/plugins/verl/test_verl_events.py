from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from verl_checkpoints import save_checkpoint

from rmr1_verl import progress
from rmr1_verl.inside.events import Events
from rmr1_verl.inside.settings import Settings

LOGGED: dict[str, Any] = {
    "training/global_step": 2,
    "critic/score/mean": 0.25,
    "actor/kl_loss": 0.002,
    "actor/pg_loss": -0.01,
    "actor/entropy": float("nan"),
    "response_length/mean": 41.5,
    "perf/throughput": 812.0,
    "timing_s/step": 1.75,
    "timing_s/gen": 0.9,
}
"""A step as veRL's file logger tells of it, in part."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(
        data="",
        model="",
        output=str(tmp_path),
        events=str(tmp_path / "events.jsonl"),
        checkpoint=str(tmp_path / "checkpoint"),
        orders="given",
        rollout_batch_size=8,
        max_prompt_length=64,
        epochs=1,
        steps=4,
        keep_checkpoints=1,
        start_minutes=1.0,
        step_minutes=1.0,
    )
    made.manifest.parent.mkdir()
    made.manifest.write_text('{"rows": 8}')
    return made


def log(metrics: Path, *steps: int) -> None:
    """What veRL has logged so far."""
    lines = [
        {"step": step, "data": {**LOGGED, "actor/entropy": None, "training/global_step": step}}
        for step in steps
    ]
    metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))


def told(settings: Settings) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(settings.events).read_text().splitlines()]


def test_a_step_is_told_in_the_words_of_every_trainer() -> None:
    line = {"step": 2, "data": LOGGED, "steps": 4, "answers": 8, "unparsed": 2, "right": 5}
    assert progress.event({**line, "wall_seconds": 9.5, "cpu_seconds": 12.0}) == {
        "event": "step",
        "step": 2,
        "steps": 4,
        "reward_mean": 0.25,
        "kl": 0.002,
        "loss": -0.01,
        "response_length": 41.5,
        "tokens_per_second": 812.0,
        "seconds": 1.75,
        "unparsed": 0.25,
        "accuracy": 0.625,
        "wall_seconds": 9.5,
        "cpu_seconds": 12.0,
    }


def test_the_end_tells_what_it_cost() -> None:
    line = {"done": True, "wall_seconds": 60.0, "cpu_seconds": 100.0}
    assert progress.event(line) == {"event": "done", "wall_seconds": 60.0, "cpu_seconds": 100.0}


def test_a_line_that_is_no_step_says_nothing() -> None:
    assert progress.event({"step": 0, "data": {"val-core/acc": 0.5}}) is None


def test_steps_are_appended_as_verl_logs_them(settings: Settings, tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.jsonl"
    events = Events(settings, metrics)
    assert not events.started
    log(metrics)
    events.follow()
    assert events.started
    log(metrics, 1)
    events.follow()
    events.follow()
    log(metrics, 1, 2)
    events.finish()
    assert [line.get("step") for line in told(settings)] == [1, 2, None]
    assert told(settings)[0]["steps"] == 4
    assert told(settings)[2]["done"]


def test_the_answers_of_a_step_are_counted_over_all_processes(
    settings: Settings, tmp_path: Path
) -> None:
    settings.tallies.mkdir()
    for name, unparsed in (("one", 1), ("two", 0)):
        line = {"step": 1, "right": 1 - unparsed, "unparsed": unparsed}
        text = json.dumps(line) + "\n" + json.dumps({**line, "step": 2}) + "\n"
        (settings.tallies / f"{name}.jsonl").write_text(text + '{"step": 1, "right"')
    metrics = tmp_path / "metrics.jsonl"
    events = Events(settings, metrics)
    log(metrics, 1)
    events.follow()
    (line,) = told(settings)
    assert (line["answers"], line["right"], line["unparsed"]) == (2, 1, 1)


def test_a_resumed_training_keeps_its_steps_and_measures_the_lost_ones_again(
    settings: Settings, tmp_path: Path
) -> None:
    metrics = tmp_path / "metrics.jsonl"
    first = Events(settings, metrics)
    log(metrics, 1, 2, 3)
    first.follow()
    with Path(settings.events).open("a") as file:
        file.write('{"step": 4, "da')  # killed while it was written
    save_checkpoint(settings.checkpoints, 2)
    spent = told_whole(settings)[2]["wall_seconds"]
    second = Events(settings, metrics)
    assert second.step == 2
    assert [line["step"] for line in told(settings)] == [1, 2]
    log(metrics, 3)
    second.follow()
    assert [line["step"] for line in told(settings)] == [1, 2, 3]
    assert told(settings)[2]["wall_seconds"] >= spent


def told_whole(settings: Settings) -> list[dict[str, Any]]:
    lines = Path(settings.events).read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def test_the_time_of_an_attempt_that_came_to_no_step_counts(
    settings: Settings, tmp_path: Path
) -> None:
    metrics = tmp_path / "metrics.jsonl"
    first = Events(settings, metrics)
    time.sleep(0.05)
    first.follow()
    second = Events(settings, metrics)
    log(metrics, 1)
    second.follow()
    assert told(settings)[0]["wall_seconds"] >= 0.05


def test_a_step_that_was_saved_and_logged_and_not_yet_told_is_told(
    settings: Settings, tmp_path: Path
) -> None:
    metrics = tmp_path / "metrics.jsonl"
    first = Events(settings, metrics)
    log(metrics, 1)
    first.follow()
    log(metrics, 1, 2)  # and killed before the next look
    save_checkpoint(settings.checkpoints, 2)
    count(settings, "one", step=2, unparsed=1, score=-1.0)
    Events(settings, metrics)
    assert [line["step"] for line in told(settings)] == [1, 2]
    assert told(settings)[1]["data"]["critic/score/mean"] == 0.25
    assert told(settings)[1]["unparsed"] == 1
    assert told(settings)[1]["wall_seconds"] == told(settings)[0]["wall_seconds"]


def test_a_step_that_was_saved_and_never_logged_is_told_from_what_the_reward_counted(
    settings: Settings, tmp_path: Path
) -> None:
    metrics = tmp_path / "metrics.jsonl"
    first = Events(settings, metrics)
    log(metrics, 1)
    first.follow()
    save_checkpoint(settings.checkpoints, 2)
    count(settings, "one", step=2, unparsed=1, score=-1.0, tokens=30)
    count(settings, "two", step=2, right=1, score=1.0, tokens=10)
    count(settings, "three", step=3, right=1, score=1.0)
    events = Events(settings, metrics)
    log(metrics, 3)
    events.follow()
    assert [line["step"] for line in told(settings)] == [1, 2, 3]
    event = progress.event(told(settings)[1])
    assert event is not None
    known = {name: event[name] for name in ("step", "steps", "reward_mean", "unparsed", "accuracy")}
    assert known == {"step": 2, "steps": 4, "reward_mean": 0.0, "unparsed": 0.5, "accuracy": 0.5}
    assert event["response_length"] == 20


def count(settings: Settings, process: str, **answer: float) -> None:
    """What a process of the reward notes of an answer."""
    settings.tallies.mkdir(exist_ok=True)
    line = {"right": 0, "unparsed": 0, "score": 0.0, "tokens": 9, **answer}
    (settings.tallies / f"{process}.jsonl").write_text(json.dumps(line) + "\n")
