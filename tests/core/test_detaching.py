from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rmr1_core import detaching, locks
from rmr1_core.cli.detach import AttachedEnd, detach
from rmr1_core.errors import Rmr1Error, RunLocked, UsageError

HOLDS = """
import signal, sys, time
from pathlib import Path
from rmr1_core.locks import locked
folder, how = Path(sys.argv[1]), sys.argv[2]
usual = {"ignores": signal.SIG_IGN, "stays": lambda *_: None}
signal.signal(signal.SIGINT, usual.get(how, signal.default_int_handler))
try:
    with locked(folder):
        print("held", flush=True)
        while True:
            time.sleep(60)
except KeyboardInterrupt:
    raise SystemExit(130)
"""


@contextmanager
def holding(folder: Path, how: str) -> Iterator[subprocess.Popen[str]]:
    """Another terminal's process that writes the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder), how], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def until(condition: Callable[[], object], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


def test_what_a_process_holds_is_stopped_as_by_ctrl_c(tmp_path: Path) -> None:
    told: list[str] = []
    with holding(tmp_path, "heeds") as process:
        detaching.stop(tmp_path, "it", now=False, tell=told.append)
        assert process.wait(5) == 130
    assert told == [f"asked it to end (process {process.pid}); it saves what it has"]


def test_what_does_not_end_is_killed_where_it_shall_end_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detaching, "NOW_SECONDS", 0.3)
    told: list[str] = []
    with holding(tmp_path, "stays") as process:
        detaching.stop(tmp_path, "it", now=True, tell=told.append)
        assert process.wait(5) == -signal.SIGKILL
    assert "jobs that it had on other machines may go on" in told[-1]


def test_what_does_not_end_in_time_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detaching, "STOP_SECONDS", 0.3)
    with (
        holding(tmp_path, "stays") as process,
        pytest.raises(Rmr1Error, match="kill it with: rmr1 runs stop it --now"),
    ):
        detaching.stop(tmp_path, "it", now=False, tell=print)
    assert process.returncode == -signal.SIGKILL  # by this test


def test_what_ignores_ctrl_c_is_not_asked(tmp_path: Path) -> None:
    with (
        holding(tmp_path, "ignores"),
        pytest.raises(Rmr1Error, match=r"does not heed Ctrl-C .* rmr1 runs stop it --now"),
    ):
        detaching.stop(tmp_path, "it", now=False, tell=print)


def test_what_nobody_holds_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it does not run; see: rmr1 runs list"):
        detaching.stop(tmp_path, "it", now=True, tell=print)


@pytest.mark.parametrize(
    ("lock", "sentence"),
    [
        (b"", "its lock does not say by which process"),
        (b'{"pid": %d, "began": "1", "host": "%s"}', "its lock does not say by which process"),
        (b'{"pid": %d, "began": "1", "host": "elsewhere"}', "runs on elsewhere; stop it there"),
    ],
)
def test_nobody_else_is_stopped(tmp_path: Path, lock: bytes, sentence: str) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    here = locks.this_process().host.encode()
    with locks.locked(tmp_path):
        filled = lock.replace(b"%d", b"%d" % bystander.pid).replace(b"%s", here)
        (tmp_path / locks.LOCK_FILE).write_bytes(filled)
        with pytest.raises(Rmr1Error, match=sentence):
            detaching.stop(tmp_path, "it", now=True, tell=print)
    assert bystander.poll() is None
    bystander.communicate(b"\n")


def test_a_detached_command_says_how_it_ended(tmp_path: Path) -> None:
    detached = detaching.start(tmp_path, ["list", "nonsense"])
    assert b"".join(detaching.said(tmp_path, detached)).startswith(b"error: no kind named")
    assert detaching.exit_code(tmp_path, detached) == 2
    assert detaching.detached_in(tmp_path) == detached


def test_what_ends_at_once_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(detaching, "PROGRAM", "no_such_module")
    with pytest.raises(AttachedEnd, match="it has ended at once, as is said above") as ended:
        detach(tmp_path, "it", ["--version"], as_json=False)
    assert ended.value.exit_code == 1
    assert b"No module named no_such_module" in capfdbinary.readouterr().out


def test_each_attempt_is_shown_alone_and_the_file_has_all(tmp_path: Path) -> None:
    detaching.start(tmp_path, ["list", "nonsense"])
    second = detaching.start(tmp_path, ["show", "nonsense"])
    assert b"KIND/NAME" in (words := b"".join(detaching.said(tmp_path, second))), words
    assert (tmp_path / detaching.OUTPUT_FILE).read_bytes().count(b"error: ") == 2


def test_a_detached_command_has_a_session_of_its_own_and_no_input(tmp_path: Path) -> None:
    detached = detaching.start(tmp_path, ["--version"])
    pid = detached.process.pid
    assert until(lambda: not locks.is_alive(detached.process))
    assert pid != os.getpid()
    assert b"".join(detaching.said(tmp_path, detached)).startswith(b"rmr1 ")


def test_what_is_being_written_is_not_started_twice(tmp_path: Path) -> None:
    with holding(tmp_path, "heeds"), pytest.raises(RunLocked):
        detaching.start(tmp_path, ["--version"])
    assert detaching.detached_in(tmp_path) is None
