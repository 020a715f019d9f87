"""What must hold before a version is released."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from rmr1_core import __version__

ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_changelog_speaks_of_this_version() -> None:
    unreleased, *released = re.findall(r"^## \[([^\]]+)\]", CHANGELOG, re.MULTILINE)
    assert unreleased == "Unreleased"
    if released:
        assert released[0] == __version__
    else:  # before the first release it says which version it will be
        assert f"to become {__version__}" in CHANGELOG


def test_every_released_version_has_its_day() -> None:
    for line in re.findall(r"^## \[\d.*$", CHANGELOG, re.MULTILINE):
        assert re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", line), line


def test_the_versions_of_python_that_are_promised_are_those_that_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    kinds = project["classifiers"]
    minors = [int(k.rpartition(".")[2]) for k in kinds if re.search(r":: Python :: 3\.\d+$", k)]
    assert project["requires-python"] == f">=3.{min(minors)}"
    assert minors == list(range(min(minors), max(minors) + 1))


@pytest.mark.parametrize("name", ["LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_what_a_reader_looks_for_first_is_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 500
