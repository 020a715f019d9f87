"""The checks of trainers and launchers fail where a plan, a job or a launcher breaks a rule."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from rmr1_core import Job, Launcher, Located, Option, Step, Trainer, TrainingTask, jobs
from rmr1_core.errors import JobFailed
from rmr1_core.lookup import resolve
from rmr1_core.testing import check_component, check_launcher, check_training, example_task

WORKER = """
import json, pathlib, sys
folder, defect = pathlib.Path(sys.argv[1]), sys.argv[2]
events, checkpoint = folder / "events.jsonl", folder / "checkpoint"
lines = [json.dumps({"event": "step", "step": step, "steps": 2}) for step in (1, 2)]
done = json.dumps({"event": "done"})
if defect == "fails":
    raise ValueError("no")
if defect == "silent":
    lines = []
if defect == "short":
    lines = lines[:1]
if defect == "backwards":
    lines = [lines[0], lines[0], lines[1]]
if checkpoint.exists() and defect != "again":
    sys.exit()
with events.open("a" if defect == "again" else "w") as file:
    print(*lines, *([] if defect == "unfinished" else [done]), sep="\\n", file=file)
if defect != "weightless":
    checkpoint.mkdir(exist_ok=True)
"""
_numbers = itertools.count()


class Planned(Trainer, frozen=True, kw_only=True):
    """A trainer with one defect, or none."""

    objective: Literal["sft", "rl"] = "sft"
    defect: Annotated[str, Option(description="what is wrong with it")] = ""

    def plan(self, task: TrainingTask) -> Job:
        output = Path(task.output)
        if self.defect == "writes":
            output.mkdir(parents=True, exist_ok=True)
        name = f"job {next(_numbers)}" if self.defect == "differs" else "job"
        job = Job(
            name=name,
            steps=(Step(argv=(sys.executable, "-c", WORKER, task.output, self.defect)),),
            files={str(output / "settings"): "{}"},
            env={},
            environment="elsewhere" if self.defect == "elsewhere" else "",
            events=str(output / "events.jsonl"),
            log=str(output / "log.txt"),
            checkpoint=str(output / "checkpoint"),
        )
        changes: dict[str, dict[str, Any]] = {
            "idle": {"steps": ()},
            "stray events": {"events": "/tmp/events.jsonl"},
            "stray file": {"files": {"/tmp/settings": ""}},
        }
        return msgspec.structs.replace(job, **changes.get(self.defect, {}))

    def event(self, line: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if self.defect == "strict":
            return {"event": line["event"]}
        return [] if self.defect == "list" else line  # type: ignore[return-value]


def planned(defect: str = "") -> Planned:
    return Planned(name="planned", summary="x", defect=defect)


def test_a_plan_that_is_pure_passes() -> None:
    check_component(planned())


@pytest.mark.parametrize(
    ("defect", "complaint"),
    [
        ("writes", "it wrote into the run's folder"),
        ("differs", "two plans of one task differ"),
        ("elsewhere", "the job is for another environment"),
        ("idle", "a job has at least one step"),
        ("stray events", r"events '/tmp/events\.jsonl' is not in task\.output"),
        ("stray file", "file '/tmp/settings' is not in task.output"),
        ("list", "event"),
    ],
)
def test_a_plan_that_breaks_a_rule_is_told(defect: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_component(planned(defect))


def test_an_event_that_raises_for_an_odd_line_is_found() -> None:
    with pytest.raises(KeyError):
        check_component(planned("strict"))


def test_a_job_that_resumes_passes(tmp_path: Path) -> None:
    trainer = planned()
    check_training(trainer, example_task(trainer, tmp_path))
    assert (tmp_path / "data.jsonl").read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("defect", "complaint"),
    [
        ("fails", "the job failed: ValueError: no"),
        ("silent", "the job reports no step"),
        ("short", "the last step is 1 of 2"),
        ("backwards", "each is told once"),
        ("unfinished", "the last event is 'step', not 'done'"),
        ("weightless", "left no checkpoint"),
        ("again", r"each is told once|trains again"),
    ],
)
def test_a_job_that_breaks_a_rule_is_told(tmp_path: Path, defect: str, complaint: str) -> None:
    trainer = planned(defect)
    with pytest.raises(AssertionError, match=complaint):
        check_training(trainer, example_task(trainer, tmp_path))


class Runs(Launcher, frozen=True, kw_only=True):
    """A launcher of a few lines with one defect, or none."""

    defect: str = ""

    def files(self, job: Job, located: Located | None) -> Mapping[str, str]:
        if self.defect == "writes":
            Path(job.log).parent.mkdir(parents=True, exist_ok=True)
        return {job.log + ".new": str(next(_numbers))} if self.defect == "differs" else {}

    def run(self, job: Job) -> Iterator[Mapping[str, Any]]:
        if self.defect == "no generator":
            return iter(list(self._run(job)) if "ticks" not in job.name else _Endless(job))
        return self._run(job)

    def _run(self, job: Job) -> Iterator[Mapping[str, Any]]:
        with Path(job.log).open("ab") as log:
            process = subprocess.Popen(["/bin/sh", str(jobs.script(job))], stderr=log)
        try:
            for event in jobs.follow(Path(job.events), lambda: process.poll() is not None):
                if self.defect != "loses" or event["step"] != 2:
                    yield event
        finally:
            if self.defect != "leaves":
                process.kill()
            else:
                LEFT.append(process)
        if process.wait() and self.defect != "hides":
            cause = jobs.last_error(Path(job.log), 1)
            raise JobFailed(job.name, "it failed" if self.defect == "vague" else cause, job.log)


LEFT: list[subprocess.Popen[bytes]] = []


class _Endless:
    """What cannot be closed; it runs nothing, and says that it does."""

    def __init__(self, job: Job) -> None:
        Path(job.events).with_name("ticks").touch()

    def __iter__(self) -> _Endless:
        return self

    def __next__(self) -> Mapping[str, Any]:
        return {"event": "step", "step": 1}


def test_a_launcher_of_a_few_lines_passes(tmp_path: Path) -> None:
    check_launcher(Runs(name="runs"), tmp_path)


def test_the_launcher_of_this_machine_passes(tmp_path: Path) -> None:
    check_launcher(resolve("launcher", "local"), tmp_path)


@pytest.mark.parametrize(
    ("defect", "complaint"),
    [
        ("writes", "files are not pure: it wrote some"),
        ("differs", "files are not pure"),
        ("loses", r"the launcher yielded \[1, 3\]"),
        ("hides", "raises no JobFailed"),
        ("vague", "the job's own error is not in it"),
        ("no generator", "leaving it early cannot stop the job"),
    ],
)
def test_a_launcher_that_breaks_a_rule_is_told(tmp_path: Path, defect: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_launcher(Runs(name="runs", defect=defect), tmp_path)


def test_a_job_that_outlives_its_launcher_is_told(tmp_path: Path) -> None:
    try:
        with pytest.raises(AssertionError, match="leaving early does not stop the job"):
            check_launcher(Runs(name="runs", defect="leaves"), tmp_path, seconds=2)
    finally:
        for process in LEFT:
            process.kill()
            process.wait()
