"""What goes away is warned of, and what is gone is said to be."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar

import pluggy
import pytest

from rmr1_core import Judgment, Option, Renamed, RewardFunction, Verdict, deprecation
from rmr1_core.deprecation import DeprecatedName, deprecated, removed_in
from rmr1_core.discovery import plugins
from rmr1_core.errors import BadOption
from rmr1_core.lookup import with_options


class Steady(RewardFunction, frozen=True, kw_only=True):
    """Its option was called `worth`."""

    renamed: ClassVar[Mapping[str, Renamed]] = {"worth": Renamed("value", since="0.2")}
    value: Annotated[float, Option(description="what it gives")] = 1.0

    def __call__(self, judgment: Judgment, label: Verdict) -> float:
        return self.value


@pytest.mark.parametrize(
    ("since", "removed"), [("0.2", "0.4"), ("0.9.1", "0.11"), ("1.3", "2.0"), ("2.0.0", "3.0")]
)
def test_what_is_deprecated_stays_for_two_minor_releases(since: str, removed: str) -> None:
    assert removed_in(since) == removed


def test_an_old_name_of_an_option_works_and_is_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    deprecation._say.cache_clear()
    steady = Steady(name="steady", summary="x")
    for _ in range(2):
        assert with_options("reward", steady, {"worth": "3"}) == Steady(
            name="steady", summary="x", value=3.0
        )
    assert capsys.readouterr().err == (
        "warning: option 'worth' of reward 'steady' is deprecated since rmr1 0.2 and goes in 0.4; "
        "use 'value'\n"
    )


def test_the_newer_name_counts_where_both_are_given() -> None:
    steady = Steady(name="steady", summary="x")
    changed = with_options("reward", steady, {"value": 2.0, "worth": 3.0})
    assert changed == Steady(name="steady", summary="x", value=2.0)


def test_a_name_that_never_was_is_refused_as_ever() -> None:
    with pytest.raises(BadOption, match="no option 'worht'; its options: value"):
        with_options("reward", Steady(name="steady", summary="x"), {"worht": 3})


def test_a_function_warns_its_caller() -> None:
    def old() -> None:
        deprecation.warn("old()", since="0.2", instead="new()")

    with pytest.warns(DeprecatedName, match=r"old\(\) is deprecated since rmr1 0.2") as caught:
        old()
    assert caught[0].filename == __file__


def test_a_plugin_that_takes_a_deprecated_argument_is_warned() -> None:
    """With the markers of the contract, as a later release would use them."""
    spec = pluggy.HookspecMarker("rmr1")
    index = deprecated("argument index of rmr1_judged", since="0.2", instead="pair_id")

    @spec(warn_on_impl_args={"index": index})
    def rmr1_judged(judgment: object, index: int) -> None: ...

    manager = pluggy.PluginManager("rmr1")
    manager.add_hookspecs(types.SimpleNamespace(rmr1_judged=rmr1_judged))
    impl = pluggy.HookimplMarker("rmr1")
    with pytest.warns(DeprecatedName, match="argument index of rmr1_judged is deprecated"):
        manager.register(types.SimpleNamespace(rmr1_judged=impl(lambda judgment, index: None)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        manager.register(types.SimpleNamespace(rmr1_judged=impl(lambda judgment: None)))


OLD = """
from rmr1_core import hookimpl

@hookimpl
def {hook}({arguments}):
    pass
"""


@pytest.mark.parametrize(
    ("hook", "arguments", "error"),
    [
        ("rmr1_judged", "judgment, index", "takes judgment, and not index; rmr1 0.4 removed it"),
        ("rmr1_scored", "", "no hook is named 'rmr1_scored'; rmr1 0.5 removed it"),
    ],
)
def test_what_a_release_removed_is_said_with_the_release(
    install_plugin: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    hook: str,
    arguments: str,
    error: str,
) -> None:
    monkeypatch.setitem(deprecation.REMOVED, "rmr1_judged(index)", "0.4")
    monkeypatch.setitem(deprecation.REMOVED, "rmr1_scored", "0.5")
    install_plugin("old", OLD.format(hook=hook, arguments=arguments))
    (found,) = [plugin for plugin in plugins().listing() if plugin.name == "old"]
    assert error in found.error


def test_a_hook_may_take_fewer_arguments(install_plugin: Callable[..., None]) -> None:
    install_plugin("few", OLD.format(hook="rmr1_stepped", arguments="event"))
    (found,) = [plugin for plugin in plugins().listing() if plugin.name == "few"]
    assert found.error == ""
