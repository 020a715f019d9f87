"""The launcher `slurm`: a job is an sbatch script on a shared file system, followed through the
files that it writes there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from rmr1_core import Check, Job, Launcher, Located, Option, hookimpl


class SlurmLauncher(Launcher, frozen=True, kw_only=True):
    """Submits a job's `sbatch.sh` and follows it to its end.

    Nodes and GPUs per node are the trainer's business; what the cluster wants to know beyond that
    are the options here. The run's folder has to be on a file system that all nodes share.
    """

    partition: Annotated[str, Option(description="queue to wait in; see: sinfo")] = ""
    account: Annotated[str, Option(description="account that is charged")] = ""
    qos: Annotated[str, Option(description="quality of service")] = ""
    time: Annotated[
        str, Option(description="time limit as Slurm writes it, such as 12:00:00 or 2-00:00:00")
    ] = ""
    constraint: Annotated[str, Option(description="features that nodes must have, 'h100&ib'")] = ""
    cpus_per_task: Annotated[
        int, Option(description="CPU cores per node; 0: the partition's default", ge=0)
    ] = 0
    mem: Annotated[
        str, Option(description="memory per node, such as 900G; 0 is all that a node has")
    ] = ""
    exclusive: Annotated[bool, Option(description="share the nodes with nobody")] = False
    gres: Annotated[
        str,
        Option(
            description="how GPUs are asked for where --gpus-per-node does not work, such as "
            "gpu:h100:{gpus}, in which {gpus} stands for the number per node"
        ),
    ] = ""
    before: Annotated[
        tuple[str, ...],
        Option(description="shell lines on the first node before all else, such as module load"),
    ] = ()
    sbatch: Annotated[
        tuple[str, ...],
        Option(description="more options of sbatch, verbatim, such as --reservation=training"),
    ] = ()
    requeue: Annotated[
        bool, Option(description="let Slurm start the job again after a node's failure; it resumes")
    ] = True
    resubmit: Annotated[
        int,
        Option(
            description="how often a job that met its time limit is submitted again; it resumes",
            ge=0,
        ),
    ] = 0
    on_interrupt: Annotated[
        Literal["cancel", "leave"],
        Option(description="what Ctrl-C does with the job; rmr1 run --resume finds one left"),
    ] = "cancel"
    poll_seconds: Annotated[
        float, Option(description="time between two questions to Slurm", gt=0)
    ] = 15.0
    settle_seconds: Annotated[
        float,
        Option(description="how long the shared file system may take to show a checkpoint", ge=0),
    ] = 60.0
    join_seconds: Annotated[
        int, Option(description="how long the nodes of a Ray cluster may take to join", ge=1)
    ] = 600

    def files(self, job: Job, located: Located | None) -> Mapping[str, str]:
        """`sbatch.sh`, beside the job's log; `sbatch` takes it by hand, too."""
        from rmr1_slurm.rendering import render, script

        return {str(script(job)): render(self, job, located)}

    def checks(self, job: Job) -> Iterable[Check]:
        """Is there a Slurm, and does it have the partition?"""
        from rmr1_slurm.looking import checks

        return checks(self)

    def run(self, job: Job) -> Iterator[Mapping[str, Any]]:
        """Submit the job, or go on with the one that an interrupted run left, and yield its events.
        Leaving early cancels it, unless `on_interrupt` says otherwise.

        Raises:
            JobFailed: it ended badly, was ended by Slurm, or left no checkpoint.
            UsageError: there is no Slurm here, or it refused the job.
        """
        from rmr1_slurm.following import followed

        return followed(self, job)


@hookimpl
def rmr1_launchers() -> Iterable[Launcher]:
    """Offer Slurm."""
    summary = "batch jobs on a Slurm cluster, on one node or several"
    return [SlurmLauncher(name="slurm", summary=summary)]
