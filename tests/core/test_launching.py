"""Steps as they come: told once, and kept in the words of `Trainer.event`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rmr1_core import Job, Launcher, Step, Trainer, TrainingTask, jsonl
from rmr1_core.launching import STEPS_FILE, Steps, launch


class Counting(Trainer, frozen=True, kw_only=True):
    """Its own words for a step: `n` of 9 with `r`."""

    def plan(self, task: TrainingTask) -> Job:
        raise AssertionError("launch() is given its job, and plans none")

    def event(self, line: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if "n" not in line:
            return None
        return {"event": "step", "step": line["n"], "steps": 9, "reward_mean": line["r"]}


class Lines(Launcher, frozen=True, kw_only=True):
    lines: tuple[Mapping[str, Any], ...]

    def run(self, job: Job) -> Iterator[Mapping[str, Any]]:
        yield from self.lines


def told(folder: Path, *lines: Mapping[str, Any]) -> list[int]:
    job = Job(
        name="count",
        steps=(Step(argv=("true",)),),
        files={},
        env={},
        environment="",
        events=str(folder / "own-words.jsonl"),
        log=str(folder / "log.txt"),
        checkpoint=str(folder / "checkpoint"),
    )
    heard: list[int] = []
    trainer = Counting(name="counting", objective="rl")
    launcher = Lines(name="lines", lines=lines)
    launch(launcher, trainer, job, lambda event: heard.append(event["step"]))
    return heard


def kept(folder: Path) -> list[tuple[int, float]]:
    found = jsonl.read(folder / STEPS_FILE, dict[str, Any])
    return [(event["step"], event["reward_mean"]) for event in found]


def test_every_step_is_a_line_in_our_words(tmp_path: Path) -> None:
    assert told(tmp_path, {"n": 1, "r": 0.5}, {"note": "x"}, {"n": 2, "r": 0.25}) == [1, 2]
    assert list(jsonl.read(tmp_path / STEPS_FILE, dict[str, Any])) == [
        {"event": "step", "step": 1, "steps": 9, "reward_mean": 0.5},
        {"event": "step", "step": 2, "steps": 9, "reward_mean": 0.25},
    ]


def test_steps_that_are_followed_again_are_not_told_again(tmp_path: Path) -> None:
    first = [{"n": 1, "r": 0.5}, {"n": 2, "r": 0.25}]
    told(tmp_path, *first)
    assert told(tmp_path, *first, {"n": 3, "r": 1.0}) == [3]
    assert kept(tmp_path) == [(1, 0.5), (2, 0.25), (3, 1.0)]


def test_a_launcher_may_follow_only_what_is_new(tmp_path: Path) -> None:
    told(tmp_path, {"n": 1, "r": 0.5}, {"n": 2, "r": 0.25})
    assert told(tmp_path, {"n": 3, "r": 1.0}) == [3]
    assert [step for step, _ in kept(tmp_path)] == [1, 2, 3]


def test_steps_that_come_out_differently_replace_the_rest(tmp_path: Path) -> None:
    told(tmp_path, *({"n": n, "r": 0.0} for n in (1, 2, 3, 4)))
    assert told(tmp_path, {"n": 1, "r": 0.0}, {"n": 2, "r": 0.0}, {"n": 3, "r": 1.0}) == [3]
    assert kept(tmp_path) == [(1, 0.0), (2, 0.0), (3, 1.0)]


def test_a_step_without_a_number_is_the_same_after_a_restart(tmp_path: Path) -> None:
    event = {"event": "step", "step": 1, "steps": 2, "kl": float("nan")}
    assert Steps(tmp_path / STEPS_FILE).add(event)
    assert not Steps(tmp_path / STEPS_FILE).add(event)


@pytest.mark.parametrize("torn", ["", '{"event": "step", "st'])
def test_a_torn_last_line_is_written_again(tmp_path: Path, torn: str) -> None:
    told(tmp_path, {"n": 1, "r": 0.5})
    with (tmp_path / STEPS_FILE).open("a") as file:
        file.write(torn)
    assert told(tmp_path, {"n": 1, "r": 0.5}, {"n": 2, "r": 0.5}) == [2]
    assert kept(tmp_path) == [(1, 0.5), (2, 0.5)]
