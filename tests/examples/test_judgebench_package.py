"""The example package of JudgeBench, built, installed and used as its reader would do it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from wheels import Command


@pytest.mark.slow
def test_judgebench_is_offered_for_both_writers(installed: Command) -> None:
    listed = json.loads(installed("rmr1", "list", "benchmarks", "--json").stdout)
    assert {"judgebench", "judgebench-claude"} <= {row["name"] for row in listed}


@pytest.mark.slow
def test_the_authors_data_is_judged_in_both_orders(installed: Command, shared: Path) -> None:
    data = str(shared / "data" / "judgebench")
    names = ("judgebench", "judgebench-claude", "--data", data)
    done = installed("rmr1", "bench", *names, "--backbone", "x/y", "--dry-run", "--json")
    assert [row["judgments"] for row in json.loads(done.stdout)] == [700, 540]
