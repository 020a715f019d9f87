"""The launcher `sky`: a job as a task of SkyPilot, on a machine that is rented for it.

By default nothing is rented: the task file and the command are there to be read and run by hand.
With `launch` the command is run, the job's output is followed, and its folder is fetched. The task
file is YAML whose values are written as JSON, which YAML contains.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from rmr1_core import Check, Job, Launcher, Located, Option, hookimpl
from rmr1_core.errors import JobFailed, UsageError
from rmr1_core.jobs import Heartbeat, follow, last_error, settings
from rmr1_core.processes import ask, running


class SkyLauncher(Launcher, frozen=True, kw_only=True):
    """Renders `sky.yaml` beside the job's log; rents and runs only with `launch`.

    The run's folder is copied to the machine at the same path, and copied back at the end, so
    steps are shown when the job is over; its output is in the log as it comes. For jobs on one
    machine, in the environment of rmr1 itself.
    """

    launch: Annotated[bool, Option(description="rent a machine, which costs money")] = False
    infra: Annotated[str, Option(description="where, such as aws/us-east-1 or k8s")] = ""
    accelerator: Annotated[str, Option(description="GPU where the trainer names none")] = "H100"
    spot: Annotated[bool, Option(description="a machine that may be taken away; cheaper")] = False
    disk_gb: Annotated[int, Option(description="disk of the machine, in GB", ge=1)] = 256
    idle_minutes: Annotated[int, Option(description="idle time until it is given back")] = 10
    setup: Annotated[
        tuple[str, ...], Option(description="shell lines that install what the job needs")
    ] = ("pip install 'rmr1[local]'",)

    def files(self, job: Job, located: Located | None) -> Mapping[str, str]:
        """`sky.yaml`, which `sky launch` takes by hand, too."""
        run_folder = str(Path(job.log).parents[2])
        gpus = {"accelerators": f"{self.accelerator}:{max(1, job.gpus_per_node)}"}
        where = {"infra": self.infra} if self.infra else {}
        resources = gpus | where | {"use_spot": self.spot, "disk_size": self.disk_gb}
        steps = [shlex.join(_portable(step.argv)) for step in job.steps]
        blocks = {"setup": "\n".join(self.setup), "run": "\n".join([settings(job), *steps])}
        lines = [f"# {shlex.join(_command(self, job))}", f"name: {json.dumps(_name(job))}"]
        lines += ["resources:", *(f"  {k}: {json.dumps(v)}" for k, v in resources.items())]
        lines += ["file_mounts:", f"  {json.dumps(run_folder)}: {json.dumps(run_folder)}"]
        for name, block in blocks.items():
            lines += [f"{name}: |", *(f"  {line}" for line in block.splitlines())]
        return {str(_task(job)): "\n".join([*lines, ""])}

    def checks(self, job: Job) -> Iterable[Check]:
        """Can the job run so, and is SkyPilot here?"""
        problem = _problem(job)
        yield Check(name="sky job", ok=not problem, detail=problem or "one machine")
        missing = [name for name in ("sky", "rsync") if shutil.which(name) is None]
        words = f"no {missing[0]} here; pip install skypilot" if missing else "sky and rsync"
        yield Check(name="sky", ok=not missing if self.launch else None, detail=words)

    def run(self, job: Job) -> Iterator[Mapping[str, Any]]:
        """Rent, run, fetch, and yield the job's events. Leaving early gives the machine back.

        Raises:
            UsageError: `launch` is off, or the job needs more than this launcher can do.
            JobFailed: with the job's own last error.
        """
        if problem := _problem(job):
            raise UsageError(problem)
        if not self.launch:
            by_hand = shlex.join(_command(self, job))
            raise UsageError(
                f"nothing was rented: look at {_task(job)}, then run: {by_hand}; or let rmr1 do "
                "it: --set launcher.options.launch=true"
            )
        log, heartbeat = Path(job.log), Heartbeat(job, self)
        before = log.stat().st_size if log.exists() else 0
        try:
            with running(_command(self, job), env={}, log=log) as process:

                def ended() -> bool:
                    heartbeat.look()
                    return process.poll() is not None and _fetch(job)

                yield from follow(Path(job.events), ended)
            if code := process.wait():
                raise JobFailed(job.name, last_error(log, code, since=before), log)
            if not Path(job.checkpoint).is_dir():
                raise JobFailed(job.name, f"it left no checkpoint in {job.checkpoint}", log)
        finally:
            ask(["sky", "down", "--yes", _name(job)], timeout=600)


def _command(launcher: SkyLauncher, job: Job) -> list[str]:
    idle = str(launcher.idle_minutes)
    options = ["--yes", "--cluster", _name(job), "--down", "--idle-minutes-to-autostop", idle]
    return ["sky", "launch", *options, str(_task(job))]


def _fetch(job: Job) -> bool:
    folder = str(Path(job.log).parent)
    code, _, errors = ask(["rsync", "-a", f"{_name(job)}:{folder}/", f"{folder}/"], timeout=3600)
    if code:
        words = f"its results could not be fetched: {errors.strip() or f'exit code {code}'}"
        raise JobFailed(job.name, words, job.log)
    return True


def _problem(job: Job) -> str:
    if job.nodes > 1:
        return f"{job.name} wants {job.nodes} machines; use: --set launcher.name=slurm"
    if job.environment:
        return f"{job.name} needs the environment {job.environment!r}, which is not built there"
    return ""


def _task(job: Job) -> Path:
    return Path(job.log).with_name("sky.yaml")


def _name(job: Job) -> str:
    words = f"rmr1-{Path(job.log).parents[2].name}-{job.name}".lower()
    return re.sub(r"[^a-z0-9]+", "-", words)[-40:].strip("-")


def _portable(argv: tuple[str, ...]) -> list[str]:
    return ["python" if word == sys.executable else word for word in argv]


@hookimpl
def rmr1_launchers() -> Iterable[Launcher]:
    """Offer SkyPilot."""
    return [SkyLauncher(name="sky", summary="a machine that SkyPilot rents for the job")]
