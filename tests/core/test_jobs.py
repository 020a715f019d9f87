from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rmr1_core import Job, Step, jobs
from rmr1_core.errors import BadInput, UsageError
from rmr1_core.values import Located


def job(folder: Path, **changes: Any) -> Job:
    facts: dict[str, Any] = {
        "name": "a job",
        "steps": (Step(argv=("sh", "-c", "echo \"$GREETING\" '$x'")),),
        "files": {str(folder / "deep" / "config.json"): "{}"},
        "env": {"GREETING": "hello 'you'"},
        "environment": "",
        "events": str(folder / "events.jsonl"),
        "log": str(folder / "log.txt"),
        "checkpoint": str(folder / "checkpoint"),
    }
    return Job(**{**facts, **changes})


def event(step: int, **more: Any) -> bytes:
    return json.dumps({"event": "step", "step": step, **more}).encode() + b"\n"


class Disk:
    """A file that changes between two looks at it, as a script says."""

    def __init__(self, path: Path, *contents: bytes) -> None:
        self._path, self._contents = path, list(contents)

    def ended(self) -> bool:
        self._path.write_bytes(self._contents.pop(0))
        return not self._contents


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "POLL_SECONDS", 0.0)


def followed(path: Path, *contents: bytes) -> list[int]:
    return [event["step"] for event in jobs.follow(path, Disk(path, *contents).ended)]


def test_events_are_followed_as_they_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "events"
    assert followed(path, b"", event(1), event(1) + event(2) + event(3)) == [1, 2, 3]


def test_a_line_that_is_being_written_waits(tmp_path: Path) -> None:
    path, whole = tmp_path / "events", event(1) + event(2)
    for cut in range(len(whole) + 1):
        assert followed(path, whole[:cut], whole) == [1, 2]


def test_a_line_that_is_never_finished_is_left_out(tmp_path: Path) -> None:
    assert followed(tmp_path / "events", event(1) + event(2)[:-1]) == [1]


def test_no_file_is_no_event(tmp_path: Path) -> None:
    assert list(jobs.follow(tmp_path / "events", lambda: True)) == []


def test_what_follows_a_cut_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "events"
    first, cut = event(1) + event(2) + event(3), event(1)
    assert followed(path, first, cut, cut + event(2, again=True)) == [1, 2, 3, 2]


def test_a_cut_that_has_grown_over_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "events"
    first = event(1) + event(2) + event(3)
    grown = event(1) + event(2, seconds=0.25) + event(3, seconds=0.5) + event(4)
    assert followed(path, first, grown) == [1, 2, 3, 2, 3, 4]


def test_whatever_is_cut_and_written_nothing_new_is_lost(tmp_path: Path) -> None:
    rng, path = random.Random(0), tmp_path / "events"
    for _ in range(50):
        contents, lines, last = [], [], 0
        for _ in range(6):
            del lines[rng.randrange(len(lines) + 1) :]
            for _ in range(rng.randrange(4)):
                last += 1
                lines.append(event(last, pad="x" * rng.randrange(5)))
            contents.append(b"".join(lines) + b'{"ev'[: rng.randrange(5)])
        given = followed(path, *contents)
        assert given == sorted(set(given))
        assert {json.loads(line)["step"] for line in lines} <= set(given)


@pytest.mark.parametrize("line", [b"not JSON", b"[1]", b"\xff"])
def test_a_line_that_is_no_event_is_named_by_its_row(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(BadInput, match="events, row 2: "):
        followed(tmp_path / "events", event(1) + line + b"\n")


def test_events_come_from_a_process_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "events"
    script = (
        "import json, sys, time\n"
        "with open(sys.argv[1], 'w') as file:\n"
        "    for step in range(5):\n"
        "        print(json.dumps({'step': step}), file=file, flush=True)\n"
        "        time.sleep(0.02)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(path)])
    seen: list[bool] = []

    def look() -> Iterator[int]:
        for found in jobs.follow(path, lambda: process.poll() is not None):
            seen.append(process.poll() is None)
            yield found["step"]

    assert list(look()) == [0, 1, 2, 3, 4]
    assert seen[0]


# the last error


TRACEBACK = """step 1
Traceback (most recent call last):
  File "worker.py", line 3, in <module>
    work()
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB
cleaning up
"""


@pytest.mark.parametrize(
    ("log", "code", "cause"),
    [
        (TRACEBACK, 1, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"),
        ("KeyError: 'a'\nValueError: b\n", 1, "ValueError: b"),
        ("KeyboardInterrupt\n", 1, "KeyboardInterrupt"),
        ("some words\nusage: worker [-h]\n\n", 2, "usage: worker [-h]"),
        ("", 3, "exit code 3, and nothing in its log"),
        ("step 1\n", -9, "killed by SIGKILL (out of memory?)"),
        (TRACEBACK, -9, "killed by SIGKILL (out of memory?)"),
        ("step 1\n", -15, "killed by SIGTERM"),
        ("RuntimeError: NCCL\n", -6, "RuntimeError: NCCL"),
        ("caf\udce9 \udcff\n", 1, "caf\ufffd \ufffd"),
    ],
)
def test_why_a_process_failed(tmp_path: Path, log: str, code: int, cause: str) -> None:
    (tmp_path / "log").write_bytes(log.encode(errors="surrogateescape"))
    assert jobs.last_error(tmp_path / "log", code) == cause


def test_a_missing_log_is_an_empty_one(tmp_path: Path) -> None:
    assert "nothing in its log" in jobs.last_error(tmp_path / "log", 1)


def test_only_the_end_of_a_huge_log_is_read(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("ValueError: early\n" + "x" * 99 + "\n" * 100_000 + "the end\n")
    assert jobs.last_error(tmp_path / "log", 1) == "the end"


def test_the_error_of_an_earlier_attempt_is_not_this_ones(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(TRACEBACK)
    assert "nothing in its log" in jobs.last_error(log, 1, since=len(TRACEBACK))


def test_a_job_on_a_full_disk_has_no_room_for_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    (tmp_path / "log").write_text("RuntimeError: iostream error\nTraceback (most recent call")
    assert jobs.last_error(tmp_path / "log", 1) == f"no space left for {tmp_path}"


# files


def test_a_jobs_files_and_a_script_to_start_it_by_hand_are_written(tmp_path: Path) -> None:
    jobs.write(job(tmp_path))
    assert (tmp_path / "deep" / "config.json").read_text() == "{}"
    script = tmp_path / "run.sh"
    assert os.access(script, os.X_OK)
    done = subprocess.run([script], capture_output=True, text=True, check=True)
    assert done.stdout == "hello 'you' $x\n"


def located(folder: Path, **env: str) -> Located:
    (folder / "bin").mkdir()
    program = folder / "bin" / "hello"
    program.write_text("#!/bin/sh\necho hello from $PLACE\n")
    program.chmod(0o755)
    return Located(
        name="own", variant="cpu", python=folder / "bin" / "python", env=env, label="cpu 1.0"
    )


def run(script: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script], capture_output=True, text=True, check=False, env={**os.environ, **env}
    )


ODD = 'a "place" with $HOME, `ls`, {braces} and \\'


def test_the_script_finds_the_programs_and_variables_of_its_environment(tmp_path: Path) -> None:
    steps = (Step(argv=("hello",)),)
    jobs.write(job(tmp_path, steps=steps, environment="own"), located(tmp_path, PLACE=ODD))
    assert run(tmp_path / "run.sh").stdout == f"hello from {ODD}\n"
    assert run(tmp_path / "run.sh", PLACE="here").stdout == "hello from here\n"


def test_the_jobs_own_variables_win_over_all_others(tmp_path: Path) -> None:
    steps, env = (Step(argv=("hello",)),), {"PLACE": "the job"}
    made = job(tmp_path, steps=steps, environment="own", env=env)
    jobs.write(made, located(tmp_path, PLACE="the environment"))
    assert run(tmp_path / "run.sh", PLACE="outside").stdout == "hello from the job\n"


def test_without_its_environment_the_script_says_how_to_build_it(tmp_path: Path) -> None:
    jobs.write(job(tmp_path, environment="own"))
    done = run(tmp_path / "run.sh")
    assert done.returncode == 2
    assert done.stderr == "rmr1: environment own is not built; build it with: rmr1 env create own\n"


def test_steps_follow_one_another_in_the_script(tmp_path: Path) -> None:
    jobs.write(job(tmp_path, steps=(Step(argv=("echo", "a b")), Step(argv=("echo", "c")))))
    assert run(tmp_path / "run.sh").stdout == "a b\nc\n"


@pytest.mark.parametrize(
    ("code", "cause"),
    [(137, "killed by SIGKILL (out of memory?)"), (143, "killed by SIGTERM"), (255, "exit code")],
)
def test_what_a_shell_says_of_a_killed_program_is_understood(
    tmp_path: Path, code: int, cause: str
) -> None:
    assert jobs.last_error(tmp_path / "log", code).startswith(cause)


def test_files_that_cannot_be_written_are_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write the files of a job"):
        jobs.write(job(tmp_path, files={str(tmp_path / "file" / "x"): ""}))


def said(folder: Path, *lines: str) -> str:
    (folder / "log").write_text("\n".join(lines) + "\n")
    return jobs.last_error(folder / "log", 1)


def test_an_exception_without_a_name_of_its_own_is_one(tmp_path: Path) -> None:
    assert said(tmp_path, "Exception: no head", "bye") == "Exception: no head"


def test_the_error_of_what_failed_counts_and_not_that_of_who_started_it(tmp_path: Path) -> None:
    lines = (
        "[rank1]: ValueError: no such file",
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: ",
        "torch.distributed.elastic.multiprocessing.api.SignalException: got signal: 15",
        "subprocess.CalledProcessError: Command returned 1",
    )
    assert said(tmp_path, *lines) == "ValueError: no such file"
    assert said(tmp_path, *lines[1:]) == lines[-1]


def test_who_was_left_alone_by_what_failed_does_not_count(tmp_path: Path) -> None:
    gloo = "RuntimeError: [gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]"
    nccl = "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:3, remote"
    for consequence in (f"[rank0]: {gloo}", f"[rank0]: {nccl}", "FutureWarning: `device` is old"):
        assert said(tmp_path, "[rank1]: ValueError: true", consequence) == "ValueError: true"
    assert said(tmp_path, gloo, "bye") == gloo


def test_an_exception_that_python_ignored_ended_nothing(tmp_path: Path) -> None:
    raised = "class A:\n    def __del__(self): raise AttributeError('at the end')\n"
    script = f"{raised}a = A()\nraise ValueError('true')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    (tmp_path / "log").write_bytes(done.stderr)
    assert b"AttributeError: at the end" in done.stderr
    assert jobs.last_error(tmp_path / "log", 1) == "ValueError: true"


def test_an_error_that_ray_passes_on_is_found(tmp_path: Path) -> None:
    line = "\x1b[36m(TaskRunner pid=31, ip=10.0.0.2)\x1b[0m KeyError: 'reward'"
    assert said(tmp_path, line, "bye") == "KeyError: 'reward'"


def test_a_launchers_files_are_written_too(tmp_path: Path) -> None:
    made = job(tmp_path)
    jobs.write(made, None, {str(tmp_path / "own" / "submit.sh"): "exit 0\n"})
    assert (tmp_path / "own" / "submit.sh").read_text() == "exit 0\n"
    assert jobs.script(made).exists()
