"""A Slurm job from its submission to its end, and again after rmr1 itself was killed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmr1_core import Job
from rmr1_core.errors import JobFailed
from rmr1_core.jobs import Heartbeat, follow, last_error
from rmr1_slurm.looking import ENDED, GONE, UNREACHABLE, Look, end, look
from rmr1_slurm.submitting import Submission, cancel, forget, leave, say, submitted

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


class Unanswered(JobFailed):
    """Slurm is down for long; the job may well go on."""


def followed(launcher: SlurmLauncher, job: Job) -> Iterator[Mapping[str, Any]]:
    """The events of a job, submitted as often as its time limit and the options allow.

    Raises:
        JobFailed, UsageError: as `SlurmLauncher.run`.
    """
    for left in range(launcher.resubmit, -1, -1):
        submission = submitted(launcher, job)
        following = _Following(launcher, job, submission)
        yield from following.events()
        ended = end(submission.job, following.state)
        forget(job)
        if ended.state == "TIMEOUT" and left:
            say(job, f"Slurm job {submission.job} met its time limit; submitting it again")
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
            leave(self._launcher, self._job, self._submission)
            raise
        except BaseException:
            cancel(self._job, self._submission)
            raise

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
            case "PENDING" | "REQUEUE_HOLD" | "SPECIAL_EXIT":
                words = f"Slurm job {number} waits"
                words += f" ({found.reason})" if found.reason else ""
                words += f", expected to start at {found.starts}" if found.starts else ""
                held = "held" in found.reason.lower()  # for good, and for many reasons
                words += f"; let it start with: scontrol release {number}" if held else ""
            case "RUNNING":
                words = f"Slurm job {number} runs on {found.nodes}"
            case state:
                words = f"Slurm job {number} is {state.lower()}"
        if words != self._told and found.state not in ENDED and found.state != GONE:
            say(self._job, words)
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
            say(self._job, f"Slurm does not answer ({problem}); asking again")
        self._told = problem


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
