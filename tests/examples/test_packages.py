"""Every package under examples/: short, listed, installed from its wheel, and passing its own
tests."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest
from packages import EXAMPLES, ROOT, TOGETHER, OwnTests
from wheels import Command

MOST_LINES = 100


def lines_of_code(path: Path) -> int:
    """Lines that are neither empty nor a comment nor part of a docstring."""
    text = path.read_text(encoding="utf-8")
    described = {
        number
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and number not in described
        for number, line in enumerate(text.splitlines(), start=1)
    )


@pytest.mark.parametrize("package", TOGETHER, ids=lambda package: package.name)
def test_an_example_is_short_enough_to_be_read(package: Path) -> None:
    """A trainer is two modules, its plan and its process, each within the limit; and so is a
    benchmark with a rule of its own for a part."""
    lines = [lines_of_code(path) for path in package.glob("rmr1_*/**/*.py")]
    assert all(count < MOST_LINES for count in lines)
    assert 0 < len(lines) <= (2 if package.name in {"rmr1-trl", "rmr1-rewardbench2"} else 1)


@pytest.mark.parametrize("package", EXAMPLES, ids=lambda package: package.name)
def test_an_example_uses_the_public_core_alone(package: Path) -> None:
    page = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    public = set(re.findall(r"^\| `(rmr1_core[.\w]*)` \|", page, re.MULTILINE))
    for path in package.glob("rmr1_*/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("rmr1_"):
                module = str(node.module)
                own = module.partition(".")[0] == package.name.replace("-", "_")
                assert own or module in public, f"{path}: {module}"


@pytest.mark.parametrize("package", EXAMPLES, ids=lambda package: package.name)
def test_an_example_has_a_row_in_the_index_and_a_page_of_its_own(package: Path) -> None:
    index = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert f"[{package.name}]({package.name})" in index
    assert (package / "README.md").exists()


@pytest.mark.slow
def test_every_example_is_listed_without_an_error(installed: Command) -> None:
    listed = {row["name"]: row for row in json.loads(installed("rmr1", "plugins", "--json").stdout)}
    for package in TOGETHER:
        project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for name in project["entry-points"]["rmr1"]:
            assert listed[name]["error"] == ""
            assert listed[name]["distribution"] == package.name
            assert listed[name]["offers"]


@pytest.mark.slow
@pytest.mark.parametrize("package", TOGETHER, ids=lambda package: package.name)
def test_an_example_passes_its_own_tests(package: Path, own_tests: OwnTests) -> None:
    assert " passed" in own_tests(package.name).stdout
