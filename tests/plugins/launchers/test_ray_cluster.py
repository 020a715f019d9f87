"""A real Ray of one node, in the environment of veRL."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from launched import LEAVE, WORK, job, wait_until, written
from living import is_gone

from rmr1_core import Job, Launcher, Located
from rmr1_core.errors import JobFailed
from rmr1_core.lookup import resolve
from rmr1_core.values import Ref

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("clusters"),  # one cluster at a time on this machine
    pytest.mark.timeout(900),
]
WAIT = WORK + "print(os.getpid(), flush=True); time.sleep(120)\n"


@pytest.fixture(scope="module")
def ray(managed_environment: Callable[[str], Located]) -> Iterator[str]:
    """The address of its dashboard."""
    program = managed_environment("verl").python.parent / "ray"
    with ExitStack() as sockets:
        free = [sockets.enter_context(socket.socket()) for _ in range(3)]
        for one in free:
            one.bind(("127.0.0.1", 0))
        gcs, dashboard, client = (one.getsockname()[1] for one in free)
    folder = Path(tempfile.mkdtemp(prefix="rmr1-ray-", dir="/tmp"))  # Ray wants short paths
    options = [f"--port={gcs}", f"--ray-client-server-port={client}", f"--temp-dir={folder}/ray"]
    options += ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", "--num-cpus=2"]
    options += ["--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0"]
    options += ["--num-gpus=0", "--disable-usage-stats", "--block"]
    patched = pytest.MonkeyPatch()
    patched.setenv("RAY_AUTH_MODE", "token")
    patched.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))
    address = f"http://127.0.0.1:{dashboard}"
    with (folder / "log").open("wb") as log:
        head = subprocess.Popen([program, "start", "--head", *options], stdout=log, stderr=log)
    try:
        log_of = folder / "log"
        wait_until(lambda: head.poll() is not None or b"started" in log_of.read_bytes(), 240)
        assert head.poll() is None, log_of.read_text()
        wait_until(lambda: all(c.ok for c in launcher(address).checks(job(folder))), 60)
        yield address
    finally:
        head.terminate()
        head.wait(60)
        patched.undo()
        shutil.rmtree(folder, ignore_errors=True)


def launcher(address: str, **options: Any) -> Launcher:
    options = {"address": address, "poll_seconds": 0.5, "settle_seconds": 1, **options}
    found: Launcher = resolve("launcher", Ref("ray", options))
    return found


def process_of(made: Job) -> int:
    log = Path(made.log)
    text = wait_until(lambda: log.exists() and log.read_text().endswith("\n") and log.read_text())
    return int(text)


def test_a_job_runs_and_finds_the_cluster(ray: str, tmp_path: Path) -> None:
    made = job(tmp_path, WORK + "print(os.environ['RAY_ADDRESS'])\n" + LEAVE)
    chosen = launcher(ray)
    assert [event["step"] for event in chosen.run(written(chosen, made))] == [0, 1, 2]
    assert ":" in Path(made.log).read_text()


def test_a_job_that_fails_says_why(ray: str, tmp_path: Path) -> None:
    chosen = launcher(ray)
    made = written(chosen, job(tmp_path, WORK + "raise ValueError('no such tokenizer')\n"))
    with pytest.raises(JobFailed, match="work failed: ValueError: no such tokenizer; its whole"):
        list(chosen.run(made))


def test_a_run_that_was_killed_joins_its_job_and_leaving_stops_it(ray: str, tmp_path: Path) -> None:
    chosen = launcher(ray)
    made = written(chosen, job(tmp_path, WAIT))
    record = tmp_path / "ray.json"
    child = os.fork()
    if child == 0:  # an rmr1 that is killed while it follows
        for _ in chosen.run(made):
            pass
        os._exit(0)
    process = process_of(made)
    os.kill(child, 9)
    os.waitpid(child, 0)
    number = json.loads(record.read_text())["job"]
    events = chosen.run(made)
    assert next(events)["step"] == 0
    assert json.loads(record.read_text())["job"] == number
    assert not is_gone(process)
    events.close()  # type: ignore[attr-defined]
    wait_until(lambda: is_gone(process))
    assert not record.exists()


def test_what_the_cluster_cannot_give_is_said_in_time(ray: str, tmp_path: Path) -> None:
    chosen = launcher(ray, num_gpus=1, wait_seconds=3)
    made = written(chosen, job(tmp_path))
    with pytest.raises(JobFailed, match=r"no room for it within 3 s .* waiting for resources"):
        list(chosen.run(made))
