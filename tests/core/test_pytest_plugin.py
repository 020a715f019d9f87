"""The fixtures that plugin authors get with rmr1."""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pluggy
import pytest

from rmr1_core import Judge, Judgment, RewardFunction, Verdict, hookimpl
from rmr1_core.discovery import plugins
from rmr1_core.lookup import find
from rmr1_core.pytest_plugin import Ended
from rmr1_core.testing import check_plugin
from rmr1_core.testing.registered import Registered

Cli = Callable[..., Ended]
pytest_plugins = ["pytester"]


class Constant(RewardFunction, frozen=True, kw_only=True):
    """Always the same."""

    def __call__(self, judgment: Judgment, label: Verdict) -> float:
        return 1.0


CONSTANT = Constant(name="constant", summary="always one")


def test_a_component_is_there_for_one_test(rmr1_plugins: Registered, rmr1_cli: Cli) -> None:
    plugin = rmr1_plugins.add(CONSTANT)
    assert find("reward", "constant") is CONSTANT
    assert "always one" in rmr1_cli("list", "rewards").out
    check_plugin(plugin)


def test_and_gone_in_the_next() -> None:
    assert "constant" not in [offer.component.name for offer in plugins().offers("reward")]


def test_components_are_seen_that_come_after_a_first_look(rmr1_plugins: Registered) -> None:
    assert "constant" not in [offer.component.name for offer in plugins().offers("reward")]
    rmr1_plugins.add(CONSTANT)
    assert find("reward", "constant") is CONSTANT


def test_what_is_no_component_is_refused(rmr1_plugins: Registered) -> None:
    with pytest.raises(TypeError, match=r"42 is no component, recipe, mixture or anchor"):
        rmr1_plugins.add(42)


def module(**functions: Any) -> types.ModuleType:
    made = types.ModuleType("made_here")
    vars(made).update(functions)
    return made


def test_a_module_with_hooks_is_there_for_one_test(rmr1_plugins: Registered, rmr1_cli: Cli) -> None:
    @hookimpl
    def rmr1_commands(cli: click.Group) -> None:
        cli.add_command(click.Command("hello", callback=lambda: click.echo("hello you")))

    assert rmr1_plugins.module(module(rmr1_commands=rmr1_commands)) == "made_here"
    assert rmr1_cli("hello").out == "hello you\n"


def test_its_commands_are_gone_in_the_next(rmr1_cli: Cli) -> None:
    ended = rmr1_cli("hello")
    assert ended.code == 2
    assert ended.err.startswith("error: no command named 'hello'")


def test_a_module_that_breaks_the_contract_is_refused(rmr1_plugins: Registered) -> None:
    @hookimpl
    def rmr1_reward() -> None: ...

    with pytest.raises(pluggy.PluginValidationError, match="did you mean 'rmr1_rewards'"):
        rmr1_plugins.module(module(rmr1_reward=rmr1_reward))


def test_a_script_is_an_engine_of_the_command_line(
    rmr1_engine: Callable[..., Any], rmr1_cli: Cli, rmr1_runs: Path
) -> None:
    rmr1_engine(lambda request: "<answer>[[A]]</answer>")
    ended = rmr1_cli("bench", "toy", "--engine", "script", "--limit", "4", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["reports"][0]["scores"]["headline"]["value"] == 0.5
    assert len(list(rmr1_runs.iterdir())) == 1


def test_a_script_is_a_judge(rmr1_judge: Callable[..., Judge]) -> None:
    judge = rmr1_judge(lambda request: "<answer>[[B]]</answer>", order="chosen-first")
    assert judge.compare("which?", "one", "two").verdict is Verdict.B


def test_the_plugin_imports_nothing_heavy_when_pytest_starts() -> None:
    code = "import sys, pytest; before = set(sys.modules); import rmr1_core.pytest_plugin; "
    code += "print(*sorted({m for m in set(sys.modules) - before if m.startswith('rmr1')}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "rmr1_core.pytest_plugin" in loaded
    assert not {"rmr1_core.discovery", "rmr1_core.testing", "rmr1_core.cli"} & set(loaded)


WHOLE_FILE = """
from rmr1_core.testing import check_plugin, contract
import pytest

def test_the_plugin_keeps_the_contract():
    check_plugin("verdict-rewards")

@pytest.mark.parametrize("check", contract("verdict-rewards"), ids=str)
def test_the_contract(check):
    check()
"""


@pytest.mark.slow
def test_a_whole_test_file_of_an_author_runs_under_xdist(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(WHOLE_FILE)
    names = "test_the_contract[[]rewards/verdict] PASSED"
    pytester.runpytest_subprocess("-v").stdout.fnmatch_lines([f"*{names}*"])
    result = pytester.runpytest_subprocess("-n", "2")
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] > 3
