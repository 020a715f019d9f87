"""The real OpenRLHF trains: ZeRO-2 and packing on a model made on the spot, killed, resumed,
judged. Two processes share the work once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openrlhf_stages import TRAINER

from rmr1_core import Job, TrainingTask
from rmr1_core.errors import JobFailed
from rmr1_core.jobs import write
from rmr1_core.lookup import find
from rmr1_openrlhf.inside import places

pytestmark = pytest.mark.slow
SMALL = msgspec.structs.replace(
    TRAINER,
    learning_rate=1e-2,
    batch_size=8,
    micro_batch_size=4,
    epochs=2,
    max_length=256,
    zero_stage=2,
    adam_offload=False,
    gradient_checkpointing=False,
    save_every=2,
    gpus_per_node=0,
)
"""24 rows, twice, 8 at a time: 6 steps."""


@pytest.fixture
def start(managed_environment: Callable[[str], Any]) -> Callable[[Job], Iterator[Any]]:
    """Write a job, and run it as `rmr1 run` does."""
    located = managed_environment("openrlhf")

    def run(job: Job) -> Iterator[Any]:
        write(job, located)
        return find("launcher", "local").run(job)

    return run


def steps(task: TrainingTask) -> list[dict[str, Any]]:
    lines = (Path(task.output) / places.EVENTS).read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == "step"]


def processes(output: str) -> list[int]:
    """The processes that were started for this output."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if output in words:
            found.append(int(folder.name))
    return found


def weights(task: TrainingTask) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(Path(task.output) / places.CHECKPOINT / "model.safetensors")


def test_it_trains_is_killed_goes_on_and_its_judge_judges(start, make_task, tmp_path, rmr1):
    whole = make_task(output=str(tmp_path / "whole"))
    list(start(SMALL.plan(whole)))
    assert [event["step"] for event in steps(whole)] == [1, 2, 3, 4, 5, 6]
    assert steps(whole)[-1]["loss"] < steps(whole)[0]["loss"]

    task = make_task(output=str(tmp_path / "killed"))
    job = SMALL.plan(task)
    with pytest.raises(JobFailed, match=r"killed by SIGKILL \(out of memory\?\)"):
        kill_at(3, start(job), task)
    assert processes(task.output) == []
    assert not Path(job.checkpoint).exists()

    events = list(start(job))
    assert "from_step" in next(e for e in reversed(events) if e["event"] == "start")
    assert [event["step"] for event in steps(task)] == [1, 2, 3, 4, 5, 6]
    assert events[-1]["event"] == "done"
    assert events[-1]["wall_seconds"] > steps(task)[1]["wall_seconds"]
    before, after = weights(whole), weights(task)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert tensor.equal(after[name]), f"{name} differs from an uninterrupted training"

    done = rmr1("bench", "toy", "--backbone", job.checkpoint, "--engine", "transformers",
                "--prompt", "compact", "--limit", "4", "--max-new-tokens", "8")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert processes(task.output) == []


def kill_at(step: int, events: Iterator[Any], task: TrainingTask) -> None:
    """Kill the process that trains, as the kernel does when memory runs out."""
    for event in events:
        if event.get("step") == step:
            (rank,) = [pid for pid in processes(task.output) if is_rank(pid)]
            os.kill(rank, signal.SIGKILL)


def is_rank(pid: int) -> bool:
    return b"\0rank\0" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_two_processes_share_the_work(start, make_task):
    """ZeRO-3, with activations computed twice."""
    task = make_task()
    trainer = msgspec.structs.replace(
        SMALL,
        ranks_per_node=2,
        micro_batch_size=2,
        epochs=1,
        zero_stage=3,
        gradient_checkpointing=True,
        save_every=-1,
    )
    events = list(start(trainer.plan(task)))
    assert [e["ranks"] for e in events if e["event"] == "start"] == [2]
    assert [event["step"] for event in steps(task)] == [1, 2, 3]
    rows = [json.loads(line) for line in Path(task.data).read_text().splitlines()]
    assert sum(event["tokens"] for event in steps(task)) > 10 * len(rows)
    assert weights(task)


def test_an_adapter_is_merged_into_the_model_that_it_was_trained_for(start, make_task):
    from safetensors.torch import load_file

    task = make_task()
    trainer = msgspec.structs.replace(SMALL, epochs=1, save_every=-1, extra={"ds.lora.rank": 4})
    list(start(trainer.plan(task)))
    before, after = load_file(Path(task.model) / "model.safetensors"), weights(task)
    assert before.keys() == after.keys()
    changed = [name for name in before if not before[name].to(after[name].dtype).equal(after[name])]
    assert any("q_proj" in name for name in changed)
    assert not any("norm" in name for name in changed)
    assert {path.name for path in Path(task.output).glob("trained*")} == {places.FINISHED}


def test_a_flag_that_is_none_stops_the_job_before_it_starts(start, make_task):
    task = make_task()
    trainer = msgspec.structs.replace(SMALL, extra={"train.max_epoch": 3})
    with pytest.raises(JobFailed) as failed:
        list(start(trainer.plan(task)))
    assert "has no flag --train.max_epoch; did you mean --train.max_epochs?" in str(failed.value)
    assert not (Path(task.output) / places.ROWS).exists()


def test_what_a_rank_raises_is_what_the_user_reads(start, make_task):
    task = make_task()
    trainer = msgspec.structs.replace(SMALL, lr_scheduler="no-such-schedule")
    with pytest.raises(JobFailed, match="no-such-schedule is not a valid SchedulerType"):
        list(start(trainer.plan(task)))
    assert processes(task.output) == []


def test_without_a_compiler_it_is_said_what_to_install(start, make_task, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(JobFailed) as failed:
        list(start(SMALL.plan(make_task())))
    assert "has to compile its operator" in str(failed.value)
    assert "there is no no-such-compiler; install no-such-compiler" in str(failed.value)


def test_the_script_of_a_job_works_by_hand(managed_environment, make_task):
    """After the rows are made: everything that is done is skipped, and the rest is done."""
    task = make_task()
    job = msgspec.structs.replace(SMALL, epochs=1, save_every=-1).plan(task)
    write(job, managed_environment("openrlhf"))
    script = Path(job.log).with_name("run.sh")
    for _ in range(2):
        subprocess.run(["sh", script], check=True, capture_output=True)
    assert [event["step"] for event in steps(task)] == [1, 2, 3]
    assert Path(job.checkpoint).is_dir()
