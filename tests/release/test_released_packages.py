"""The packages that are released, installed by themselves on every Python that is here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from rmr1_core.processes import capture
from rmr1_core.uv import uv_program

ROOT = Path(__file__).parents[2]
NEWER = ("3.12", "3.13", "3.14")
pytestmark = pytest.mark.slow
# no torch and no engine is needed to test these
TESTS = ("parsing", "values", "jsonl", "scoring", "statistics", "judging", "bench", "recipes")
TESTS += ("discovery", "lookup", "words", "stored", "locks")


class Built(NamedTuple):
    """The files of a release."""

    sdist: Path
    wheel: Path


def _call(*argv: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "RMR1_RUNS")}
    done = subprocess.run(
        argv, cwd=cwd, env=inherited, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The sdist, and the wheel that is built from it and from nothing else."""
    folder = tmp_path_factory.mktemp("dist")
    _call(uv_program(), "build", "--quiet", "--out-dir", folder, ROOT, cwd=folder)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Built(sdist, wheel)


def _pythons() -> Iterator[Path]:
    """The Python of the tests, and each newer one that is found on this machine."""
    yield Path(sys.executable)
    for version in NEWER:
        if version == ".".join(map(str, sys.version_info[:2])):
            continue
        places = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
        for place in [*map(str, reversed(places)), f"python{version}"]:
            if capture([place, "-c", "import sys; print(*sys.version_info[:2], sep='.')"]).strip():
                yield Path(place)
                break


def _installed(python: Path, wheel: Path, folder: Path, *more: str) -> Path:
    """A bare environment with the wheel and what it depends on: its folder of programs."""
    uv, home = uv_program(), folder / "venv"
    _call(uv, "venv", "--quiet", "--python", python, home, cwd=folder)
    options = ("--quiet", "--python", home / "bin" / "python", "-c", ROOT / "constraints.txt")
    _call(uv, "pip", "install", *options, wheel, *more, cwd=folder)
    return home / "bin"


@pytest.mark.parametrize("python", list(_pythons()), ids=lambda path: path.name)
def test_the_wheel_works_alone(python: Path, built: Built, tmp_path: Path) -> None:
    tools = ("hypothesis", "pytest", "pytest-timeout")
    programs = _installed(python, built.wheel, tmp_path, *tools)
    rmr1 = programs / "rmr1"
    told = _call(rmr1, "--version", cwd=tmp_path).stdout
    assert told.startswith("rmr1 ")
    assert "commit" not in told  # there is no checkout
    plugins = json.loads(_call(rmr1, "plugins", "--json", cwd=tmp_path).stdout)
    assert len(plugins) > 20
    assert [plugin for plugin in plugins if plugin["error"]] == []
    _call(rmr1, "list", cwd=tmp_path)
    _call(rmr1, "data", "preview", "toy", cwd=tmp_path)
    _call(rmr1, "bench", "toy", "--backbone", "some/model", "--dry-run", cwd=tmp_path)

    tests = [str(ROOT / "tests" / "core" / f"test_{name}.py") for name in TESTS]
    pytest_ = ("-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *tests)
    _call(programs / "python", *pytest_, cwd=tmp_path)


def test_the_wheel_holds_the_code_and_nothing_else(built: Built) -> None:
    names = zipfile.ZipFile(built.wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert all(top.startswith("rmr1") for top in tops), tops
    assert {"rmr1_core/py.typed"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]


def test_the_sdist_holds_what_its_tests_need(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {"/".join(name.split("/")[1:]) for name in archive.getnames()}
    tracked = capture(["git", "-C", str(ROOT), "ls-files"]).splitlines()
    lacking = {name for name in tracked if not name.startswith(".")} - names
    assert not lacking
