"""The checks of recipes, mixtures, commands, observers and whole packages fail where they must."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from rmr1_core import MixSource, Mixture, Ref, RunRecord, Stage
from rmr1_core.errors import UnknownName, UsageError
from rmr1_core.lookup import find
from rmr1_core.testing import (
    check_commands,
    check_mixture,
    check_observer,
    check_plugin,
    check_recipe,
    contract,
)

REWARD = """
from rmr1_core import Check, RewardFunction, hookimpl

class Constant(RewardFunction, frozen=True):
    def __call__(self, judgment, label):
        return 1.0

@hookimpl
def rmr1_rewards():
    return [Constant(name="{name}", summary="{summary}")]
"""
CHECKS = """
@hookimpl
def rmr1_checks():
    return [Check(name="disk", ok=False, detail="{detail}")]

@hookimpl
def rmr1_judged(judgment):
    print({judged})
"""


def stage(**changes: Any) -> Stage:
    made = Stage(name="s", trainer=Ref(name="local-sft"), dataset=Ref(name="toy"), split="sft")
    return msgspec.structs.replace(made, **changes)


def test_the_default_recipe_passes() -> None:
    check_recipe(find("recipe", "toy"))


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"description": ""}, AssertionError, "say what it is"),
        ({"ablations": ("none",)}, AssertionError, "ablation 'none' is no variant"),
        ({"reward": Ref(name="verdct")}, UnknownName, "no reward named 'verdct'"),
        ({"stages": (stage(split="all"),)}, UsageError, "has no split 'all'"),
        ({"stages": (stage(), stage())}, UsageError, "two stages have the same name"),
        ({"prompt": Ref("direct", {"tone": "kind"})}, UsageError, "no option 'tone'"),
    ],
)
def test_a_recipe_that_breaks_a_rule_is_told(
    changes: dict[str, Any], error: type[Exception], complaint: str
) -> None:
    toy = msgspec.structs.replace(find("recipe", "toy"), variants={}, ablations=())
    recipe = msgspec.structs.replace(toy, **changes)
    with pytest.raises(error, match=complaint):
        check_recipe(recipe)


def mixture(**changes: Any) -> Mixture:
    source = MixSource(name="toy", dataset=Ref(name="toy"), split="sft", count=3)
    made = Mixture(name="m", description="A part of the toy.", sources=(source,))
    return msgspec.structs.replace(made, **changes)


def test_a_mixture_that_keeps_its_contract_passes() -> None:
    check_mixture(mixture())


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"description": ""}, AssertionError, "say what it is"),
        ({"sources": (*mixture().sources,) * 2}, UsageError, "two sources are named 'toy'"),
        ({"sources": (MixSource(name="x", dataset=Ref(name="tpy")),)}, UnknownName, "'tpy'"),
        (
            {"sources": (MixSource(name="x", dataset=Ref(name="toy"), split="all"),)},
            UsageError,
            "no split 'all'",
        ),
    ],
)
def test_a_mixture_that_breaks_a_rule_is_told(
    changes: dict[str, Any], error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        check_mixture(mixture(**changes))


def hello(**more: Any) -> click.Command:
    return click.Command("hello", **more)


def test_a_command_with_help_passes() -> None:
    option = click.Option(["--loud"], help="Say it loudly.")
    check_commands(lambda cli: cli.add_command(hello(help="Say hello.", params=[option])))


@pytest.mark.parametrize(
    ("add", "complaint"),
    [
        (lambda cli: None, "it adds no command"),
        (lambda cli: cli.add_command(hello()), "rmr1 hello has no help"),
        (
            lambda cli: cli.add_command(hello(help="Hi.", params=[click.Option(["--loud"])])),
            "rmr1 hello: option --loud has no help",
        ),
        (
            lambda cli: cli.add_command(click.Group("a", [hello()], help="Things.")),
            "rmr1 a hello has no help",
        ),
        (
            lambda cli: cli.add_command(hello(help="Mine."), "bench"),
            "it replaces a command that is there",
        ),
    ],
)
def test_commands_that_break_a_rule_are_told(add: Callable[..., Any], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_commands(add)


def test_an_observer_is_called_as_a_run_does_it(tmp_path: Path) -> None:
    seen: list[Any] = []

    def observe(record: RunRecord, folder: Path) -> None:
        seen.extend((record.status, folder))

    check_observer("rmr1_run_started", observe, tmp_path)
    assert seen == ["started", tmp_path]


def test_an_observer_of_what_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"rmr1_judged: arguments {'verdict'} do not exist"):
        check_observer("rmr1_judged", lambda verdict: None, tmp_path)


# whole packages


@contextmanager
def told(*complaints: str) -> Iterator[None]:
    with pytest.raises(AssertionError) as error:
        yield
    for complaint in complaints:
        assert complaint in str(error.value)


def test_a_package_that_keeps_its_contract_passes(install_plugin: Callable[..., None]) -> None:
    source = REWARD.format(name="constant", summary="one") + CHECKS.format(detail="full", judged=1)
    install_plugin("mine", source, package="rmr1_mine")
    check_plugin("rmr1_mine", whole=True)
    check_plugin("mine")
    names = [str(check) for check in contract("mine", whole=True)]
    assert names == [
        "mine: it works",
        "mine: it loads quickly",
        "rewards/constant",
        "mine: rmr1_checks",
        "mine: rmr1_judged",
    ]


def test_everything_that_is_broken_is_said_at_once(install_plugin: Callable[..., None]) -> None:
    source = REWARD.format(name="A b", summary="") + CHECKS.format(detail="", judged="1 / 0")
    install_plugin("mine", source)
    with told(
        "rewards/A b: 'A b': lower case",
        "rmr1_checks: check 'disk': say what was found",
        "rmr1_judged: ZeroDivisionError: division by zero",
    ):
        check_plugin("mine", whole=True)


def test_a_plugin_that_cannot_be_imported_is_told(install_plugin: Callable[..., None]) -> None:
    install_plugin("mine", "import surely_not_installed")
    with told("mine: it works: ModuleNotFoundError", "mine: it loads quickly: it cannot be"):
        check_plugin("mine")


def test_a_plugin_that_loads_something_heavy_is_told(install_plugin: Callable[..., None]) -> None:
    install_plugin("mine", "import matplotlib\n" + REWARD.format(name="one", summary="x"))
    with told("importing installed_mine loads matplotlib; import it where it is needed"):
        check_plugin("mine")


def test_a_package_that_is_not_there_is_told() -> None:
    with told("no plugin or package named 'rmr1-none' is installed; there is rmr1"):
        check_plugin("rmr1-none")
