"""Packages that `rmr1 new plugin` writes: they are whole, pass their tests, and show up at once."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wheels
from click.testing import CliRunner

from rmr1_core import hookspecs
from rmr1_core.cli.new import plugin as command
from rmr1_core.components import KINDS as COMPONENTS
from rmr1_core.discovery import OFFERS, plugins
from rmr1_core.errors import UnknownName, UsageError
from rmr1_core.pytest_plugin import Ended
from rmr1_core.scaffolding import KINDS, LICENCES, NewPlugin, new_plugin, supported, write
from rmr1_core.testing import contract
from rmr1_core.uv import settings, uv_program

ROOT = Path(__file__).parents[2]
LONG = "a-name-as-long-as-may-be"
RUFF = Path(sysconfig.get_path("scripts")) / "ruff"

Cli = Callable[..., Ended]


@pytest.fixture
def installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[NewPlugin], None]]:
    """A written package on the path, with what an installer leaves beside it."""
    modules: list[str] = []

    def install(new: NewPlugin) -> None:
        write(new)
        project = tomllib.loads(new.files["pyproject.toml"])["project"]
        ((name, module),) = project["entry-points"]["rmr1"].items()
        modules.append(module)
        info = new.folder / f"{module}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {new.package}\nVersion: 0.1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[rmr1]\n{name} = {module}\n")
        monkeypatch.syspath_prepend(str(new.folder))
        plugins.cache_clear()

    plugins.cache_clear()
    yield install
    for module in modules:
        sys.modules.pop(module, None)
    plugins.cache_clear()


def test_every_kind_of_component_and_every_hook_can_be_scaffolded() -> None:
    assert {*COMPONENTS, *OFFERS} <= set(KINDS)
    offered = {f"rmr1_{kind}s" for kind in KINDS}
    rest = {name for name in vars(hookspecs) if name.startswith("rmr1_")} - offered
    observers = {"rmr1_run_started", "rmr1_judged", "rmr1_stepped", "rmr1_run_finished"}
    assert rest <= observers | {"rmr1_distilled", "rmr1_checks"}


def test_new_plugins_of_every_kind_keep_the_contract(
    tmp_path: Path, installed: Callable[[NewPlugin], None]
) -> None:
    packages = {kind: new_plugin(kind, f"fresh-{kind}", parent=tmp_path) for kind in KINDS}
    for new in packages.values():
        installed(new)
    listed = {plugin.name: plugin for plugin in plugins().listing()}
    for kind, new in packages.items():
        name = f"fresh-{kind}"
        assert (listed[name].error, listed[name].distribution) == ("", new.package)
        if kind in OFFERS:
            assert name in [offer.component.name for offer in plugins().offers(kind)]
        for check in contract(new.package):
            if not str(check).endswith("loads quickly"):  # in a process of its own
                check()


def test_new_plugins_are_written_as_ruff_would_do_it(tmp_path: Path) -> None:
    for kind in KINDS:
        for name in ("x", f"fresh-{kind}", LONG):
            new = new_plugin(kind, name, parent=tmp_path / kind)
            write(new)
            for path, text in new.files.items():
                if path.endswith(".py"):
                    ast.parse(text, path)
                assert "{{" not in text.replace("${{", ""), path
    for check in (["check"], ["format", "--check", "--diff"]):
        done = subprocess.run(
            [RUFF, *check, "--no-cache", str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_plugin_says_whose_it_is_and_which_versions_it_is_for(tmp_path: Path) -> None:
    author = 'Ada "A." Lovelace'
    new = new_plugin("reward", "short", parent=tmp_path, author=author, licence="MIT")
    project = tomllib.loads(new.files["pyproject.toml"])["project"]
    assert project["authors"] == [{"name": author}]
    assert project["license"] == "MIT"
    assert project["dependencies"] == ["rmr1>=0.1,<0.4"]
    assert author in new.files["LICENSE"]
    assert "LICENSE" not in new_plugin("reward", "short", licence="none").files
    assert "Apache License" in new_plugin("reward", "short").files["LICENSE"]


@pytest.mark.parametrize(
    ("version", "range_"),
    [("0.1.0", ">=0.1,<0.4"), ("0.12.3", ">=0.12,<0.15"), ("1.4.0", ">=1.4,<2")],
)
def test_a_plugin_is_for_the_versions_that_the_promise_covers(version: str, range_: str) -> None:
    assert supported(version) == range_


@pytest.mark.parametrize(
    "name", ["", "9lives", "Short", "a_b", "a--b", "-a", "a-", "a/b", "ä", "../x", "x" * 25]
)
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be a plugin's name: at most 24 of a-z"):
        new_plugin("reward", name)


@pytest.mark.parametrize(
    ("kind", "name", "taken"),
    [
        ("reward", "toy", "package 'rmr1' has a plugin 'toy'"),
        ("reward", "verdict", "plugin 'verdict-rewards' offers a reward 'verdict'"),
        ("dataset", "core", "a module 'rmr1_core' is installed"),
    ],
)
def test_a_name_that_is_taken_is_refused(kind: str, name: str, taken: str) -> None:
    with pytest.raises(UsageError, match=f"is taken: {taken}; choose another one"):
        new_plugin(kind, name)


def test_the_name_of_a_command_that_is_there_is_refused(rmr1_cli: Cli) -> None:
    ended = rmr1_cli("new", "plugin", "command", "bench")
    assert (ended.code, ended.err) == (
        2,
        "error: the name 'bench' is taken: there is rmr1 bench; choose another one\n",
    )


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownName, match="no kind of plugin named 'rewad'; did you mean 'reward'"):
        new_plugin("rewad", "short")


def test_a_folder_that_is_there_is_left_alone(rmr1_cli: Cli) -> None:
    assert rmr1_cli("new", "plugin", "rewards", "rmr1-short").code == 0
    ended = rmr1_cli("new", "plugin", "reward", "short")
    assert ended.code == 2
    assert ended.err.startswith("error: rmr1-short is there already; say another place with --dir")


def test_it_ends_with_what_to_type_next(rmr1_cli: Cli) -> None:
    ended = rmr1_cli("new", "plugin", "reward", "short")
    assert ended.out.splitlines()[-4:] == [
        "next:",
        "  rmr1 install --editable rmr1-short",
        "  pytest rmr1-short",
        "  rmr1 run --smoke --set reward.name=short --dry-run",
    ]
    assert Path("rmr1-short/rmr1_short/__init__.py").is_file()


def test_a_dry_run_writes_nothing(rmr1_cli: Cli) -> None:
    ended = rmr1_cli("new", "plugin", "trainer", "mine", "--dry-run", "--json")
    assert "rmr1_mine/work.py" in ended.json["files"]
    assert not ended.json["written"]
    assert not Path("rmr1-mine").exists()


def test_a_place_that_cannot_be_written_is_a_sentence(rmr1_cli: Cli) -> None:
    Path("file").write_text("")
    ended = rmr1_cli("new", "plugin", "reward", "short", "--dir", "file/deeper")
    assert ended.code == 2
    assert "say another place with --dir" in ended.err


def test_the_help_names_every_kind_and_licence() -> None:
    words = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    for kind in KINDS:
        assert kind in words
    assert "|".join(LICENCES) in words


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_plugin_of_every_kind_is_scaffolded_installed_tested_and_listed(tmp_path: Path) -> None:
    """In one fresh environment, from wheels: ours, and one for each new package."""
    packages = {}
    for kind in KINDS:
        new = new_plugin(kind, f"fresh-{kind}", parent=tmp_path / "packages")
        write(new)
        packages[kind] = new
    _, run = wheels.fresh_environment(tmp_path, ROOT)
    uv = [uv_program(), "pip", "install", "--quiet", "--no-deps"]
    folders = [str(new.folder) for new in packages.values()]
    python = str(tmp_path / "venv" / "bin" / "python")
    told = {**os.environ, **settings()}
    subprocess.run([*uv, "--python", python, *folders], check=True, env=told)
    run("rmr1", "new", "plugin", "reward", "another")  # the templates are in the wheel, too
    listed: list[dict[str, Any]] = json.loads(run("rmr1", "plugins", "--json").stdout)
    offers = {p["name"]: p["offers"] for p in listed if not p["error"]}
    for kind in packages:
        assert f"fresh-{kind}" in offers
        if kind in OFFERS:
            assert f"fresh-{kind}" in offers[f"fresh-{kind}"][kind]
    options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path)]
    run("python", "-m", "pytest", *options, *(f"{folder}/tests" for folder in folders))
    for new in packages.values():
        program, *arguments = new.next[-1].split()
        run(program, *arguments)
