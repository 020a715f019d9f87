"""A real Slurm of two nodes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from launched import LEAVE, WORK, job, step, wait_until, written
from living import is_gone

from rmr1_core import Job, Launcher, Located, Step
from rmr1_core.errors import JobFailed
from rmr1_core.lookup import resolve
from rmr1_core.values import Ref

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("clusters"),  # one cluster at a time on this machine
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("real_slurm"),
]

WAIT = WORK + "print(os.getpid(), flush=True); time.sleep(120)\n"
MEET = """
import pathlib, sys, torch
import torch.distributed as distributed
distributed.init_process_group("gloo")
total = torch.tensor([distributed.get_rank() + 1.0])
distributed.all_reduce(total)
print(f"rank {distributed.get_rank()} of {distributed.get_world_size()}: {total.item()}")
distributed.destroy_process_group()
"""
TWO_NODES_OF_RAY = """
import ray
ray.init()

@ray.remote(num_cpus=2)
def node():
    import time
    time.sleep(2)  # so that no node does both
    return ray.get_runtime_context().get_node_id()

print(len(set(ray.get([node.remote(), node.remote()]))), "nodes worked")
"""


def launcher(**options: Any) -> Launcher:
    found: Launcher = resolve("launcher", Ref("slurm", {"poll_seconds": 0.5, **options}))
    return found


def events(made: Job, **options: Any) -> Iterator[Mapping[str, Any]]:
    slurm = launcher(settle_seconds=1, **options)
    return slurm.run(written(slurm, made))


def number_of(made: Job) -> str:
    return str(json.loads(Path(made.log).with_name("slurm.json").read_text())["job"])


def process_of(made: Job) -> int:
    log = Path(made.log)
    text = wait_until(lambda: log.exists() and log.read_text().endswith("\n") and log.read_text())
    return int(text.split()[-1])


def test_a_job_runs_and_its_events_are_told(tmp_path: Path) -> None:
    assert [event["step"] for event in events(job(tmp_path))] == [0, 1, 2]


def test_a_folder_may_have_an_odd_name(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s "the" é run; #1 & 50%j $HOME'
    folder.mkdir()
    made = job(folder, WORK + "print('hello')\n" + LEAVE)
    assert len(list(events(made))) == 3
    assert Path(made.log).read_text() == "hello\n"


def test_a_job_that_fails_says_why(tmp_path: Path) -> None:
    script = WORK + "raise ValueError('no such tokenizer')\n"
    with pytest.raises(JobFailed, match="work failed: ValueError: no such tokenizer; its whole"):
        list(events(job(tmp_path, script)))


def test_leaving_early_ends_the_job(tmp_path: Path) -> None:
    made = job(tmp_path, WAIT)
    told = events(made)
    next(told)
    process = process_of(made)
    told.close()  # type: ignore[attr-defined]
    wait_until(lambda: is_gone(process))


def test_a_job_that_somebody_cancels_says_so(tmp_path: Path) -> None:
    made = job(tmp_path, WAIT)
    told = events(made)
    next(told)
    process_of(made)
    subprocess.run(["scancel", number_of(made)], check=True)
    with pytest.raises(JobFailed, match="was cancelled from outside"):
        list(told)


def test_a_job_at_its_time_limit_says_so(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match=r"met its time limit.*\(TIMEOUT\)"):
        list(events(job(tmp_path, WORK + "time.sleep(300)\n"), time="00:01:00"))


def test_a_job_that_is_queued_again_goes_on(tmp_path: Path) -> None:
    resumes = "if (folder / 'events').read_text().count('{') < 6: time.sleep(120)\n"
    made = job(tmp_path, WORK + "print(os.getpid(), flush=True)\n" + resumes + LEAVE)
    told = events(made)
    seen = [next(told)]
    process_of(made)
    number = number_of(made)
    subprocess.run(["scontrol", "requeue", number], check=True)
    state = ["squeue", "--noheader", f"--jobs={number}", "--format=%T"]
    wait_until(lambda: b"PENDING" in subprocess.run(state, capture_output=True, check=True).stdout)
    # not in two minutes, but later than in the second in which the node was told to let go of it:
    # a start that was granted then is refused there ("job credential revoked")
    soon = ["scontrol", "update", f"jobid={number}", "starttime=now+3"]
    subprocess.run(soon, check=True)
    seen += told
    assert [event["step"] for event in seen] == [0, 1, 2, 0, 1, 2]


def test_torchrun_connects_the_nodes(tmp_path: Path) -> None:
    script = tmp_path / "meet.py"
    argv = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=1", str(script))
    made = job(
        tmp_path,
        nodes=2,
        cluster="torchrun",
        files={str(script): MEET},
        env={"OMP_NUM_THREADS": "1"},
        steps=(Step(argv=argv, everywhere=True), step(tmp_path, WORK + LEAVE)),
    )
    assert len(list(events(made))) == 3, "the second step runs on one node alone"
    log = Path(made.log).read_text()
    assert "rank 0 of 2: 3.0" in log
    assert "rank 1 of 2: 3.0" in log


def test_a_node_that_fails_ends_the_job_with_its_error(tmp_path: Path) -> None:
    script = "import os, time\nif os.environ['PET_NODE_RANK'] == '1': raise ValueError('rank 1')\n"
    bad = step(tmp_path, script + "time.sleep(120)\n", everywhere=True)
    made = job(tmp_path, nodes=2, cluster="torchrun", steps=(bad,))
    with pytest.raises(JobFailed, match="work failed: ValueError: rank 1"):
        list(events(made))


def test_ray_connects_the_nodes_and_ends_with_the_job(
    tmp_path: Path, managed_environment: Callable[[str], Located]
) -> None:
    verl = managed_environment("verl")
    made = job(
        tmp_path,
        nodes=2,
        cluster="ray",
        environment="verl",
        steps=(Step(argv=("python", "-c", TWO_NODES_OF_RAY)), step(tmp_path, WORK + LEAVE)),
    )
    slurm = launcher(sbatch=["--cpus-per-task=2"])
    before = set(ray_processes())
    assert len(list(slurm.run(written(slurm, made, verl)))) == 3
    assert "2 nodes worked" in Path(made.log).read_text()
    wait_until(lambda: not (set(ray_processes()) - before))


def ray_processes() -> list[str]:
    done = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "/tmp/rmr1-" in line and "/ray/" in line]


@pytest.mark.timeout(1800)
def test_a_whole_run_survives_its_own_end(tmp_path: Path) -> None:
    """rmr1 is killed while its job runs, and goes on with the same job."""
    rmr1 = [sys.executable, "-m", "rmr1_core", "run", "--runs-dir", str(tmp_path)]
    settings = ("launcher.name=slurm", "launcher.options.poll_seconds=0.5")
    asked = [word for setting in settings for word in ("--set", setting)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    said = tmp_path / "said"
    with said.open("wb") as errors:
        first = subprocess.Popen([*rmr1, "--smoke", *asked], env=environment, stderr=errors)
        wait_until(
            lambda: first.poll() is not None or list(tmp_path.glob("*/stages/sft/metrics.jsonl")),
            seconds=600,
        )
        assert first.poll() is None, said.read_text()
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        [record] = tmp_path.glob("*/stages/sft/slurm.json")
        number = json.loads(record.read_text())["job"]
        # the job does not get to its end before rmr1 is there again, however long that takes
        subprocess.run(["scontrol", "suspend", number], check=True)
        second = subprocess.Popen(
            [*rmr1, "--resume", "last", "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        joined = f"sft: joined Slurm job {number}"
        wait_until(lambda: second.poll() is not None or joined in said.read_text(), seconds=300)
        subprocess.run(["scontrol", "resume", number], check=True)
        output, _ = second.communicate(timeout=900)
    assert second.returncode == 0, said.read_text()
    assert joined in said.read_text()
    assert [result["stage"] for result in json.loads(output)["results"]] == [
        "before",
        "sft",
        "grpo",
    ]
