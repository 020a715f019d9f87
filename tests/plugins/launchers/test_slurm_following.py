"""Slurm as its programs show it, which are stand-ins here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fake_slurm import FakeSlurm
from launched import fill, job, written

from rmr1_core import Job, Launcher
from rmr1_core.errors import JobFailed, UsageError
from rmr1_core.lookup import resolve
from rmr1_core.values import Ref

WAITS, RUNS = "PENDING|Resources|(null)|N/A", "RUNNING|None|n[1-2]|2026-01-01T00:00:00"
DONE = "COMPLETED|None|n1|N/A"


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "programs")
    monkeypatch.setenv("PATH", str(fake.folder))
    return fake


def launcher(**options: Any) -> Launcher:
    options = {"poll_seconds": 0.01, "settle_seconds": 0, **options}
    found: Launcher = resolve("launcher", Ref(name="slurm", options=options))
    return found


@pytest.fixture
def work(tmp_path: Path) -> Job:
    """A job whose process has done all that it had to do."""
    folder = tmp_path / "stage"
    (folder / "checkpoint").mkdir(parents=True)
    (folder / "events").write_text("".join(f'{{"step": {step}}}\n' for step in range(3)))
    return written(launcher(), job(folder))


def left(work: Job, number: str = "40", **more: Any) -> Path:
    """What an interrupted run left."""
    record = Path(work.log).with_name("slurm.json")
    record.write_text(json.dumps({"name": "rmr1-work-1", "job": number, "since": 0, **more}))
    return record


def recorded(work: Job) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(work.log).with_name("slurm.json").read_text())
    return found


def test_a_job_is_submitted_and_its_events_are_told(slurm: FakeSlurm, work: Job) -> None:
    slurm.states(WAITS, RUNS, DONE)
    assert [event["step"] for event in launcher().run(work)] == [0, 1, 2]
    [call] = slurm.calls("sbatch")
    pattern = r"--parsable --job-name=rmr1-work-[0-9a-f]{8} (.*)"
    asked = re.fullmatch(pattern, call)
    assert asked
    assert asked[1] == str(Path(work.log).with_name("sbatch.sh"))
    assert all("--jobs=41" in call for call in slurm.calls("squeue"))
    assert slurm.calls("scancel") == []


def test_what_it_waits_for_and_where_it_runs_is_said_once(
    slurm: FakeSlurm, work: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = "PENDING|Priority|(null)|2026-01-01T00:00:00"
    slurm.states(WAITS, WAITS, expected, RUNS, RUNS, DONE)
    list(launcher().run(work))
    assert capsys.readouterr().err.splitlines() == [
        "work: Slurm job 41 submitted",
        "work: Slurm job 41 waits (Resources)",
        "work: Slurm job 41 waits (Priority), expected to start at 2026-01-01T00:00:00",
        "work: Slurm job 41 runs on n[1-2]",
    ]


@pytest.mark.parametrize("state", ["PENDING", "SPECIAL_EXIT", "REQUEUE_HOLD"])
def test_a_job_that_is_held_says_how_to_let_it_go(
    slurm: FakeSlurm, work: Job, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    slurm.states(f"{state}|launch failed requeued held|(null)|N/A", DONE)
    list(launcher().run(work))
    words = "waits (launch failed requeued held); let it start with: scontrol release 41"
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("TIMEOUT", "Slurm job 41 met its time limit; rmr1 run --resume submits it again"),
        ("NODE_FAIL", "Slurm job 41 lost a node; go on with: rmr1 run --resume"),
        ("CANCELLED", "Slurm job 41 was cancelled from outside; go on with"),
        ("PREEMPTED", "Slurm job 41 had to make room for another; go on with"),
    ],
)
def test_what_slurm_ended_says_so(slurm: FakeSlurm, work: Job, state: str, words: str) -> None:
    slurm.states(RUNS, f"{state}|None|n1|N/A")
    slurm.ended(state, "0:15")
    slurm.prints(work.log, "ValueError: of the job's own end\n")
    with pytest.raises(JobFailed) as error:
        list(launcher().run(work))
    assert words in str(error.value)
    assert f"({state})" in str(error.value)


def test_a_job_that_failed_says_its_own_last_error(slurm: FakeSlurm, work: Job) -> None:
    slurm.states(RUNS, "FAILED|NonZeroExitCode|n1|N/A")
    slurm.ended("FAILED", "1:0")
    slurm.prints(
        work.log,
        "ValueError: no such tokenizer\nsrun: error: n2: task 1: Exited with exit code 1\n",
    )
    with pytest.raises(JobFailed, match="work failed: ValueError: no such tokenizer; its whole"):
        list(launcher().run(work))


def test_a_job_that_a_signal_ended_says_so(slurm: FakeSlurm, work: Job) -> None:
    slurm.states("FAILED|None|n1|N/A")
    slurm.ended("FAILED", "0:9")
    with pytest.raises(JobFailed, match=r"work failed: killed by SIGKILL \(out of memory\?\)"):
        list(launcher().run(work))


def test_a_job_without_memory_says_both(slurm: FakeSlurm, work: Job) -> None:
    slurm.states("OUT_OF_MEMORY|OutOfMemory|n1|N/A")
    slurm.ended("OUT_OF_MEMORY", "0:125")
    slurm.prints(work.log, "torch.OutOfMemoryError: of the host\n")
    with pytest.raises(JobFailed) as error:
        list(launcher().run(work))
    assert "torch.OutOfMemoryError: of the host; Slurm job 41 got no more memory" in str(
        error.value
    )
    assert "option mem" in str(error.value)


def test_an_earlier_attempts_error_is_not_this_ones(slurm: FakeSlurm, work: Job) -> None:
    Path(work.log).write_text("ValueError: first\n")
    slurm.states("FAILED|None|n1|N/A")
    slurm.ended("FAILED", "3:0")
    with pytest.raises(JobFailed, match="exit code 3, and nothing in its log"):
        list(launcher().run(work))


def test_accounts_know_what_the_controller_forgot(slurm: FakeSlurm, work: Job) -> None:
    slurm.states(RUNS, "!Invalid job id specified")
    slurm.accounts("TIMEOUT|0:0")
    with pytest.raises(JobFailed, match="met its time limit"):
        list(launcher().run(work))


def test_a_forgotten_job_is_judged_by_what_it_left(slurm: FakeSlurm, work: Job) -> None:
    slurm.states(RUNS, "!Invalid job id specified")
    list(launcher().run(work))
    Path(work.checkpoint).rmdir()
    slurm.prints(work.log, "ValueError: why\n")
    slurm.states(RUNS, "!Invalid job id specified")
    with pytest.raises(JobFailed, match="ValueError: why"):
        list(launcher().run(work))


def test_a_job_that_left_no_checkpoint_has_failed(slurm: FakeSlurm, work: Job) -> None:
    Path(work.checkpoint).rmdir()
    slurm.ended("COMPLETED")
    with pytest.raises(JobFailed, match="it left no checkpoint in"):
        list(launcher().run(work))


def test_a_controller_that_is_down_for_a_moment_is_asked_again(
    slurm: FakeSlurm, work: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    slurm.states(RUNS, "!Unable to contact slurm controller", RUNS, DONE)
    list(launcher().run(work))
    assert "Slurm does not answer (slurm_load_jobs error: Unable" in capsys.readouterr().err


def test_what_lost_its_node_may_be_queued_again(slurm: FakeSlurm, work: Job) -> None:
    lost = "NODE_FAIL|NodeDown|n1|N/A"
    slurm.states(RUNS, lost, "PENDING|BeginTime|(null)|N/A", RUNS, DONE)
    slurm.ended("COMPLETED")
    assert len(list(launcher().run(work))) == 3


# the time limit


def test_a_job_at_its_time_limit_is_submitted_again_as_often_as_asked(
    slurm: FakeSlurm, work: Job
) -> None:
    slurm.states("TIMEOUT|TimeLimit|n1|N/A")
    slurm.ended("TIMEOUT")
    with pytest.raises(JobFailed, match="Slurm job 43 met its time limit"):
        list(launcher(resubmit=2).run(work))
    assert len(slurm.calls("sbatch")) == 3


# leaving and going on


def test_leaving_early_cancels(slurm: FakeSlurm, work: Job) -> None:
    slurm.states(RUNS)
    events = launcher().run(work)
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert slurm.calls("scancel") == ["41"]


def test_leaving_early_can_leave_the_job(slurm: FakeSlurm, work: Job) -> None:
    slurm.states(RUNS)
    events = launcher(on_interrupt="leave").run(work)
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert slurm.calls("scancel") == []
    slurm.states(RUNS, DONE)
    assert len(list(launcher().run(work))) == 3
    assert len(slurm.calls("sbatch")) == 1


@pytest.mark.parametrize("state", [WAITS, RUNS, "COMPLETING|None|n1|N/A"])
def test_a_run_that_goes_on_joins_its_job(slurm: FakeSlurm, work: Job, state: str) -> None:
    record = left(work)
    slurm.states(state, RUNS, DONE)
    assert len(list(launcher().run(work))) == 3
    assert slurm.calls("sbatch") == []
    assert "--jobs=40" in slurm.calls("squeue")[0]
    assert not record.exists()


@pytest.mark.parametrize("state", ["FAILED|None|n1|N/A", "!Invalid job id specified"])
def test_a_job_that_ended_meanwhile_is_submitted_anew(
    slurm: FakeSlurm, work: Job, state: str
) -> None:
    left(work)
    slurm.states(state, RUNS, DONE)
    assert len(list(launcher().run(work))) == 3
    assert len(slurm.calls("sbatch")) == 1


def test_a_job_that_is_still_being_cancelled_is_waited_for(slurm: FakeSlurm, work: Job) -> None:
    left(work, cancelled=True)
    slurm.states("COMPLETING|None|n1|N/A", RUNS, DONE)
    list(launcher().run(work))
    assert "--dependency=afterany:40" in slurm.calls("sbatch")[0]
    assert slurm.calls("scancel") == ["40"], "the first one may not have got through"


def test_leaving_while_it_is_submitted_cancels_what_was_submitted(
    slurm: FakeSlurm, work: Job
) -> None:
    slurm.interrupts()
    with pytest.raises(KeyboardInterrupt):
        list(launcher().run(work))
    assert slurm.calls("scancel") == ["41"]
    assert recorded(work)["cancelled"]


def test_leaving_while_it_is_submitted_can_leave_it(slurm: FakeSlurm, work: Job) -> None:
    slurm.interrupts()
    with pytest.raises(KeyboardInterrupt):
        list(launcher(on_interrupt="leave").run(work))
    assert slurm.calls("scancel") == []
    assert recorded(work)["job"] == "41"


def test_a_run_that_was_killed_while_it_submitted_finds_its_job(
    slurm: FakeSlurm, work: Job
) -> None:
    left(work, "")
    slurm.knows_by_name("40")
    slurm.states(RUNS, RUNS, DONE)
    assert len(list(launcher().run(work))) == 3
    assert slurm.calls("sbatch") == []
    assert "--name=rmr1-work-1" in slurm.calls("squeue")[0]
    assert "--jobs=40" in slurm.calls("squeue")[1]


def test_a_run_that_was_killed_before_slurm_had_the_job_submits_it(
    slurm: FakeSlurm, work: Job
) -> None:
    left(work, "")
    assert len(list(launcher().run(work))) == 3
    assert len(slurm.calls("sbatch")) == 1


def test_a_job_that_slurm_took_although_sbatch_failed_is_followed(
    slurm: FakeSlurm, work: Job
) -> None:
    slurm.refuses("Batch job submission failed: Socket timed out on send/recv operation")
    slurm.knows_by_name("47")
    slurm.states(RUNS, DONE)
    assert len(list(launcher().run(work))) == 3
    assert len(slurm.calls("sbatch")) == 1


def test_a_job_is_cancelled_on_a_full_disk_too(small_disk: Path, slurm: FakeSlurm) -> None:
    work = written(launcher(), job(small_disk))
    (small_disk / "events").write_text('{"step": 0}\n')
    slurm.states(RUNS)
    events = launcher().run(work)
    next(events)
    fill(small_disk)
    with pytest.raises(OSError, match="No space left"), (small_disk / "more").open("ab", 0) as file:
        file.write(bytes(4096))
    events.close()  # type: ignore[attr-defined]
    assert slurm.calls("scancel") == ["41"]


def test_a_job_that_is_silent_for_too_long_is_cancelled(slurm: FakeSlurm, work: Job) -> None:
    slurm.states(RUNS)
    slurm.prints(work.log, "Waiting for GPUs\n")
    with pytest.raises(JobFailed, match="its log ends with: Waiting for GPUs"):
        list(launcher(give_up_minutes=0.001).run(work))
    assert slurm.calls("scancel") == ["41"]


def test_a_job_that_waits_in_the_queue_may_be_silent(slurm: FakeSlurm, work: Job) -> None:
    slurm.states(*[WAITS] * 5, DONE)
    assert len(list(launcher(give_up_minutes=0.0001).run(work))) == 3


# what cannot work


def test_no_slurm_is_a_sentence(work: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match=r"needs the program sbatch.*login node"):
        list(launcher().run(work))


def test_what_slurm_refuses_is_said_in_its_words(slurm: FakeSlurm, work: Job) -> None:
    slurm.refuses("invalid partition specified: fast")
    with pytest.raises(UsageError, match="Slurm refused work: invalid partition specified: fast;"):
        list(launcher().run(work))


def test_the_checks_find_a_partition_that_is_not_there(slurm: FakeSlurm, work: Job) -> None:
    slurm.says("sinfo", "h100\na100\n")
    assert [check.ok for check in launcher(partition="h100").checks(work)] == [True]
    [check] = launcher(partition="fast").checks(work)
    assert (check.ok, check.detail) == (False, "no partition 'fast'; there are a100, h100")


def test_the_checks_find_that_there_is_no_slurm(work: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    [check] = launcher().checks(work)
    assert not check.ok
    assert "start rmr1 on a login node" in check.detail
