from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from living import ends

from rmr1_core import processes
from rmr1_core.errors import UsageError
from rmr1_core.processes import ask, capture, completed, running, talking

SPAWN = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[2]])
with open(sys.argv[1] + ".part", "w") as file:
    file.write(str(child.pid))
os.rename(sys.argv[1] + ".part", sys.argv[1])
{then}
"""
SLEEP = "import time; time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


def child_of(argv_file: Path) -> int:
    deadline = time.monotonic() + 20
    while not argv_file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return int(argv_file.read_text())


def test_what_a_process_prints_goes_to_its_log(tmp_path: Path) -> None:
    script = "import os, sys; print(os.environ['WORD']); print('also', file=sys.stderr)"
    log = tmp_path / "deep" / "log"
    for word in ("one", "two"):
        with running([sys.executable, "-uc", script], env={"WORD": word}, log=log) as process:
            assert process.wait() == 0
    assert log.read_text().split() == ["one", "also", "two", "also"]


def test_a_process_gets_no_input(tmp_path: Path) -> None:
    script = "import sys; sys.exit(len(sys.stdin.read()))"
    with running([sys.executable, "-c", script], env={}, log=tmp_path / "log") as process:
        assert process.wait() == 0


def test_a_program_that_does_not_exist_is_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="cannot start no-such-program: No such file"),
        running(["no-such-program"], env={}, log=tmp_path / "log"),
    ):
        pass


def test_a_process_and_its_children_end_with_the_block(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    argv = [sys.executable, "-c", SPAWN.format(then=SLEEP), str(pid), SLEEP]
    with running(argv, env={}, log=tmp_path / "log") as process:
        child = child_of(pid)
    assert process.returncode is not None
    assert ends(child)


@pytest.mark.parametrize("then", ["", SLEEP])
def test_children_that_do_not_listen_end_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.2)
    pid = tmp_path / "pid"
    argv = [sys.executable, "-c", SPAWN.format(then=then), str(pid), STUBBORN]
    with running(argv, env={}, log=tmp_path / "log") as process:
        child = child_of(pid)
        if not then:
            process.wait()
        time.sleep(0.1)  # until the child has learned not to listen
    assert ends(child)


ECHO = """
import sys
print("ready", file=sys.stderr, flush=True)
for line in sys.stdin:
    print("heard", line.strip(), flush=True)
"""


def test_one_can_talk_with_a_process_while_it_runs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with talking([sys.executable, "-c", ECHO], env={}, log=log) as process:
        assert process.stdin
        assert process.stdout
        for word in (b"one", b"two"):
            process.stdin.write(word + b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"heard " + word + b"\n"
    assert log.read_text() == "ready\n"


def test_a_process_that_one_talks_with_ends_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    argv = [sys.executable, "-c", SPAWN.format(then=SLEEP), str(pid), SLEEP]
    with talking(argv, env={}, log=tmp_path / "log") as process:
        child = child_of(pid)
    assert process.returncode is not None
    assert ends(child)


def test_words_that_a_dead_process_will_not_hear_are_no_error(tmp_path: Path) -> None:
    with talking([sys.executable, "-c", ""], env={}, log=tmp_path / "log") as process:
        process.wait()
        assert process.stdin
        process.stdin.write(b"too late")


def test_a_process_that_listens_is_not_killed(tmp_path: Path) -> None:
    script = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('saved', flush=True), sys.exit(0)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    log = tmp_path / "log"
    with running([sys.executable, "-c", script], env={}, log=log) as process:
        while "ready" not in log.read_text():
            time.sleep(0.01)
    assert process.returncode == 0
    assert "saved" in log.read_text()


def test_a_block_that_raises_ends_its_process(tmp_path: Path) -> None:
    started = []

    def interrupted() -> None:
        argv = [sys.executable, "-c", SLEEP]
        with running(argv, env={}, log=tmp_path / "log") as process:
            started.append(process.pid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ends(started[0])


def test_a_program_runs_to_its_end_and_is_looked_at_meanwhile(tmp_path: Path) -> None:
    log, gate = tmp_path / "log", tmp_path / "gate"
    looks = []

    def look() -> None:
        looks.append(log.read_text())
        if "begun" in looks[-1]:
            gate.touch()

    code = (
        "import pathlib, sys, time; print('begun', flush=True)\n"
        f"while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
        "print('over'); sys.exit(3)"
    )
    argv = [sys.executable, "-c", code]
    assert completed(argv, env={}, log=log, look=look) == 3
    assert "begun\n" in looks
    assert log.read_text() == "begun\nover\n"


def test_a_quick_command_is_captured() -> None:
    assert capture(["echo", "hello"]) == "hello\n"


@pytest.mark.parametrize("argv", [["no-such-program"], ["false"], ["sleep", "5"]])
def test_a_command_that_fails_says_nothing(argv: list[str]) -> None:
    assert capture(argv, timeout=0.1) == ""


def test_a_worker_ends_with_its_parent(tmp_path: Path) -> None:
    worker = (
        "from rmr1_core.workers import exit_with_parent; exit_with_parent(0.05);"
        "import time; time.sleep(60)"
    )
    pid = tmp_path / "pid"
    argv = [sys.executable, "-c", SPAWN.format(then=SLEEP), str(pid), worker]
    with running(argv, env={}, log=tmp_path / "log") as process:
        child = child_of(pid)
        time.sleep(0.5)  # until the worker watches
        os.kill(process.pid, 9)
        process.wait()
        assert ends(child)


def test_asking_tells_code_output_and_errors() -> None:
    assert ask(["sh", "-c", "echo out; echo err >&2; exit 3"]) == (3, "out\n", "err\n")


def test_what_does_not_answer_in_time_has_failed() -> None:
    code, output, errors = ask(["sleep", "60"], timeout=0.05)
    assert (code, output) == (1, "")
    assert errors == "sleep did not answer within 0.05 s"


def test_nobody_can_be_asked_who_is_not_there() -> None:
    with pytest.raises(UsageError, match="cannot start no-such-program"):
        ask(["no-such-program"])
