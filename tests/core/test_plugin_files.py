"""Plugins in one file: named on the command line, in a recipe, and in the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rmr1_core.cli import run_command
from rmr1_core.discovery import plugins

SOURCE = """
import click
from rmr1_core import RewardFunction, hookimpl

class Fixed(RewardFunction, frozen=True):
    def __call__(self, judgment, label):
        return {score}

@hookimpl
def rmr1_rewards():
    return [Fixed(name="fixed", summary="always the same")]

@hookimpl
def rmr1_commands(cli):
    @cli.command()
    def hello():
        click.echo("hello")
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A plugin in a file of its own, in the present folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RMR1_PLUGINS", raising=False)
    path = tmp_path / "mine.py"
    path.write_text(SOURCE.format(score=1.0))
    plugins.cache_clear()
    yield path
    plugins.cache_clear()


def test_a_file_is_a_plugin_for_one_command(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["--plugin", "mine.py", "list", "rewards"]) == 0
    assert "always the same" in capsys.readouterr().out
    assert run_command(["list", "rewards"]) == 0
    assert "always the same" not in capsys.readouterr().out
    assert "RMR1_PLUGINS" not in os.environ


def test_a_file_may_add_commands(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([f"--plugin={mine}", "hello"]) == 0
    assert capsys.readouterr().out == "hello\n"
    assert run_command(["hello"]) == 2


def test_files_are_listed_with_their_path_and_hash(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    assert run_command(["--plugin", "mine.py", "plugins", "--json"]) == 0
    (row,) = (row for row in json.loads(capsys.readouterr().out) if row["name"] == "mine")
    assert row["file"] == str(mine)
    assert row["version"].startswith("sha256:")
    assert row["offers"] == {"reward": ["fixed"]}
    assert row["commands"] == ["hello"]
    assert row["hooks"] == ["rmr1_commands", "rmr1_rewards"]


def test_processes_that_a_command_starts_have_its_plugins(
    mine: Path, rmr1: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(
        "rmr1_core.cli.inspect.echo_json", lambda rows: seen.append(os.environ["RMR1_PLUGINS"])
    )
    assert run_command(["--plugin", "mine.py", "list", "rewards", "--json"]) == 0
    assert seen == [str(mine)]


def test_the_environment_names_files_too(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RMR1_PLUGINS", f"mine.py{os.pathsep}gone.py")
    assert run_command(["list", "rewards"]) == 0
    printed = capsys.readouterr()
    assert "always the same" in printed.out
    assert printed.err == (
        f"warning: RMR1_PLUGINS: {mine.parent / 'gone.py'}: this plugin cannot be read: "
        "No such file or directory\n"
    )


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("def f(:", ", row 1: this is no valid Python: invalid syntax; try: python "),
        ("x = '\0'", ": this is no valid Python: source code string cannot contain null bytes"),
        (
            "\n\nimport not_there",
            ", row 3: this plugin cannot be imported: ModuleNotFoundError: No module named 'not_th",
        ),
        ("raise SystemExit(3)", ", row 1: this plugin cannot be imported: SystemExit: 3"),
        ("x = 1", ": no function is marked with @hookimpl, so this is no plugin"),
        (
            SOURCE.replace("rmr1_rewards", "rmr1_reward"),
            "no hook is named 'rmr1_reward'; did you mean 'rmr1_rewards'?",
        ),
    ],
)
def test_a_file_that_is_no_plugin_is_refused_in_a_sentence(
    mine: Path, capsys: pytest.CaptureFixture[str], source: str, error: str
) -> None:
    mine.write_text(source)
    assert run_command(["--plugin", "mine.py", "list", "rewards"]) == 2
    said = capsys.readouterr().err
    assert error in said
    assert len(said.splitlines()) == 1
    assert run_command(["list", "rewards"]) == 0


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("gone.py", "gone.py: this plugin cannot be read: No such file or directory"),
        ("mine", "a plugin in one file ends with .py; a package: rmr1 install PATH"),
    ],
)
def test_a_file_that_is_not_there_is_refused(
    mine: Path, capsys: pytest.CaptureFixture[str], name: str, error: str
) -> None:
    assert run_command(["--plugin", name, "list", "rewards"]) == 2
    assert error in capsys.readouterr().err


def test_two_files_of_one_name_are_refused(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = mine.parent / "other" / "mine.py"
    other.parent.mkdir()
    other.write_text(SOURCE.format(score=2.0))
    assert run_command(["--plugin", "mine.py", "--plugin", "other/mine.py", "list", "rewards"]) == 2
    assert f"{other} and {mine} are both called 'mine'; rename one" in capsys.readouterr().err


def test_a_file_of_the_name_of_an_installed_plugin_is_refused(
    mine: Path, install_plugin: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    install_plugin("mine", SOURCE.format(score=2.0))
    assert run_command(["--plugin", "mine.py", "list", "rewards"]) == 2
    assert "an installed plugin is called 'mine', too; rename the file" in capsys.readouterr().err


def test_the_option_after_the_command_is_refused_with_where_it_belongs(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["list", "rewards", "--plugin", "mine.py"]) == 2
    assert "write it before the command: rmr1 --plugin FILE list …" in capsys.readouterr().err
