"""A Slurm job from its submission to its end, and again after rmr1 itself was killed.

slurm.json in the stage's folder says which job is this stage's. It is there from the submission to
the job's end, so that a run that goes on joins a job that still waits or runs.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rmr1_core import Job
from rmr1_core.errors import JobFailed, UsageError
from rmr1_core.jobs import Heartbeat, follow, last_error
from rmr1_core.processes import ask
from rmr1_slurm.looking import ENDED, GONE, UNREACHABLE, Look, end, look
from rmr1_slurm.rendering import script

if TYPE_CHECKING:
    from rmr1_slurm import SlurmLauncher

SILENT_SECONDS = 1800.0
"""How long Slurm's controller may be down before rmr1 stops following; the job goes on."""
_MEANINGS = {
    "TIMEOUT": "met its time limit; rmr1 run --resume submits it again and it goes on, "
    "and the option resubmit does so by itself",
    "OUT_OF_MEMORY": "got no more memory from Slurm; ask for more with the option mem",
    "NODE_FAIL": "lost a node; go on with: rmr1 run --resume",
    "BOOT_FAIL": "got a node that did not start; go on with: rmr1 run --resume",
    "CANCELLED": "was cancelled from outside; go on with: rmr1 run --resume",
    "PREEMPTED": "had to make room for another; go on with: rmr1 run --resume",
    "DEADLINE": "could not end before its deadline",
    "REVOKED": "was taken away by another cluster",
}


class Submission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which job runs a stage. `since` is where its part of the log begins, in bytes; one that was
    `cancelled` may need some seconds to end."""

    job: str
    since: int
    cancelled: bool = False


class Unanswered(JobFailed):
    """Slurm is down for long; the job may well go on."""


def followed(launcher: SlurmLauncher, job: Job) -> Iterator[Mapping[str, Any]]:
    """The events of a job, submitted as often as its time limit and the options allow.

    Raises:
        JobFailed, UsageError: as `SlurmLauncher.run`.
    """
    for left in range(launcher.resubmit, -1, -1):
        left_behind = _left_behind(job)
        if left_behind is None or left_behind.cancelled:
            submission = _submit(job, after=left_behind)
        else:
            submission = left_behind
            _say(job, f"joined Slurm job {submission.job}")
        following = _Following(launcher, job, submission)
        yield from following.events()
        ended = end(submission.job, following.state)
        _record(job).unlink(missing_ok=True)
        if ended.state == "TIMEOUT" and left:
            _say(job, f"Slurm job {submission.job} met its time limit; submitting it again")
            continue
        _check(launcher, job, submission, ended)
        return


class _Following:
    """One submitted job while it waits and runs."""

    def __init__(self, launcher: SlurmLauncher, job: Job, submission: Submission) -> None:
        self._launcher, self._job, self._submission = launcher, job, submission
        self._heartbeat: Heartbeat | None = None
        self._next = self._answered = time.monotonic()
        self._told = ""
        self._confirmed = False
        self.state = ""

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Its events, until it has ended; leaving early cancels it."""
        try:
            yield from follow(Path(self._job.events), self._ended)
        except Unanswered:
            raise
        except (GeneratorExit, KeyboardInterrupt):
            if self._launcher.on_interrupt == "cancel":
                self._cancel()
            else:
                words = "goes on; join it with: rmr1 run --resume"
                _say(self._job, f"Slurm job {self._submission.job} {words}")
            raise
        except BaseException:
            self._cancel()
            raise

    def _cancel(self) -> None:
        number = self._submission.job
        _keep(self._job, msgspec.structs.replace(self._submission, cancelled=True))
        returncode, _, errors = ask(["scancel", number])
        if returncode == 0:
            _say(self._job, f"cancelled Slurm job {number}")
        else:
            _say(self._job, f"scancel {number} failed, try it by hand: {errors.strip()}")

    def _ended(self) -> bool:
        if self._heartbeat is not None:
            self._heartbeat.look()
        if time.monotonic() < self._next:
            return False
        found = look(self._submission.job)
        self._next = time.monotonic() + self._launcher.poll_seconds
        if found.state == UNREACHABLE:
            self._wait_for_slurm(found.reason)
            return False
        self._answered = time.monotonic()
        self.state = found.state
        if found.state == "RUNNING":
            self._heartbeat = self._heartbeat or Heartbeat(self._job, self._launcher)
        else:
            self._heartbeat = None  # what waits may be silent
        self._tell(found)
        before, self._confirmed = self._confirmed, found.state in ENDED or found.state == GONE
        # what lost its node may be on its way back into the queue
        return self._confirmed and (before or found.state in {"COMPLETED", "FAILED", GONE})

    def _tell(self, found: Look) -> None:
        number = self._submission.job
        match found.state:
            case "PENDING":
                words = f"Slurm job {number} waits"
                words += f" ({found.reason})" if found.reason else ""
                words += f", expected to start at {found.starts}" if found.starts else ""
            case "RUNNING":
                words = f"Slurm job {number} runs on {found.nodes}"
            case state:
                words = f"Slurm job {number} is {state.lower()}"
        if words != self._told and found.state not in ENDED and found.state != GONE:
            _say(self._job, words)
        self._told = words

    def _wait_for_slurm(self, problem: str) -> None:
        waited = time.monotonic() - self._answered
        if waited > SILENT_SECONDS:
            words = (
                f"Slurm has not answered for {waited / 60:.0f} minutes ({problem}), and job "
                f"{self._submission.job} may still run; join it with: rmr1 run --resume"
            )
            raise Unanswered(self._job.name, words, self._job.log)
        if self._told != problem:
            _say(self._job, f"Slurm does not answer ({problem}); asking again")
        self._told = problem


def _submit(job: Job, after: Submission | None) -> Submission:
    """Submit a job, to start when the one before it has really ended."""
    if shutil.which("sbatch") is None:
        raise UsageError(
            "launcher 'slurm' needs the program sbatch, which is not on the PATH; start rmr1 on a "
            "login node of the cluster, or run here with: --set launcher.name=local"
        )
    log = Path(job.log)
    since = log.stat().st_size if log.exists() else 0
    wait = [f"--dependency=afterany:{after.job}"] if after is not None else []
    returncode, output, errors = ask(["sbatch", "--parsable", *wait, str(script(job))])
    if returncode != 0:
        said = errors.strip().splitlines()[-1:] or [f"exit code {returncode}"]
        raise UsageError(
            f"Slurm refused {job.name}: {said[0].removeprefix('sbatch: error: ')}; what it was "
            f"asked is in {script(job)}, and the options are shown by: rmr1 show launchers/slurm"
        )
    number = output.strip().splitlines()[-1].partition(";")[0]
    submission = Submission(job=number, since=since)
    _keep(job, submission)
    _say(job, f"Slurm job {number} submitted")
    return submission


def _left_behind(job: Job) -> Submission | None:
    """The job that an interrupted run left, where it still waits or runs, or is being ended."""
    try:
        submission = msgspec.json.decode(_record(job).read_bytes(), type=Submission)
    except (OSError, msgspec.DecodeError):
        return None
    found = look(submission.job)
    return None if found.state in ENDED or found.state == GONE else submission


def _check(launcher: SlurmLauncher, job: Job, submission: Submission, ended: Look) -> None:
    """Raise JobFailed unless all went well."""
    log = Path(job.log)
    if ended.state in _MEANINGS:
        cause = f"Slurm job {submission.job} {_MEANINGS[ended.state]} ({ended.state})"
        if ended.state == "OUT_OF_MEMORY":
            cause = f"{last_error(log, 1, since=submission.since)}; {cause}"
        raise JobFailed(job.name, cause, log)
    if ended.state == "FAILED":
        code = 1 if ended.code is None else ended.code
        raise JobFailed(job.name, last_error(log, code, since=submission.since), log)
    deadline = time.monotonic() + (launcher.settle_seconds if ended.state == "COMPLETED" else 0)
    while not Path(job.checkpoint).is_dir():
        if time.monotonic() > deadline:
            raise JobFailed(job.name, _without_checkpoint(job, submission, ended), log)
        time.sleep(min(1.0, launcher.poll_seconds))
        list(Path(job.checkpoint).parent.glob("*"))  # makes a network file system look again


def _without_checkpoint(job: Job, submission: Submission, ended: Look) -> str:
    if ended.state == "COMPLETED":
        return f"it left no checkpoint in {job.checkpoint}"
    return last_error(Path(job.log), 1, since=submission.since)


def _record(job: Job) -> Path:
    return Path(job.log).with_name("slurm.json")


def _keep(job: Job, submission: Submission) -> None:
    _record(job).write_bytes(msgspec.json.encode(submission) + b"\n")


def _say(job: Job, words: str) -> None:
    print(f"{job.name}: {words}", file=sys.stderr, flush=True)
