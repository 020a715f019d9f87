"""The launcher `ray`: a job is handed to a Ray cluster that is already there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from rmr1_core import Check, Job, Launcher, Option, hookimpl


class RayLauncher(Launcher, frozen=True, kw_only=True):
    """Submits a job's script through Ray's job API and follows it to its end.

    The script runs on one node of the cluster, and what it starts finds the others through
    `RAY_ADDRESS`, which Ray sets. The run's folder has to be on a file system that all nodes share,
    and so does the job's environment. rmr1 itself needs no Ray.
    """

    address: Annotated[
        str,
        Option(
            description="of the cluster's dashboard, such as http://head:8265; when empty, "
            "$RAY_API_SERVER_ADDRESS or $RAY_ADDRESS"
        ),
    ] = ""
    num_cpus: Annotated[
        float, Option(description="CPUs kept for the script itself, beside its workers'", ge=0)
    ] = 0
    num_gpus: Annotated[
        float,
        Option(description="GPUs kept for the script itself; workers ask for their own", ge=0),
    ] = 0
    resources: Annotated[
        Mapping[str, float], Option(description="custom resources kept for the script itself")
    ] = {}
    variables: Annotated[
        tuple[str, ...],
        Option(description="environment variables to take along from here, such as HF_TOKEN"),
    ] = ()
    wait_seconds: Annotated[
        float,
        Option(description="how long it may wait for the cluster to have room for it", gt=0),
    ] = 600.0
    poll_seconds: Annotated[
        float, Option(description="time between two questions to the cluster", gt=0)
    ] = 5.0
    settle_seconds: Annotated[
        float,
        Option(description="how long the shared file system may take to show a checkpoint", ge=0),
    ] = 60.0

    def checks(self, job: Job) -> Iterable[Check]:
        """Does the cluster answer, and does its Ray match the environment's?"""
        from rmr1_ray.checking import checks

        return checks(self, job)

    def run(self, job: Job) -> Iterator[Mapping[str, Any]]:
        """Submit the job, or go on with the one that an interrupted run left, and yield its events.
        Leaving early stops it.

        Raises:
            JobFailed: it ended badly, found no room in the cluster, or left no checkpoint.
            UsageError: no cluster answers, or it refused the job.
        """
        from rmr1_ray.following import followed

        return followed(self, job)


@hookimpl
def rmr1_launchers() -> Iterable[Launcher]:
    """Offer Ray."""
    return [RayLauncher(name="ray", summary="jobs on a Ray cluster that is already there")]
