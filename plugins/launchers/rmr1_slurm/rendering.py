"""An sbatch script is plain text that explains itself: what Slurm is asked for, what every process
gets, what connects the nodes, and the job's own steps.

The batch script runs on the first node. Steps for all nodes go through srun; the others run in the
batch script itself, which has all of the first node's resources.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from rmr1_core import Job, Located
from rmr1_core.jobs import settings

if TYPE_CHECKING:
    from rmr1_slurm import SlurmLauncher


def script(job: Job) -> Path:
    """Where the job's sbatch script is."""
    return _beside(job, "sbatch.sh")


def render(launcher: SlurmLauncher, job: Job, located: Located | None) -> str:
    """The sbatch script of a job, in the environment `located`."""
    asked = [f"#SBATCH {option}" for option in _options(launcher, job)]
    parts = [
        "\n".join(["#!/bin/bash", f"# {job.name}", *asked]),
        "\n".join(launcher.before),
        settings(job, located),
        *_nodes(launcher, job, located),
        "\n".join(_steps(job)),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def job_name(job: Job) -> str:
    """What the queue shows."""
    return "rmr1-" + re.sub(r"[^\w.-]+", "-", job.name)


def _options(launcher: SlurmLauncher, job: Job) -> Iterator[str]:
    yield f"--job-name={job_name(job)}"
    yield f"--output={_pattern(job.log)}"
    yield "--open-mode=append"
    yield f"--nodes={job.nodes}"
    yield "--ntasks-per-node=1"
    if job.gpus_per_node > 0 and launcher.gres:
        yield f"--gres={launcher.gres.replace('{gpus}', str(job.gpus_per_node))}"
    elif job.gpus_per_node > 0:
        yield f"--gpus-per-node={job.gpus_per_node}"
    for name in ("partition", "account", "qos", "time", "constraint", "mem"):
        value = getattr(launcher, name)
        if value:
            yield f"--{name}={_quoted(value)}"
    if launcher.cpus_per_task:
        yield f"--cpus-per-task={launcher.cpus_per_task}"
    if launcher.exclusive:
        yield "--exclusive"
    yield "--requeue" if launcher.requeue else "--no-requeue"
    yield from launcher.sbatch


def _nodes(launcher: SlurmLauncher, job: Job, located: Located | None) -> Iterator[str]:
    """What connects several nodes; one node needs nothing of it."""
    if job.nodes == 1:
        if job.cluster == "ray":
            yield _text("one_node_ray.sh")
        return
    python = sys.executable if located is None else str(located.python)
    yield "\n".join([f"nodes={job.nodes}", f"python={shlex.quote(python)}"])
    yield _text("nodes.sh")
    if job.cluster == "torchrun":
        yield _text("torchrun.sh")
    if job.cluster == "ray":
        ray_log, logs = (shlex.quote(str(_beside(job, name))) for name in ("ray.log", "ray-logs"))
        yield "\n".join(
            [
                f"gpus={job.gpus_per_node}",
                f"join_seconds={launcher.join_seconds}",
                f"ray_log={ray_log} ray_logs={logs}",
            ]
        )
        yield _text("ray.sh")


def _beside(job: Job, name: str) -> Path:
    return Path(job.log).with_name(name)


def _steps(job: Job) -> Iterator[str]:
    for step in job.steps:
        words = shlex.join(step.argv)
        if step.everywhere and job.nodes > 1:
            words = f"everywhere {words}"
            if job.cluster == "torchrun":
                yield "meet"
        yield words


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8").strip()


def _pattern(path: str) -> str:
    """A path where Slurm replaces %j and the like."""
    return _quoted(path.replace("%", "%%"))


def _quoted(value: str) -> str:
    """A value as sbatch reads it in a script: not by a shell's rules."""
    escaped = re.sub(r'(["\\])', r"\\\1", value)
    return f'"{escaped}"' if re.search(r"[\s#&|;']", value) else escaped
