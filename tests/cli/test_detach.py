"""Long commands that go on when their terminal is closed."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("sample")

Rmr1 = Callable[..., subprocess.CompletedProcess[str]]
ASKED = ("bench", "sample-one", "--backbone", "nobody", "--engine", "scripted")
WAITING = ("-o", "engine.wait_while=wait")
"""It goes on, after its first judgment, when the file `wait` is gone."""


def until(condition: Callable[[], object], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


@pytest.fixture
def wait(rmr1: Rmr1, tmp_path: Path) -> Path:
    """The file that lets runs wait."""
    path = tmp_path / "cwd" / "wait"
    path.touch()
    return path


def begun(tmp_path: Path) -> bool:
    """Wait for the first judgment of a run."""
    return until(lambda: any(j.stat().st_size for j in tmp_path.glob("cwd/runs/*/*/judg*")))


def listed(rmr1: Rmr1) -> Any:
    (run,) = json.loads(rmr1("runs", "list", "--json").stdout)
    return run


def test_a_detached_run_is_attached_to_and_gives_its_exit_code(rmr1: Rmr1, wait: Path) -> None:
    started = rmr1(*ASKED, *WAITING, "--detach")
    assert started.returncode == 0, started.stderr
    assert "goes on without this terminal" in started.stdout
    assert "rmr1 runs attach 2" in started.stdout
    assert listed(rmr1)["state"] == "running"
    wait.unlink()
    attached = rmr1("runs", "attach", "last")
    assert attached.returncode == 0
    assert "24 judgments" in attached.stdout
    assert listed(rmr1)["state"] == "done"
    assert rmr1("runs", "attach", "last").stdout == attached.stdout


def test_what_can_be_refused_is_refused_at_once(rmr1: Rmr1, tmp_path: Path) -> None:
    refused = rmr1("bench", "sample-one", "--backbone", "no-such", "--detach")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert not list(tmp_path.glob("cwd/runs/*"))
    assert rmr1(*ASKED, "--dry-run", "--detach").stderr == (
        "error: --dry-run starts nothing; leave out one of --dry-run and --detach\n"
    )


def test_what_fails_is_told_when_one_attaches(rmr1: Rmr1) -> None:
    rmr1(*ASKED, "-o", "engine.crash_after=6", "--detach")
    attached = rmr1("runs", "attach", "last")
    assert attached.returncode == 1
    assert "error: the script says: crash" in attached.stdout


def test_a_closed_terminal_ends_nothing(rmr1: Rmr1, wait: Path, tmp_path: Path) -> None:
    command = " ".join([sys.executable, "-m", "rmr1_core", *ASKED, *WAITING, "--detach"])
    shell, terminal = pty.fork()
    if shell == 0:  # pragma: no cover
        os.chdir(tmp_path / "cwd")
        os.execv("/bin/sh", ["sh", "-c", f"{command}; sleep 60"])
    seen = b""
    while b"see it" not in seen:
        seen += os.read(terminal, 4096)
    os.close(terminal)  # whereupon the system hangs up on all who are in this session
    _, status = os.waitpid(shell, 0)
    assert os.WTERMSIG(status) == signal.SIGHUP
    assert listed(rmr1)["state"] == "running"
    wait.unlink()
    assert rmr1("runs", "attach", "last").returncode == 0
    assert listed(rmr1)["state"] == "done"


def test_a_stopped_run_is_interrupted_and_goes_on_detached(
    rmr1: Rmr1, wait: Path, tmp_path: Path
) -> None:
    rmr1(*ASKED, *WAITING, "--detach")
    assert begun(tmp_path)
    stopped = rmr1("runs", "stop", "last")
    assert stopped.returncode == 0, stopped.stderr
    assert "go on with: rmr1 bench --resume 2" in stopped.stdout
    assert listed(rmr1)["status"] == "interrupted"
    assert rmr1("runs", "attach", "last").returncode == 130
    assert rmr1("runs", "stop", "last").returncode == 2
    wait.unlink()
    again = rmr1("bench", "--resume", "last", "--detach", "--json")
    assert json.loads(again.stdout)["run"] in again.stdout
    attached = rmr1("runs", "attach", "last")
    assert attached.returncode == 0
    assert "interrupted" not in attached.stdout


def test_a_run_in_another_terminal_is_stopped(rmr1: Rmr1, wait: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "rmr1_core", *ASKED, *WAITING],
        cwd=tmp_path / "cwd",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert begun(tmp_path)
    refused = rmr1("runs", "attach", "last")
    assert refused.returncode == 2
    assert f"runs in a terminal (process {process.pid}" in refused.stderr
    assert rmr1("runs", "stop", "last").returncode == 0
    process.communicate()
    assert process.returncode == 130


def test_a_killed_run_has_died_and_says_how_far_it_was(
    rmr1: Rmr1, wait: Path, tmp_path: Path
) -> None:
    started = rmr1(*ASKED, *WAITING, "--detach", "--json")
    assert begun(tmp_path)
    assert "1 of 24 judgments" in listed(rmr1)["how_far"]
    os.kill(json.loads(started.stdout)["process"], signal.SIGKILL)
    assert until(lambda: listed(rmr1)["state"] == "died")
    assert "died, " in rmr1("runs", "list").stdout
    attached = rmr1("runs", "attach", "last")
    assert attached.returncode == 1
    assert "was killed; what was done is kept, go on with: rmr1 bench --resume" in attached.stderr


def test_a_detached_run_outlives_a_hangup_and_is_interrupted_by_a_polite_kill(
    rmr1: Rmr1, wait: Path, tmp_path: Path
) -> None:
    started = rmr1(*ASKED, *WAITING, "--detach", "--json")
    assert begun(tmp_path)
    process = json.loads(started.stdout)["process"]
    assert os.getsid(process) == process
    os.kill(process, signal.SIGHUP)
    assert listed(rmr1)["state"] == "running"
    os.kill(process, signal.SIGTERM)
    assert rmr1("runs", "attach", "last").returncode == 130
    assert listed(rmr1)["state"] == "interrupted"


def test_what_went_on_in_a_terminal_has_its_output_there(rmr1: Rmr1) -> None:
    rmr1(*ASKED, "-o", "engine.crash_after=6", "--detach")
    assert rmr1("runs", "attach", "last").returncode == 1
    rmr1("bench", "--resume", "last")
    attached = rmr1("runs", "attach", "last")
    assert attached.returncode == 2
    assert "has gone on in a terminal since, which had its output; see: rmr1" in attached.stderr


def test_a_run_is_not_gone_on_with_twice(rmr1: Rmr1, wait: Path) -> None:
    rmr1(*ASKED, *WAITING, "--detach")
    again = rmr1("bench", "--resume", "last", "--detach")
    assert again.returncode == 1
    assert "wait for it, or stop it with: rmr1 runs stop runs/" in again.stderr
    assert rmr1("runs", "stop", "last").returncode == 0


def test_ctrl_c_leaves_the_run_going(rmr1: Rmr1, wait: Path, tmp_path: Path) -> None:
    rmr1(*ASKED, *WAITING, "--detach")
    assert begun(tmp_path)
    output = next(tmp_path.glob("cwd/runs/*/output.log"))
    output.write_text("said\n")
    watching = subprocess.Popen(
        [sys.executable, "-m", "rmr1_core", "runs", "attach", "last"],
        cwd=tmp_path / "cwd",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    assert watching.stdout.readline() == "said\n"
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=20)
    assert watching.returncode == 130
    assert "goes on; see it with: rmr1 runs attach" in errors
    assert listed(rmr1)["state"] == "running"
    rmr1("runs", "stop", "last")


def test_a_stopped_training_run_ends_its_job(rmr1: Rmr1, tmp_path: Path) -> None:
    wait = tmp_path / "wait"
    wait.touch()
    setting = f"stages.second.trainer.options.wait_while={wait}"
    rmr1("run", "--recipe", "sample", "--set", setting, "--detach")
    assert until(lambda: list(tmp_path.glob("cwd/runs/*/stages/second/pid")))
    time.sleep(0.2)
    job = int(next(tmp_path.glob("cwd/runs/*/stages/second/pid")).read_text())
    assert "first: 24 of 24 judgments" in listed(rmr1)["how_far"]
    assert rmr1("runs", "stop", "last").returncode == 0
    assert not Path(f"/proc/{job}").exists()
    wait.unlink()
    assert rmr1("run", "--resume", "last", "--detach").returncode == 0
    assert rmr1("runs", "attach", "last").returncode == 0


def test_a_distillation_is_detached_by_its_folder(rmr1: Rmr1) -> None:
    judge = ("--backbone", "nobody", "--engine", "scripted")
    started = rmr1("data", "distill", "rows", "-o", "traces", *judge, "--detach")
    assert started.returncode == 0, started.stderr
    assert "rmr1 runs attach traces" in started.stdout
    attached = rmr1("runs", "attach", "traces")
    assert attached.returncode == 0
    assert "traces" in attached.stdout
    assert rmr1("runs", "attach", "traces/work").stdout == attached.stdout
    assert rmr1("runs", "attach", "no-such-folder").returncode == 2
