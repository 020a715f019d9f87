"""The whole contract of an installed package, as a list of checks."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rmr1_core.components import Benchmark, Component, Dataset, Engine, Launcher, Trainer
from rmr1_core.discovery import OFFERS, Plugin, plugins
from rmr1_core.lookup import resolve
from rmr1_core.testing.benchmarks import check_anchor, check_pairs
from rmr1_core.testing.data import check_dataset
from rmr1_core.testing.engines import check_engine
from rmr1_core.testing.flows import check_commands, check_mixture, check_observer, check_recipe
from rmr1_core.testing.kinds import check_component
from rmr1_core.testing.made import example_task
from rmr1_core.testing.running import check_launcher, check_training
from rmr1_core.values import Check, Mixture, Recipe

HEAVY = ("torch", "transformers", "datasets", "ray", "pandas", "scipy", "matplotlib")
"""What no plugin may load when it is imported: every `rmr1 --help` would wait for it."""
OBSERVERS = (
    *("rmr1_run_started", "rmr1_judged", "rmr1_stepped"),
    *("rmr1_run_finished", "rmr1_distilled"),
)


class ContractCheck:
    """One check of a contract: call it; it is named for the test that it is."""

    def __init__(self, name: str, check: Callable[[], object]) -> None:
        self.name, self._check = name, check

    def __call__(self) -> None:
        """Check. Raises AssertionError, or whatever the plugin raises."""
        self._check()

    def __repr__(self) -> str:
        return self.name


def contract(
    package: str,
    *,
    whole: bool | Collection[str] = False,
    arguments: Mapping[str, str] | None = None,
) -> list[ContractCheck]:
    """Every check for what an installed package, or a plugin of this name, offers.

    Without `whole` nothing needs data, weights, a network or another process but one that imports
    the plugin. With it, engines are opened, datasets and benchmarks read, small jobs run by
    launchers and trainers, and observers called; a collection of "KIND/NAME" does so for these.
    `arguments` has what a component takes behind its name, by "KIND/NAME", as in `NAME:ARGUMENT`.

    In a test file::

        @pytest.mark.parametrize("check", contract("rmr1-units"), ids=str)
        def test_the_contract(check):
            check()

    Raises:
        AssertionError: nothing of this name is installed.
    """
    found = [p for p in plugins().listing() if package in (p.distribution, p.name)]
    known = ", ".join(sorted({p.distribution for p in plugins().listing()}))
    assert found, f"no plugin or package named {package!r} is installed; there is {known}"
    checks: list[ContractCheck] = []
    for plugin in found:
        checks += _of_plugin(plugin, whole, arguments or {})
    return checks


def check_plugin(
    package: str,
    *,
    whole: bool | Collection[str] = False,
    arguments: Mapping[str, str] | None = None,
) -> None:
    """Assert the whole `contract` of a package, and say everything that is broken at once.

    def test_the_plugin_keeps_the_contract():
        check_plugin("rmr1-units")
    """
    problems = []
    for check in contract(package, whole=whole, arguments=arguments):
        try:
            check()
        except Exception as error:  # the boundary to foreign code
            text = str(error) or type(error).__name__
            kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            problems.append(f"{check}: {kind}{text}")
    assert not problems, "\n".join(problems)


def _of_plugin(
    plugin: Plugin, whole: bool | Collection[str], arguments: Mapping[str, str]
) -> list[ContractCheck]:
    name = plugin.name
    checks = [ContractCheck(f"{name}: it works", lambda: _check_listed(plugin))]
    if plugin.distribution:
        checks.append(ContractCheck(f"{name}: it loads quickly", lambda: _check_import(plugin)))
    for kind in OFFERS:
        for offer in plugins().offers(kind):
            if offer.plugin == name:
                which = f"{kind}s/{offer.component.name}"
                argument = arguments.get(which, "")
                deep = whole if isinstance(whole, bool) else which in whole
                checks.append(ContractCheck(which, _of(kind, name, offer.component, argument)))
                if deep and not isinstance(offer.component, Recipe | Mixture):
                    check = _deep(offer.component)
                    checks += [ContractCheck(f"{which}, whole", check)] if check else []
    return checks + _of_hooks(name, whole is True)


def _of(kind: str, plugin: str, component: Any, argument: str) -> Callable[[], object]:
    if isinstance(component, Recipe):
        return lambda: check_recipe(component)
    if isinstance(component, Mixture):
        return lambda: check_mixture(component)
    if argument:
        return lambda: check_component(resolve(kind, f"{plugin}/{component.name}:{argument}"))
    return lambda: check_component(component)


def _deep(component: Component) -> Callable[[], object] | None:
    match component:
        case Engine():
            return lambda: check_engine(component)
        case Dataset():
            return lambda: check_dataset(component)
        case Benchmark():
            return lambda: check_pairs(component, component.pairs(None))
        case Trainer():
            return lambda: _in_a_folder(
                lambda at: check_training(component, example_task(component, at))
            )
        case Launcher():
            return lambda: _in_a_folder(lambda at: check_launcher(component, at))
    return None


def _of_hooks(name: str, whole: bool) -> list[ContractCheck]:
    hooks = ("rmr1_commands", "rmr1_anchors", *(("rmr1_checks", *OBSERVERS) if whole else ()))
    return [
        ContractCheck(f"{name}: {hook}", partial(_check_hook, hook, implementation.function))
        for hook in hooks
        for implementation in getattr(plugins().hook, hook).get_hookimpls()
        if implementation.plugin_name == name
    ]


def _check_hook(hook: str, function: Callable[..., Any]) -> None:
    match hook:
        case "rmr1_commands":
            check_commands(function)
        case "rmr1_anchors":
            for anchor in function():
                check_anchor(anchor)
        case "rmr1_checks":
            for check in function():
                _check_check(check)
        case _:
            _in_a_folder(lambda folder: check_observer(hook, function, folder))


def _in_a_folder(check: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(Path(folder).resolve())


def _check_listed(plugin: Plugin) -> None:
    assert not plugin.error, plugin.error
    assert not plugin.disabled, "it is switched off; see: RMR1_DISABLE_PLUGINS"


def _check_import(plugin: Plugin) -> None:
    """Import the plugin in a process of its own, and look what came with it."""
    module = plugin.module.partition(":")[0]
    code = f"import sys, {module}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    paths = f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}; "
    done = subprocess.run(
        [sys.executable, "-c", paths + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"it cannot be imported: {done.stderr.strip().splitlines()[-1:]}"
    heavy = done.stdout.split()
    assert not heavy, f"importing {module} loads {', '.join(heavy)}; import it where it is needed"


def _check_check(check: Check) -> None:
    assert isinstance(check, Check), f"{check!r} is no Check"
    assert check.name, "a check has a name"
    assert check.detail, f"check {check.name!r}: say what was found, and what to do"
