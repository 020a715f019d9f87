"""The example package of JudgeBench, built, installed and used as its reader would do it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import wheels
from wheels import Command

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "rmr1-judgebench"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Run something in a fresh environment with the project and the example as wheels."""
    return wheels.fresh_environment(tmp_path_factory.mktemp("judgebench"), ROOT, EXAMPLE)[1]


@pytest.mark.slow
def test_judgebench_is_offered_for_both_writers(installed: Command) -> None:
    listed = json.loads(installed("rmr1", "list", "benchmarks", "--json").stdout)
    assert {"judgebench", "judgebench-claude"} <= {row["name"] for row in listed}


@pytest.mark.slow
def test_judgebench_passes_its_own_tests(installed: Command) -> None:
    options = ["-p", "no:cacheprovider", "--rootdir", str(EXAMPLE), "-c", os.devnull]
    installed("python", "-m", "pytest", "-q", *options, str(EXAMPLE / "tests"))


@pytest.mark.slow
def test_the_authors_data_is_judged_in_both_orders(installed: Command, shared: Path) -> None:
    data = str(shared / "data" / "judgebench")
    names = ("judgebench", "judgebench-claude", "--data", data)
    done = installed("rmr1", "bench", *names, "--backbone", "x/y", "--dry-run", "--json")
    assert [row["judgments"] for row in json.loads(done.stdout)] == [700, 540]
