"""A Ray job from its submission to its end, and again after rmr1 itself was killed.

ray.json in the stage's folder says which job is this stage's. It is written before the job is
submitted, so that there never are two.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rmr1_core import Job, jsonl
from rmr1_core.errors import JobFailed, Rmr1Error, UsageError
from rmr1_core.jobs import Heartbeat, follow, last_error, script
from rmr1_ray.cluster import Cluster, Refused, Silent, Status

if TYPE_CHECKING:
    from rmr1_ray import RayLauncher

STOP_SECONDS = 20.0
"""How long a job may take to stop."""


class Submission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which job runs a stage. `since` is where its part of the log begins, in bytes."""

    job: str
    since: int


def followed(launcher: RayLauncher, job: Job) -> Iterator[Mapping[str, Any]]:
    """The events of a job.

    Raises:
        JobFailed, UsageError: as `RayLauncher.run`.
    """
    if job.nodes > 1 and job.cluster != "ray":
        raise UsageError(
            f"launcher 'ray' runs scripts on one node, and {job.name} starts processes on "
            f"{job.nodes} by itself; run it with: --set launcher.name=slurm"
        )
    cluster = Cluster(launcher)
    try:
        submission = _left_behind(cluster, job) or _submit(cluster, launcher, job)
    except (Silent, Refused) as error:
        raise UsageError(f"{job.name} cannot be submitted: {error}") from None
    following = _Following(cluster, launcher, job, submission)
    yield from following.events()
    _check(cluster, launcher, job, following)
    _record(job).unlink(missing_ok=True)


class _Following:
    """One submitted job while it waits and runs."""

    def __init__(
        self, cluster: Cluster, launcher: RayLauncher, job: Job, submission: Submission
    ) -> None:
        self._cluster, self._launcher, self._job = cluster, launcher, job
        self.submission = submission
        self._heartbeat: Heartbeat | None = None
        self._next = self._answered = self._submitted = time.monotonic()
        self._told = ""
        self.status = Status(status="PENDING")

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Its events, until it has ended; leaving early stops it."""
        try:
            yield from follow(Path(self._job.events), self._ended)
        finally:
            if not self.status.ended:
                self._stop()

    def _ended(self) -> bool:
        if self._heartbeat is not None:
            self._heartbeat.look()
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + self._launcher.poll_seconds
        try:
            self.status = self._cluster.status(self.submission.job)
        except (Silent, Refused) as error:
            self._wait_for_cluster(str(error))
            return False
        self._answered = time.monotonic()
        if self.status.status == "RUNNING" and self._heartbeat is None:
            self._heartbeat = Heartbeat(self._job, self._launcher)
        waited = time.monotonic() - self._submitted
        if self.status.status == "PENDING" and waited > self._launcher.wait_seconds:
            words = (
                f"the Ray cluster had no room for it within {self._launcher.wait_seconds:g} s "
                f"(the option wait_seconds): {self.status.message}"
            )
            raise JobFailed(self._job.name, words, self._job.log)
        if not self.status.ended:
            self._tell(f"Ray job {self.submission.job} is {self.status.status.lower()}")
        return self.status.ended

    def _wait_for_cluster(self, problem: str) -> None:
        waited = time.monotonic() - self._answered
        if waited > self._launcher.wait_seconds:
            words = f"the Ray cluster has not answered for {waited:.0f} s: {problem}"
            raise JobFailed(self._job.name, words, self._job.log)
        self._tell(f"{problem}; asking again")

    def _tell(self, words: str) -> None:
        if words != self._told:
            _say(self._job, words)
        self._told = words

    def _stop(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        try:
            self._cluster.stop(self.submission.job)
            while not self._cluster.status(self.submission.job).ended:
                if time.monotonic() > deadline:
                    break
                time.sleep(min(0.5, self._launcher.poll_seconds))
        except (Silent, Refused) as error:
            words = f"try by hand: ray job stop {self.submission.job}"
            _say(self._job, f"Ray job {self.submission.job} may still run ({error}); {words}")
            return
        _record(self._job).unlink(missing_ok=True)
        _say(self._job, f"stopped Ray job {self.submission.job}")


def _submit(cluster: Cluster, launcher: RayLauncher, job: Job) -> Submission:
    log = Path(job.log)
    since = log.stat().st_size if log.exists() else 0
    submission = Submission(job=f"rmr1-{uuid.uuid4().hex[:12]}", since=since)
    variables = {name: os.environ[name] for name in launcher.variables if name in os.environ}
    jsonl.write(_record(job), [submission])
    asked = {
        "submission_id": submission.job,
        "entrypoint": _entrypoint(job, submission),
        "entrypoint_num_cpus": launcher.num_cpus,
        "entrypoint_num_gpus": launcher.num_gpus,
        "entrypoint_resources": dict(launcher.resources),
        "runtime_env": {"env_vars": variables},
        "metadata": {"name": job.name},
    }
    try:
        cluster.submit(asked)
    except BaseException:  # it may have come through all the same
        _record(job).unlink(missing_ok=True)
        with suppress(Silent, Refused):
            cluster.stop(submission.job)
        raise
    _say(job, f"Ray job {submission.job} submitted to {cluster.address}")
    return submission


def _entrypoint(job: Job, submission: Submission) -> str:
    """What Ray runs. One that was stopped while it waited may start still, and must do nothing."""
    run, record, log = (shlex.quote(str(p)) for p in (script(job), _record(job), job.log))
    missing = f"{Path(job.log).parent} is not on this node; the nodes have to share --runs-dir"
    return "; ".join(
        [
            f"[ -f {run} ] || {{ echo {shlex.quote(missing)}; exit 1; }}",
            f"grep -qs {submission.job} {record} || exit 0",
            f"exec /bin/sh {run} >>{log} 2>&1",
        ]
    )


def _left_behind(cluster: Cluster, job: Job) -> Submission | None:
    """The job that an interrupted run left, where it still waits or runs."""
    try:
        submission = msgspec.json.decode(_record(job).read_bytes(), type=Submission)
    except (OSError, msgspec.DecodeError):
        return None
    if cluster.status(submission.job).ended:
        return None
    _say(job, f"joined Ray job {submission.job}")
    return submission


def _check(cluster: Cluster, launcher: RayLauncher, job: Job, following: _Following) -> None:
    """Raise JobFailed unless all went well."""
    status, number, log = following.status, following.submission.job, Path(job.log)
    if status.status == "STOPPED":
        words = f"Ray job {number} was stopped from outside; go on with: rmr1 run --resume"
        raise JobFailed(job.name, words, log)
    if status.status == "FAILED":
        raise JobFailed(job.name, _cause(cluster, job, following), log)
    deadline = time.monotonic() + (launcher.settle_seconds if status.status == "SUCCEEDED" else 0)
    while not Path(job.checkpoint).is_dir():
        if time.monotonic() > deadline:
            gone = f"the Ray cluster knows nothing of job {number} any more, and "
            words = f"it left no checkpoint in {job.checkpoint}"
            raise JobFailed(job.name, gone + words if status.status == "GONE" else words, log)
        time.sleep(min(1.0, launcher.poll_seconds))
        list(Path(job.checkpoint).parent.glob("*"))  # makes a network file system look again


def _cause(cluster: Cluster, job: Job, following: _Following) -> str:
    """The job's own last error; what Ray says where the job itself could not speak."""
    log, since = Path(job.log), following.submission.since
    code = following.status.driver_exit_code
    if log.exists() and log.stat().st_size > since:
        return last_error(log, 1 if code is None else code, since=since)
    kept = ""
    with suppress(Rmr1Error):
        kept = cluster.log(following.submission.job)
    lines = [line for line in kept.splitlines() if line.strip()]
    message = (following.status.message or "").strip()
    return lines[-1] if lines else message or last_error(log, 1, since=since)


def _record(job: Job) -> Path:
    return Path(job.log).with_name("ray.json")


def _say(job: Job, words: str) -> None:
    print(f"{job.name}: {words}", file=sys.stderr, flush=True)
