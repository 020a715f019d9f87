from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from launched import LEAVE, WORK, wait_until
from launched import job as a_job
from living import is_gone

from rmr1_core import Job, Launcher, Step, jobs
from rmr1_core.errors import JobFailed, UsageError
from rmr1_core.lookup import resolve
from rmr1_core.testing import check_component
from rmr1_core.values import Ref

DAEMON = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", DAEMON_DOES, sys.argv[1]], start_new_session=True)
""".replace(
    "DAEMON_DOES",
    repr(
        "import os, pathlib, sys, time; p = pathlib.Path(sys.argv[1]); "
        "(p / 'pid.part').write_text(str(os.getpid())); (p / 'pid.part').rename(p / 'pid'); "
        "time.sleep(120)"
    ),
)
"""What starts a process that leaves its group, as Ray's daemons do."""


@pytest.fixture
def launcher() -> Launcher:
    found: Launcher = resolve("launcher", "local")
    return found


def job(folder: Path, script: str = WORK + LEAVE, **changes: Any) -> Job:
    made = a_job(folder, script, **changes)
    jobs.write(made)
    return made


def daemon_of(folder: Path) -> int:
    pid = folder / "pid"
    wait_until(pid.exists)
    return int(pid.read_text())


def test_it_keeps_the_contract(launcher: Launcher) -> None:
    check_component(launcher)


def test_a_job_runs_and_its_events_are_told(launcher: Launcher, tmp_path: Path) -> None:
    assert [event["step"] for event in launcher.run(job(tmp_path))] == [0, 1, 2]


def test_a_job_gets_its_environment(launcher: Launcher, tmp_path: Path) -> None:
    script = WORK + LEAVE + "print(os.environ['WORD'])\n"
    list(launcher.run(job(tmp_path, script, env={"WORD": "hello"})))
    assert (tmp_path / "log").read_text() == "hello\n"


def test_a_job_that_fails_says_why(launcher: Launcher, tmp_path: Path) -> None:
    script = WORK + "raise ValueError('no such tokenizer')\n"
    with pytest.raises(JobFailed) as error:
        list(launcher.run(job(tmp_path, script)))
    assert str(error.value) == (
        f"work failed: ValueError: no such tokenizer; its whole log is {tmp_path / 'log'}"
    )


def test_a_second_attempt_does_not_fail_of_the_first_ones_error(
    launcher: Launcher, tmp_path: Path
) -> None:
    with pytest.raises(JobFailed):
        list(launcher.run(job(tmp_path, WORK + "raise ValueError('first')\n")))
    with pytest.raises(JobFailed, match="exit code 3, and nothing in its log"):
        list(launcher.run(job(tmp_path, WORK + "sys.exit(3)\n")))


def test_a_job_that_is_killed_says_so(launcher: Launcher, tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match=r"work failed: killed by SIGKILL \(out of memory\?\)"):
        list(launcher.run(job(tmp_path, WORK + "os.kill(os.getpid(), 9)\n")))


def test_a_job_without_a_checkpoint_has_failed(launcher: Launcher, tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match="it left no checkpoint in"):
        list(launcher.run(job(tmp_path, WORK)))


def test_a_program_that_does_not_exist_is_a_sentence(launcher: Launcher, tmp_path: Path) -> None:
    steps = (Step(argv=("no-such-program",)),)
    with pytest.raises(JobFailed, match="no-such-program: not found"):
        list(launcher.run(job(tmp_path, steps=steps)))


def test_steps_run_one_after_the_other(launcher: Launcher, tmp_path: Path) -> None:
    leave = Step(argv=(sys.executable, "-c", WORK + LEAVE, str(tmp_path)))
    steps = (Step(argv=("echo", "first")), leave, Step(argv=("echo", "last")))
    list(launcher.run(job(tmp_path, steps=steps)))
    assert (tmp_path / "log").read_text() == "first\nlast\n"


@pytest.mark.parametrize("place", [0, 1])
def test_a_step_that_fails_ends_the_job(launcher: Launcher, tmp_path: Path, place: int) -> None:
    bad = Step(argv=(sys.executable, "-c", "raise ValueError('no room')"))
    steps = [Step(argv=("echo", "fine"))]
    steps.insert(place, bad)
    with pytest.raises(JobFailed, match="ValueError: no room"):
        list(launcher.run(job(tmp_path, steps=tuple(steps))))


def test_a_step_that_is_killed_says_so(launcher: Launcher, tmp_path: Path) -> None:
    killed = Step(argv=(sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"))
    with pytest.raises(JobFailed, match=r"killed by SIGKILL \(out of memory\?\)"):
        list(launcher.run(job(tmp_path, steps=(killed, Step(argv=("true",))))))


def test_leaving_early_stops_the_job(launcher: Launcher, tmp_path: Path) -> None:
    script = WORK + "print(os.getpid(), flush=True); time.sleep(60)\n"
    events = launcher.run(job(tmp_path, script))
    assert next(events)["step"] == 0
    while not (tmp_path / "log").read_text():
        time.sleep(0.01)
    pid = int((tmp_path / "log").read_text())
    events.close()  # type: ignore[attr-defined]
    assert not Path(f"/proc/{pid}").exists()


def test_a_job_for_several_nodes_is_refused(
    launcher: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for cluster in ("torchrun", "ray"):
        made = job(tmp_path, nodes=2, cluster=cluster)
        with pytest.raises(UsageError, match=r"work wants 2 nodes; .*launcher\.name=slurm"):
            list(launcher.run(made))
        assert [check.ok for check in launcher.checks(made)] == [False]
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")  # a cluster that is there already
    assert list(launcher.checks(made)) == []
    assert len(list(launcher.run(made))) == 3


# nothing is left behind


@pytest.mark.parametrize("end", [LEAVE, "sys.exit(3)\n"])
def test_a_daemon_ends_with_its_job(launcher: Launcher, tmp_path: Path, end: str) -> None:
    waits = "while not (folder / 'pid').exists(): time.sleep(0.01)\n"
    script = WORK + DAEMON + waits + end
    try:
        list(launcher.run(job(tmp_path, script)))
    except JobFailed:
        assert "exit" in end
    assert is_gone(daemon_of(tmp_path))


def test_a_daemon_ends_when_somebody_leaves_early(launcher: Launcher, tmp_path: Path) -> None:
    events = launcher.run(job(tmp_path, DAEMON + WORK + "time.sleep(60)\n"))
    next(events)
    daemon = daemon_of(tmp_path)
    events.close()  # type: ignore[attr-defined]
    assert is_gone(daemon)


RUN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from launched import WORK, job
from rmr1_core import jobs
from rmr1_core.lookup import resolve
made = job(Path(sys.argv[1]), sys.argv[3])
jobs.write(made)
for event in resolve("launcher", "local").run(made):
    pass
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_all_of_a_job_ends_when_rmr1_is_killed(tmp_path: Path, number: int) -> None:
    script = DAEMON + WORK + "print(os.getpid(), flush=True); time.sleep(120)\n"
    argv = [sys.executable, "-c", RUN, str(tmp_path), str(Path(__file__).parent), script]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as rmr1:
        daemon = daemon_of(tmp_path)
        log = tmp_path / "log"
        wait_until(lambda: log.exists() and log.read_text().endswith("\n"))
        work = int(log.read_text())
        assert not is_gone(daemon)
        os.kill(rmr1.pid, number)
    wait_until(lambda: is_gone(work) and is_gone(daemon))


def test_the_end_of_an_attempt_that_was_killed_is_waited_for(
    launcher: Launcher, tmp_path: Path
) -> None:
    """One that saves something when it is told to end, while rmr1 goes on already."""
    slow = "import signal; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), os._exit(0)))\n"
    script = WORK + slow + "print(os.getpid(), flush=True); time.sleep(120)\n"
    argv = [sys.executable, "-c", RUN, str(tmp_path), str(Path(__file__).parent), script]
    log = tmp_path / "log"
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as rmr1:
        wait_until(lambda: log.exists() and log.read_text().endswith("\n"))
        os.kill(rmr1.pid, signal.SIGKILL)
    state = f"pathlib.Path('/proc/{int(log.read_text())}/stat')"
    lives = f"{state}.exists() and ') Z' not in {state}.read_text()"
    list(launcher.run(job(tmp_path, WORK + LEAVE + f"print('lives' if {lives} else 'ended')\n")))
    assert log.read_text().split()[1] == "ended"


def test_another_jobs_processes_are_left_alone(launcher: Launcher, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    events = launcher.run(job(tmp_path / "one", DAEMON + WORK + "time.sleep(60)\n"))
    next(events)
    list(launcher.run(job(tmp_path / "two")))
    assert not is_gone(daemon_of(tmp_path / "one"))
    events.close()  # type: ignore[attr-defined]


# bad days


def test_a_port_that_is_taken_is_the_error(launcher: Launcher, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        script = f"import socket; socket.create_server(('127.0.0.1', {port}))\n"
        with pytest.raises(JobFailed, match="Address already in use"):
            list(launcher.run(job(tmp_path, script)))


def test_torchrun_gets_a_port_that_is_free(
    launcher: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "import os; print(os.environ['PET_MASTER_PORT'])\n" + WORK + LEAVE
    made = job(tmp_path, script, cluster="torchrun")
    list(launcher.run(made))
    monkeypatch.setenv("PET_MASTER_PORT", "29501")
    list(launcher.run(made))
    first, second = (tmp_path / "log").read_text().split()
    assert 1024 < int(first) < 65536
    assert second == "29501"


def test_a_full_disk_is_the_error(launcher: Launcher, small_disk: Path) -> None:
    fill = (
        "with (folder / 'weights').open('ab', 0) as file:\n    while True: file.write(bytes(512))"
    )
    script = f"{WORK}{fill}\n"
    with pytest.raises(JobFailed, match=r"No space left on device|no space left for"):
        list(launcher.run(job(small_disk, script)))
    assert (small_disk / "events").read_text().count("step") > 0


def test_silence_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    launcher: Launcher = resolve("launcher", Ref("local", {"silent_minutes": 0.005}))
    script = "print('waiting for GPUs', flush=True)\n" + WORK + "time.sleep(1)\n" + LEAVE
    list(launcher.run(job(tmp_path, script)))
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("work: nothing was heard of it for 0.00")
    assert first.endswith("its log ends with: waiting for GPUs")


def test_a_job_that_is_silent_for_too_long_is_ended(tmp_path: Path) -> None:
    launcher: Launcher = resolve("launcher", Ref("local", {"give_up_minutes": 0.02}))
    script = DAEMON + WORK + "time.sleep(120)\n"
    with pytest.raises(JobFailed, match=r"its log is empty, and give_up_minutes is 0\.02"):
        list(launcher.run(job(tmp_path, script)))
    assert is_gone(daemon_of(tmp_path))


def test_a_job_that_says_something_is_not_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    launcher: Launcher = resolve("launcher", Ref("local", {"silent_minutes": 0.02}))
    script = WORK + "for _ in range(8): print('step', flush=True); time.sleep(0.25)\n" + LEAVE
    list(launcher.run(job(tmp_path, script)))
    assert capsys.readouterr().err == ""
