"""Ray's job API as its answers show it; the cluster is a stand-in here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_ray import FakeRay, serving
from launched import LEAVE, WORK, job, written

from rmr1_core import Job, Launcher
from rmr1_core.errors import JobFailed, UsageError
from rmr1_core.lookup import resolve
from rmr1_core.testing import check_component
from rmr1_core.values import Ref

PENDING, RUNNING, DONE = {"status": "PENDING"}, {"status": "RUNNING"}, {"status": "SUCCEEDED"}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))


@pytest.fixture
def ray() -> Iterator[FakeRay]:
    with serving() as fake:
        yield fake


def launcher(ray: FakeRay | None = None, **options: Any) -> Launcher:
    address = {"address": ray.address} if ray else {}
    options = {"poll_seconds": 0.01, "settle_seconds": 0, **address, **options}
    found: Launcher = resolve("launcher", Ref(name="ray", options=options))
    return found


@pytest.fixture
def work(tmp_path: Path) -> Job:
    """A job whose process has done all that it had to do."""
    folder = tmp_path / "stage"
    (folder / "checkpoint").mkdir(parents=True)
    (folder / "events").write_text("".join(f'{{"step": {step}}}\n' for step in range(3)))
    return written(launcher(), job(folder))


def record(work: Job) -> Path:
    return Path(work.log).with_name("ray.json")


def test_it_keeps_the_contract() -> None:
    check_component(launcher())


def test_a_job_is_submitted_and_its_events_are_told(ray: FakeRay, work: Job) -> None:
    ray.statuses = [PENDING, RUNNING, DONE]
    chosen = launcher(ray, num_cpus=1, num_gpus=0.5, resources={"head": 1})
    assert [event["step"] for event in chosen.run(work)] == [0, 1, 2]
    [asked] = ray.submitted
    assert asked["entrypoint_num_cpus"] == 1
    assert asked["entrypoint_num_gpus"] == 0.5
    assert asked["entrypoint_resources"] == {"head": 1}
    assert ray.stopped == []
    assert not record(work).exists()


def test_what_is_submitted_runs_the_jobs_script_into_its_log(ray: FakeRay, tmp_path: Path) -> None:
    folder = tmp_path / "a stage"
    folder.mkdir()
    made = written(launcher(), job(folder, "print('hello')\n" + WORK + LEAVE))
    ray.statuses = [RUNNING]
    events = launcher(ray).run(made)
    (folder / "events").write_text('{"step": 0}\n')
    next(events)
    subprocess.run(ray.submitted[0]["entrypoint"], shell=True, check=True)
    assert (folder / "log").read_text() == "hello\n"


def test_a_job_that_was_stopped_before_it_started_does_nothing(ray: FakeRay, work: Job) -> None:
    ray.statuses = [PENDING]
    events = launcher(ray).run(work)
    next(events)
    events.close()  # type: ignore[attr-defined]
    subprocess.run(ray.submitted[0]["entrypoint"], shell=True, check=True)
    assert not Path(work.log).exists()


def test_a_node_that_does_not_share_the_folder_says_so(ray: FakeRay, work: Job) -> None:
    list(launcher(ray).run(work))
    Path(work.log).with_name("run.sh").unlink()
    done = subprocess.run(
        ray.submitted[0]["entrypoint"], shell=True, check=False, capture_output=True
    )
    assert done.returncode == 1
    assert b"the nodes have to share --runs-dir" in done.stdout


def test_variables_are_taken_along_where_asked(
    ray: FakeRay, work: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORD", "hello")
    list(launcher(ray, variables=["WORD", "NOT_SET"]).run(work))
    assert ray.submitted[0]["runtime_env"] == {"env_vars": {"WORD": "hello"}}


def test_a_job_that_failed_says_its_own_last_error(ray: FakeRay, work: Job) -> None:
    ray.statuses = [RUNNING] * 3 + [{"status": "FAILED", "driver_exit_code": 1, "message": "Job"}]
    events = launcher(ray).run(work)
    next(events)
    Path(work.log).write_text("ValueError: no such tokenizer\nbye\n")
    with pytest.raises(JobFailed, match="work failed: ValueError: no such tokenizer; its whole"):
        list(events)


def test_a_job_that_never_spoke_is_spoken_for_by_ray(ray: FakeRay, work: Job) -> None:
    ray.statuses = [{"status": "FAILED", "message": "Job supervisor died"}]
    with pytest.raises(JobFailed, match="work failed: Job supervisor died"):
        list(launcher(ray).run(work))
    ray.logs = "running\nno such folder\n\n"
    with pytest.raises(JobFailed, match="work failed: no such folder"):
        list(launcher(ray).run(work))


def test_a_job_without_room_in_the_cluster_fails_in_time(ray: FakeRay, work: Job) -> None:
    ray.statuses = [{"status": "PENDING", "message": "It may be waiting for GPUs."}]
    with pytest.raises(JobFailed, match=r"had no room for it within 0.05 s .* waiting for GPUs"):
        list(launcher(ray, wait_seconds=0.05).run(work))
    assert ray.stopped == [ray.submitted[0]["submission_id"]]


def test_a_job_that_somebody_stopped_says_so(ray: FakeRay, work: Job) -> None:
    ray.statuses = [RUNNING, {"status": "STOPPED"}]
    with pytest.raises(JobFailed, match="was stopped from outside; go on with: rmr1 run --resume"):
        list(launcher(ray).run(work))


def test_a_job_that_left_no_checkpoint_has_failed(ray: FakeRay, work: Job) -> None:
    Path(work.checkpoint).rmdir()
    with pytest.raises(JobFailed, match="it left no checkpoint in"):
        list(launcher(ray).run(work))


def test_leaving_early_stops_the_job(ray: FakeRay, work: Job) -> None:
    ray.statuses = [RUNNING]
    events = launcher(ray).run(work)
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert ray.stopped == [ray.submitted[0]["submission_id"]]
    assert not record(work).exists()


def test_leaving_while_it_is_submitted_stops_what_was_submitted(ray: FakeRay, work: Job) -> None:
    ray.interrupts = True
    with pytest.raises(KeyboardInterrupt):
        list(launcher(ray).run(work))
    assert ray.stopped == [ray.submitted[0]["submission_id"]]
    assert not record(work).exists()


def test_a_run_that_goes_on_joins_its_job(ray: FakeRay, work: Job) -> None:
    record(work).write_text(json.dumps({"job": "rmr1-before", "since": 0}))
    ray.known.add("rmr1-before")
    ray.statuses = [RUNNING, RUNNING, DONE]
    assert len(list(launcher(ray).run(work))) == 3
    assert ray.submitted == []


def test_a_job_that_the_cluster_forgot_is_submitted_anew(ray: FakeRay, work: Job) -> None:
    record(work).write_text(json.dumps({"job": "rmr1-before", "since": 0}))
    assert len(list(launcher(ray).run(work))) == 3
    assert len(ray.submitted) == 1


def test_the_address_may_be_a_variable(
    ray: FakeRay, work: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", ray.address.removeprefix("http://"))
    assert len(list(launcher().run(work))) == 3


@pytest.mark.parametrize("place", ["variable", "file"])
def test_a_token_is_shown_where_there_is_one(
    ray: FakeRay, work: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    if place == "variable":
        monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    else:
        (tmp_path / "token").write_text("secret\n")
    list(launcher(ray).run(work))
    assert set(ray.tokens) == {"Bearer secret"}


@pytest.mark.parametrize("address", ["", "auto", "ray://head:10001"])
def test_an_address_that_is_none_is_a_sentence(work: Job, address: str) -> None:
    with pytest.raises(UsageError, match=r"launcher\.options\.address="):
        list(launcher(address=address).run(work))


def test_a_cluster_that_is_not_there_is_a_sentence(ray: FakeRay, work: Job) -> None:
    with pytest.raises(UsageError, match="work cannot be submitted: no Ray dashboard answers at"):
        list(launcher(address="http://127.0.0.1:9").run(work))


def test_what_the_cluster_refuses_is_said_in_its_words(ray: FakeRay, work: Job) -> None:
    ray.refusal = (401, "Unauthorized: Missing authentication token")
    with pytest.raises(UsageError, match="cannot be submitted: Unauthorized: Missing"):
        list(launcher(ray).run(work))


def test_processes_on_several_nodes_are_not_its_business(ray: FakeRay, tmp_path: Path) -> None:
    made = job(tmp_path, nodes=2, cluster="torchrun")
    with pytest.raises(UsageError, match=r"--set launcher.name=slurm"):
        list(launcher(ray).run(made))


def test_the_checks_find_out_whether_it_answers(ray: FakeRay, work: Job) -> None:
    assert [check.ok for check in launcher(ray).checks(work)] == [True]
    assert [check.ok for check in launcher().checks(work)] == [False]
