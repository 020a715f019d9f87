"""The launcher `local`: a job is a process on this machine that ends with the run."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rmr1_core import Check, Job, Launcher, hookimpl
from rmr1_core.errors import JobFailed, UsageError


class LocalLauncher(Launcher, frozen=True, kw_only=True):
    """Runs a job's script as a child process, its output in the job's log."""

    def checks(self, job: Job) -> Iterable[Check]:
        """Is one machine enough?"""
        if problem := _too_many_nodes(job):
            yield Check(name="nodes", ok=False, detail=problem)

    def run(self, job: Job) -> Iterator[Mapping[str, Any]]:
        """Run the job and yield its events; leaving early stops it and all its descendants, and so
        does the end of this process by whatever means.

        Raises:
            JobFailed: it ended badly, or without the checkpoint that it promised.
            UsageError: it wants several machines.
        """
        from rmr1_core.jobs import Heartbeat, follow, last_error, script
        from rmr1_core.leftovers import swept
        from rmr1_core.processes import running

        if problem := _too_many_nodes(job):
            raise UsageError(problem)
        log = Path(job.log)
        before = log.stat().st_size if log.exists() else 0
        heartbeat = Heartbeat(job, self)
        command = ["/bin/sh", str(script(job))]
        with (
            swept(log.parent) as marked,
            running(command, env={**marked, **_rendezvous(job)}, log=log) as it,
        ):

            def ended() -> bool:
                heartbeat.look()
                return it.poll() is not None

            yield from follow(Path(job.events), ended)
            code = it.wait()
        if code != 0:
            raise JobFailed(job.name, last_error(log, code, since=before), log)
        if not Path(job.checkpoint).is_dir():
            raise JobFailed(job.name, f"it left no checkpoint in {job.checkpoint}", log)


def _too_many_nodes(job: Job) -> str:
    """Why the job cannot run here; "" where it can."""
    if job.nodes == 1 or (job.cluster == "ray" and os.environ.get("RAY_ADDRESS")):
        return ""
    return (
        f"launcher 'local' is this machine alone, and {job.name} wants {job.nodes} nodes; run it "
        "with: --set launcher.name=slurm, or with its trainer's option nodes=1"
    )


def _rendezvous(job: Job) -> Mapping[str, str]:
    """A free port for torchrun, so that two runs at once do not want the same one."""
    if job.cluster != "torchrun" or "PET_MASTER_PORT" in os.environ:
        return {}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return {"PET_MASTER_PORT": str(free.getsockname()[1])}


@hookimpl
def rmr1_launchers() -> Iterable[Launcher]:
    """Offer this machine."""
    return [LocalLauncher(name="local", summary="processes on this machine")]
