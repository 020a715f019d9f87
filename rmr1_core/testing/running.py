"""What holds for jobs that run: those that a trainer plans, and those that a launcher gets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from rmr1_core import environments, jobs, jsonl
from rmr1_core.components import Launcher, Trainer
from rmr1_core.errors import JobFailed
from rmr1_core.values import Job, Message, Step, TrainingRow, TrainingTask

_WORK = """
import json, pathlib, sys, time
folder, goes_on = pathlib.Path(sys.argv[1]), sys.argv[2]
for step in range(3):
    with (folder / "events.jsonl").open("a") as events:
        print(json.dumps({"event": "step", "step": step + 1, "steps": 3}), file=events)
if goes_on == "fails":
    raise ValueError("the job says: fail")
for tick in range(1200 if goes_on == "ticks" else 0):
    with (folder / "ticks").open("a") as ticks:
        ticks.write(".")
    time.sleep(0.05)
(folder / "checkpoint").mkdir(exist_ok=True)
"""
_QUIET_SECONDS = 0.5


def check_launcher(launcher: Launcher, folder: Path, *, seconds: float = 60.0) -> None:
    """Run small jobs in an empty folder and assert that the launcher's files are pure, that events
    come in their order, that a job which fails raises JobFailed with its own last error, and that
    leaving early stops one.

    `seconds` is how long a job may take to stop.
    """
    job = _job(folder / "works", "works")
    assert dict(launcher.files(job, None)) == dict(launcher.files(job, None)), "files are not pure"
    assert not folder.exists() or not list(folder.iterdir()), "files are not pure: it wrote some"
    events = list(launcher.run(_written(launcher, job)))
    steps = [event.get("step") for event in events if event.get("event") == "step"]
    assert steps == [1, 2, 3], f"the job reported steps 1, 2, 3, and the launcher yielded {steps}"
    failure = _failure(launcher, _written(launcher, _job(folder / "fails", "fails")))
    assert failure, "a job that failed raises no JobFailed"
    assert "the job says: fail" in failure, f"{failure!r}: the job's own error is not in it"
    _check_stop(launcher, _written(launcher, _job(folder / "ticks", "ticks")), seconds)


def check_training(trainer: Trainer, task: TrainingTask, *, seconds: float = 300.0) -> None:
    """Plan a stage, run its job here, and assert that it resumes: it is killed after its first
    step, run to its end, and run once more. Steps go up to the last one, a "done" event is the
    last, there is a checkpoint, and a job that is done does nothing again.

    `task` is `example_task(trainer, folder)` with a model that exists; two rows of data are written
    where it has none. `seconds` is how long one attempt may take.
    """
    if not Path(task.data).exists():
        Path(task.data).parent.mkdir(parents=True, exist_ok=True)
        jsonl.write(Path(task.data), _rows())
    job = trainer.plan(task)
    jobs.write(job, environments.if_built(job.environment))
    with _started(job) as process:
        _wait_for(lambda: _steps(trainer, job) or process.poll() is not None, seconds)
    _run(job, seconds)
    steps = _steps(trainer, job)
    whole = [event.get("steps") for event in _events(trainer, job) if event.get("event") == "step"]
    assert steps, "the job reports no step"
    assert steps[-1] == whole[-1], f"the last step is {steps[-1]} of {whole[-1]}"
    assert sorted(set(steps)) == steps, f"steps {steps}: each is told once, in their order"
    ended = _events(trainer, job)[-1].get("event")
    assert ended == "done", f"the last event is {ended!r}, not 'done'"
    assert Path(job.checkpoint).is_dir(), "the job left no checkpoint"
    _run(job, seconds)
    assert _steps(trainer, job) == steps, "a job that is done trains again when it is started again"


def _job(folder: Path, goes_on: str) -> Job:
    argv = (sys.executable, "-c", _WORK, str(folder), goes_on)
    return Job(
        name=f"a job that {goes_on}",
        steps=(Step(argv=argv),),
        files={},
        env={},
        environment="",
        events=str(folder / "events.jsonl"),
        log=str(folder / "log.txt"),
        checkpoint=str(folder / "checkpoint"),
    )


def _written(launcher: Launcher, job: Job) -> Job:
    jobs.write(job, None, launcher.files(job, None))
    return job


def _failure(launcher: Launcher, job: Job) -> str:
    try:
        list(launcher.run(job))
    except JobFailed as error:
        return str(error)
    return ""


def _check_stop(launcher: Launcher, job: Job, seconds: float) -> None:
    ticks = Path(job.events).with_name("ticks")
    events: Iterator[Mapping[str, Any]] = launcher.run(job)
    next(events)
    _wait_for(ticks.exists, seconds)
    close = getattr(events, "close", None)
    assert close is not None, "run is no generator: leaving it early cannot stop the job"
    close()

    def is_quiet() -> bool:
        size = ticks.stat().st_size
        time.sleep(_QUIET_SECONDS)
        return ticks.stat().st_size == size

    assert _wait_for(is_quiet, min(seconds, 30.0)), "leaving early does not stop the job"


def _rows() -> Iterator[TrainingRow]:
    labels: tuple[Literal["A", "B"], ...] = ("A", "B")
    for number, label in enumerate(labels):
        yield TrainingRow(
            id=f"row-{number}",
            source="examples",
            messages=(Message("user", f"question {number}"),),
            label=label,
            completion=f"<answer>[[{label}]]</answer>",
            twin=(Message("user", f"question {number}, swapped"),),
        )


@contextmanager
def _started(job: Job) -> Iterator[subprocess.Popen[bytes]]:
    """The job's script, whose whole group is killed at the end."""
    argv = ["/bin/sh", str(jobs.script(job))]
    with Path(job.log).open("ab") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _run(job: Job, seconds: float) -> None:
    with _started(job) as process:
        assert _wait_for(lambda: process.poll() is not None, seconds), "the job does not end"
        code = process.returncode
    assert code == 0, f"the job failed: {jobs.last_error(Path(job.log), code)}"


def _events(trainer: Trainer, job: Job) -> list[Mapping[str, Any]]:
    lines = list(jobs.follow(Path(job.events), lambda: True))
    return [event for line in lines if (event := trainer.event(line)) is not None]


def _steps(trainer: Trainer, job: Job) -> list[int]:
    return [event["step"] for event in _events(trainer, job) if event.get("event") == "step"]


def _wait_for(condition: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
