"""A stage's Slurm job gets its number, is found again, and is cancelled.

slurm.json in the stage's folder says which job is this stage's. It is there from before the
submission to the job's end, so that a run that goes on joins a job that still waits or runs. It
says a name first, which no other job has: by it a job is found whose number rmr1 never heard.
"""

from __future__ import annotations

import shutil
import sys
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import msgspec

from rmr1_core import Job, jsonl
from rmr1_core.errors import Rmr1Error, UsageError
from rmr1_core.processes import ask
from rmr1_slurm.looking import ENDED, GONE, look, number_of
from rmr1_slurm.rendering import job_name, script

if TYPE_CHECKING:
    from rmr1_slurm import SlurmLauncher


class Submission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which job runs a stage. `since` is where its part of the log begins, in bytes. `job` is its
    number, "" until Slurm has said it; one that was `cancelled` may need some seconds to end."""

    name: str
    since: int
    job: str = ""
    cancelled: bool = False


def submitted(launcher: SlurmLauncher, job: Job) -> Submission:
    """The job that runs this stage: the one that an interrupted run left, or a new one.

    Raises:
        UsageError: there is no Slurm here, it refused the job, or it does not answer.
    """
    if shutil.which("sbatch") is None:
        raise UsageError(
            "launcher 'slurm' needs the program sbatch, which is not on the PATH; start rmr1 on a "
            "login node of the cluster, or run here with: --set launcher.name=local"
        )
    left = _left_behind(job)
    if left is None:
        return _submit(launcher, job)
    if left.cancelled:
        ask(["scancel", left.job])  # again: the first one may not have got through
        return _submit(launcher, job, f"--dependency=afterany:{left.job}")
    _keep(job, left)
    say(job, f"joined Slurm job {left.job}")
    return left


def leave(launcher: SlurmLauncher, job: Job, submission: Submission) -> None:
    """What the option `on_interrupt` says."""
    if launcher.on_interrupt == "cancel":
        cancel(job, submission)
    else:
        say(job, f"Slurm job {submission.job} goes on; join it with: rmr1 run --resume")


def cancel(job: Job, submission: Submission) -> None:
    """End a job; that it has been told to is kept, so that nobody joins it."""
    with suppress(Rmr1Error):  # a full disk is no reason to let it run
        _keep(job, msgspec.structs.replace(submission, cancelled=True))
    returncode, _, errors = ask(["scancel", submission.job])
    if returncode == 0:
        say(job, f"cancelled Slurm job {submission.job}")
    else:
        say(job, f"scancel {submission.job} failed, try it by hand: {errors.strip()}")


def forget(job: Job) -> None:
    """The job has ended."""
    _record(job).unlink(missing_ok=True)


def say(job: Job, words: str) -> None:
    """Tell of a job, on standard error."""
    print(f"{job.name}: {words}", file=sys.stderr, flush=True)


def _submit(launcher: SlurmLauncher, job: Job, *wait: str) -> Submission:
    """Submit a job. Ctrl-C waits for Slurm's answer, so that it ends what was just begun."""
    log = Path(job.log)
    since = log.stat().st_size if log.exists() else 0
    submission = Submission(name=f"{job_name(job)}-{uuid.uuid4().hex[:8]}", since=since)
    _keep(job, submission)
    argv = ["sbatch", "--parsable", f"--job-name={submission.name}", *wait, str(script(job))]
    answer: Future[str] = Future()
    asking = Thread(target=_answer, args=(answer, job, submission, argv))
    try:
        asking.start()
        submission = msgspec.structs.replace(submission, job=answer.result())
        _keep(job, submission)
    except UsageError:
        raise
    except BaseException:
        if not answer.cancel():  # else sbatch has not been started, and will not be
            _leave_at_once(launcher, job, submission, answer)
        raise
    say(job, f"Slurm job {submission.job} submitted")
    return submission


def _leave_at_once(
    launcher: SlurmLauncher, job: Job, submission: Submission, answer: Future[str]
) -> None:
    submission = msgspec.structs.replace(submission, job=answer.result())
    with suppress(Rmr1Error):
        _keep(job, submission)
    leave(launcher, job, submission)


def _answer(answer: Future[str], job: Job, submission: Submission, argv: Sequence[str]) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(_number(job, submission, argv))
    except BaseException as error:  # which is told to who waits for it
        answer.set_exception(error)


def _number(job: Job, submission: Submission, argv: Sequence[str]) -> str:
    """Slurm's answer; a job that it took although sbatch heard nothing of it is found by name."""
    returncode, output, errors = ask(argv)
    if returncode == 0:
        return output.strip().splitlines()[-1].partition(";")[0]
    if number := number_of(submission.name):
        return number
    forget(job)
    said = errors.strip().splitlines()[-1:] or [f"exit code {returncode}"]
    raise UsageError(
        f"Slurm refused {job.name}: {said[0].removeprefix('sbatch: error: ')}; what it was "
        f"asked is in {script(job)}, and the options are shown by: rmr1 show launchers/slurm"
    )


def _left_behind(job: Job) -> Submission | None:
    """The job that an interrupted run left, where it still waits or runs, or is being ended."""
    try:
        submission = msgspec.json.decode(_record(job).read_bytes(), type=Submission)
    except (OSError, msgspec.DecodeError):
        return None
    number = submission.job or number_of(submission.name)
    if not number or look(number).state in {*ENDED, GONE}:
        return None
    return msgspec.structs.replace(submission, job=number)


def _record(job: Job) -> Path:
    return Path(job.log).with_name("slurm.json")


def _keep(job: Job, submission: Submission) -> None:
    jsonl.write(_record(job), [submission])
