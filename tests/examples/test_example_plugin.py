"""The example package of the tutorial, built, installed and used as its reader would do it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from wheels import Command

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "rmr1-units"


def test_the_benchmark_of_the_example_stays_under_sixty_lines() -> None:
    source = (EXAMPLE / "rmr1_units" / "__init__.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) < 60


@pytest.mark.slow
def test_the_wheels_are_used_and_not_the_checkout(installed: Command) -> None:
    code = "import rmr1_core, rmr1_units; print(rmr1_core.__file__, rmr1_units.__file__)"
    for path in installed("python", "-c", code).stdout.split():
        assert "/venv/" in path


@pytest.mark.slow
def test_the_example_is_listed_like_any_other_benchmark(installed: Command) -> None:
    listed = json.loads(installed("rmr1", "list", "benchmarks", "--json").stdout)
    assert {"name": "units", "plugin": "units"}.items() <= _only(listed, "units").items()
    plugins = json.loads(installed("rmr1", "plugins", "--json").stdout)
    mine = _only(plugins, "units")
    assert mine["distribution"] == "rmr1-units"
    assert mine["error"] == ""
    assert mine["offers"] == {"benchmark": ["units"]}


@pytest.mark.slow
def test_its_option_is_shown_and_checked(installed: Command) -> None:
    shown = json.loads(installed("rmr1", "show", "benchmarks/units", "--json").stdout)
    assert _only(shown["options"], "quantity")["default"] == "all"


@pytest.mark.slow
@pytest.mark.parametrize(("judge", "score", "flips"), [("expert", 1.0, 0), ("first", 0.5, 36)])
def test_the_example_is_judged_in_both_orders(
    installed: Command, judge: str, score: float, flips: int
) -> None:
    done = installed("rmr1", "bench", "units", "--engine", judge, "--json")
    (report,) = json.loads(done.stdout)["reports"]
    assert report["scores"]["headline"]["value"] == pytest.approx(score)
    assert report["scores"]["headline"]["n"] == 36
    assert report["validity"]["judgments"] == 72
    assert report["validity"]["flipped"] == flips
    assert report["missing"] == []


@pytest.mark.slow
def test_one_quantity_is_judged_with_an_option(installed: Command) -> None:
    option = "benchmark.units.quantity=mass"
    done = installed("rmr1", "bench", "units", "--engine", "expert", "-o", option, "--json")
    (report,) = json.loads(done.stdout)["reports"]
    assert report["scores"]["headline"]["n"] == 6


def _only(rows: list[dict[str, object]], name: str) -> dict[str, object]:
    (row,) = [row for row in rows if row["name"] == name]
    return row
