"""Before hours are spent: the cluster answers, and its Ray is that of the job's environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rmr1_core import Check, Job
from rmr1_core.environments import if_built
from rmr1_core.errors import Rmr1Error
from rmr1_ray.cluster import Cluster

if TYPE_CHECKING:
    from rmr1_ray import RayLauncher


def checks(launcher: RayLauncher, job: Job) -> Iterator[Check]:
    """What is found out by two questions."""
    try:
        cluster = Cluster(launcher)
        version = cluster.version()
    except Rmr1Error as error:
        yield Check(name="ray", ok=False, detail=str(error))
        return
    yield Check(name="ray", ok=True, detail=f"Ray {version} at {cluster.address}")
    own = _version_in(job.environment) if job.cluster == "ray" else ""
    if own and own != version:
        words = f"the cluster has Ray {version} and environment {job.environment} has {own}"
        detail = f"{words}; workers and cluster must be of the same release"
        yield Check(name="ray release", ok=False, detail=detail)


def _version_in(environment: str) -> str:
    located = if_built(environment)
    if located is None:
        return ""
    found = located.python.parent.parent.glob("lib/python*/site-packages/ray-*.dist-info")
    return next((path.name.removesuffix(".dist-info").partition("-")[2] for path in found), "")
