from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from rmr1_core.discovery import Plugin, Plugins, plugins
from rmr1_core.observers import Observers
from rmr1_core.testing import example_pair, judgment
from rmr1_core.values import Verdict

Install = Callable[..., None]

REWARD = """
from rmr1_core import RewardFunction, hookimpl

class Constant(RewardFunction, frozen=True):
    def __call__(self, judgment, label):
        return 1.0

@hookimpl
def rmr1_rewards():
    return [Constant(name="{name}", summary="always one")]
"""


def listed(name: str) -> Plugin:
    return next(plugin for plugin in plugins().listing() if plugin.name == name)


def rewards() -> list[str]:
    return [offer.component.name for offer in plugins().offers("reward")]


def test_an_installed_plugin_is_found_by_its_entry_point(install_plugin: Install) -> None:
    install_plugin("mine", REWARD.format(name="constant"), version="2.5")
    assert msgspec.structs.replace(listed("mine"), seconds=0.0) == Plugin(
        name="mine", module="installed_mine", distribution="installed_mine", version="2.5"
    )
    assert "constant" in rewards()


def test_first_party_plugins_are_found_the_same_way() -> None:
    assert {plugin.distribution for plugin in plugins().listing()} == {"rmr1"}
    assert [p.error for p in plugins().listing() if p.error] == []


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import surely_not_installed", "ModuleNotFoundError: No module named 'surely_not"),
        ("raise RuntimeError('not\\ntoday')", "RuntimeError: not today"),
        ("import sys; sys.exit('gone')", "SystemExit: gone"),
        ("def f(:", "SyntaxError"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_kept_with_its_error(
    install_plugin: Install, source: str, error: str
) -> None:
    install_plugin("broken", source)
    install_plugin("mine", REWARD.format(name="constant"))
    assert listed("broken").error.startswith(error)
    assert "constant" in rewards()


def test_a_misspelt_hook_is_reported_with_the_nearest_name(install_plugin: Install) -> None:
    install_plugin("typo", REWARD.format(name="constant").replace("rmr1_rewards", "rmr1_reward"))
    assert "no hook is named 'rmr1_reward'; did you mean 'rmr1_rewards'?" in listed("typo").error
    assert "constant" not in rewards()


def test_a_hook_may_go_by_another_name_in_its_module(install_plugin: Install) -> None:
    source = REWARD.format(name="constant").replace(
        "@hookimpl", "@hookimpl(specname='rmr1_rewards')"
    )
    install_plugin("renamed", source.replace("def rmr1_rewards", "def offer"))
    assert listed("renamed").error == ""
    assert "constant" in rewards()


def test_a_hook_with_another_signature_breaks_its_plugin_alone(install_plugin: Install) -> None:
    source = REWARD.format(name="constant").replace("rmr1_rewards()", "rmr1_rewards(config)")
    install_plugin("old", source)
    assert listed("old").error == (
        "PluginValidationError: hook rmr1_rewards takes no arguments, and not config"
    )
    assert "constant" not in rewards()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("return [42]", "TypeError: hook rmr1_rewards returned 42, which is not a RewardFunction"),
        (
            "return None",
            "TypeError: hook rmr1_rewards returned None, which is not a list of RewardFunction",
        ),
        ("raise OSError('no licence')", "OSError: no licence"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("return [Constant(name=3)]", "TypeError: hook rmr1_rewards: the name 3 is no string"),
    ],
)
def test_a_hook_that_breaks_its_contract_breaks_its_plugin_alone(
    install_plugin: Install, body: str, error: str
) -> None:
    good = REWARD.format(name="constant")
    install_plugin("bad", good.rpartition("    return")[0] + f"    {body}\n")
    install_plugin("good", good)
    assert rewards().count("constant") == 1
    assert listed("bad").error == error


def test_a_misspelt_name_of_a_disabled_plugin_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Plugins().load_installed(["no-such", "toy"])
    error = capsys.readouterr().err
    assert error == "warning: RMR1_DISABLE_PLUGINS names 'no-such', which is not installed\n"


def test_disabled_plugins_are_listed_and_not_imported(
    install_plugin: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RMR1_DISABLE_PLUGINS", " off-one ,, off-two")
    install_plugin("off-one", "raise AssertionError('imported')")
    install_plugin("off-two", "raise AssertionError('imported')")
    install_plugin("on", REWARD.format(name="constant"))
    assert [listed(name).disabled for name in ("off-one", "off-two", "on")] == [True, True, False]
    assert listed("off-one").error == ""


def test_a_second_package_with_a_plugin_of_the_same_name_is_reported(
    install_plugin: Install,
) -> None:
    install_plugin("mine", REWARD.format(name="first"))
    install_plugin("mine", REWARD.format(name="second"), package="zzz")
    twin = listed("mine (zzz)")
    assert twin.error == "package 'installed_mine' has a plugin of this name too, which is used"
    assert listed("mine").error == ""
    assert "first" in rewards()
    assert "second" not in rewards()


def test_each_plugin_is_asked_once_per_process(install_plugin: Install) -> None:
    source = REWARD.format(name="constant") + "\ncalls = []\n"
    install_plugin(
        "mine", source.replace("    return [Con", "    calls.append(1)\n    return [Con")
    )
    rewards(), rewards()
    import installed_mine  # type: ignore[import-not-found]

    assert installed_mine.calls == [1]


class Tracker:
    """An observing plugin; `marked` gives it a hook."""


def observing(**hooks: Callable[..., None]) -> Plugins:
    from rmr1_core import hookimpl

    known = Plugins()
    for number, (name, function) in enumerate(hooks.items()):
        plugin = Tracker()
        setattr(plugin, name, hookimpl(function))
        known.register(f"tracker-{number}", plugin)
    return known


def test_an_observer_hears_of_every_judgment() -> None:
    heard = []

    def observe(judgment: object) -> None:
        heard.append(judgment)

    observers = Observers(observing(rmr1_judged=observe))
    made = judgment(example_pair(), Verdict.A)
    observers.judged(made)
    assert heard == [made]


def test_an_observer_that_raises_is_named_once_and_ignored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def observe(judgment: object) -> None:
        raise ValueError("tracker is down")

    observers = Observers(observing(rmr1_judged=observe))
    for _ in range(3):
        observers.judged(judgment(example_pair(), Verdict.A))
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 1
    assert "'tracker-0' raised ValueError('tracker is down')" in warnings[0]


def test_an_observer_need_not_take_what_it_does_not_use() -> None:
    calls = []

    def observe() -> None:
        calls.append(1)

    Observers(observing(rmr1_judged=observe)).judged(judgment(example_pair(), Verdict.A))
    assert calls == [1]
