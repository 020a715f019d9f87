"""Clusters for the launchers' slow tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import slurm_cluster


@pytest.fixture(scope="session")
def slurm_conf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A real Slurm of two nodes, started once for all tests."""
    problem = slurm_cluster.missing()
    if problem:
        pytest.skip(problem)
    with slurm_cluster.cluster(tmp_path_factory.mktemp("slurm")) as configuration:
        yield configuration


@pytest.fixture
def real_slurm(slurm_conf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as Slurm's programs find it."""
    monkeypatch.setenv("SLURM_CONF", str(slurm_conf))
    return slurm_conf
