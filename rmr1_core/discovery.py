"""Plugins are found through entry points of the group `rmr1`, first-party ones included.

One that cannot be imported or breaks the contract is kept as broken, with its error, and never
stops the command line. Names that two plugins offer are both kept: a clash is an error only where
the name is used.
"""

from __future__ import annotations

import difflib
import functools
import os
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from types import ModuleType
from typing import Any

import msgspec
import pluggy

from rmr1_core import hookspecs
from rmr1_core.components import KINDS, Component
from rmr1_core.values import Anchor, Mixture, Recipe, Value

GROUP = "rmr1"
DISABLE = "RMR1_DISABLE_PLUGINS"
OFFERS: Mapping[str, type[Component] | type[Recipe] | type[Mixture]] = {
    **KINDS,
    "recipe": Recipe,
    "mixture": Mixture,
}
"""What the hook `rmr1_<kind>s` must return instances of, by kind."""


class Plugin(Value, frozen=True):
    """An installed plugin. `error` says why it is broken; `disabled` that the user switched it
    off."""

    name: str
    module: str
    distribution: str = ""
    version: str = ""
    error: str = ""
    disabled: bool = False


class Offer(Value, frozen=True):
    """A component, recipe or mixture, and the plugin that offers it."""

    plugin: str
    component: Any


class Plugins:
    """All installed plugins and what they offer, by kind."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._plugins: dict[str, Plugin] = {}
        self._offers: dict[str, tuple[Offer, ...]] = {}
        self._anchors: tuple[Anchor, ...] | None = None
        self._entries: dict[str, metadata.EntryPoint] = {}

    @property
    def hook(self) -> Any:
        """The hooks of all working plugins, to be called."""
        return self._manager.hook

    def listing(self) -> list[Plugin]:
        """All plugins by name, broken and disabled ones too. Calls every offering hook, so that
        one that fails when it is called is seen as broken."""
        for kind in OFFERS:
            self.offers(kind)
        self.anchors()
        return [self._with_package(plugin) for _, plugin in sorted(self._plugins.items())]

    def load_installed(self, disabled: Iterable[str] = ()) -> None:
        """Import and register every plugin that an installed package names."""
        off = set(disabled)
        for entry in _in_order(metadata.entry_points(group=GROUP)):
            plugin = Plugin(name=entry.name, module=entry.value, disabled=entry.name in off)
            if entry.name in self._entries:
                self._refuse_twin(entry, plugin)
                continue
            self._plugins[entry.name], self._entries[entry.name] = plugin, entry
            if not plugin.disabled:
                self._load(plugin, entry)
        for name in sorted(off - set(self._plugins)):
            print(f"warning: {DISABLE} names {name!r}, which is not installed", file=sys.stderr)

    def register(self, name: str, module: ModuleType | object) -> None:
        """Register an already imported plugin, checking its hooks against the contract.

        Raises:
            pluggy.PluginValidationError: a hook has a wrong name or signature.
        """
        self._plugins.setdefault(name, Plugin(name=name, module=getattr(module, "__name__", name)))
        self._check_names(module)
        try:
            self._manager.register(module, name)
            self._offers, self._anchors = {}, None
        except pluggy.PluginValidationError:
            if self._manager.has_plugin(name):  # some versions of pluggy register before they check
                self._manager.unregister(name=name)
            raise

    def offers(self, kind: str) -> tuple[Offer, ...]:
        """What all plugins offer of this kind. Each plugin is asked once per process."""
        if kind not in self._offers:
            implementations = getattr(self._manager.hook, f"rmr1_{kind}s").get_hookimpls()
            found: list[Offer] = []
            for implementation in implementations:
                found.extend(self._ask(implementation, kind))
            self._offers[kind] = tuple(sorted(found, key=lambda offer: offer.component.name))
        return self._offers[kind]

    def anchors(self) -> tuple[Anchor, ...]:
        """The published numbers that all plugins know. Each plugin is asked once per process."""
        if self._anchors is None:
            found: list[Anchor] = []
            for implementation in self._manager.hook.rmr1_anchors.get_hookimpls():
                try:
                    offered: Any = implementation.function()
                    found.extend(_anchors_only(offered))
                except (Exception, SystemExit) as error:  # the boundary to foreign code
                    self._broken(implementation.plugin_name, error)
            self._anchors = tuple(found)
        return self._anchors

    def _check_names(self, module: ModuleType | object) -> None:
        """pluggy ignores a marked function whose name is no hook; we say what it may have meant."""
        known = {name for name in vars(hookspecs) if name.startswith("rmr1_")}
        marked = [a for a in dir(module) if hasattr(getattr(module, a, None), "rmr1_impl")]
        for attribute in marked:
            options = self._manager.parse_hookimpl_opts(module, attribute)
            name = options and (options.get("specname") or attribute)
            if name and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                guess = f"; did you mean {near[0]!r}?" if near else ""
                raise pluggy.PluginValidationError(module, f"no hook is named {name!r}{guess}")

    def _load(self, plugin: Plugin, entry: metadata.EntryPoint) -> None:
        try:
            self.register(plugin.name, entry.load())
        except (Exception, SystemExit) as error:  # the boundary to foreign code
            self._broken(plugin.name, error)

    def _refuse_twin(self, entry: metadata.EntryPoint, plugin: Plugin) -> None:
        name = f"{entry.name} ({_package(entry)[0]})"
        first, _ = _package(self._entries[entry.name])
        error = f"package {first!r} has a plugin of this name too, which is used"
        self._entries[name] = entry
        self._plugins[name] = msgspec.structs.replace(plugin, name=name, error=error)

    def _with_package(self, plugin: Plugin) -> Plugin:
        if plugin.name not in self._entries:
            return plugin
        package, version = _package(self._entries[plugin.name])
        return msgspec.structs.replace(plugin, distribution=package, version=version)

    def _ask(self, implementation: Any, kind: str) -> list[Offer]:
        expected, plugin = OFFERS[kind], implementation.plugin_name
        try:
            components = list(implementation.function())
            for component in components:
                if not isinstance(component, expected):
                    raise TypeError(
                        f"hook rmr1_{kind}s returned {component!r}, "
                        f"which is not a {expected.__name__}"
                    )
                if not isinstance(component.name, str):
                    raise TypeError(f"hook rmr1_{kind}s: the name {component.name!r} is no string")
        except (Exception, SystemExit) as error:  # the boundary to foreign code
            self._broken(plugin, error)
            return []
        return [Offer(plugin=plugin, component=component) for component in components]

    def _broken(self, name: str, error: BaseException) -> None:
        text = " ".join(str(error).split())
        self._plugins[name] = msgspec.structs.replace(
            self._plugins[name], error=f"{type(error).__name__}: {text}"
        )


def _anchors_only(offered: Iterable[Any]) -> list[Anchor]:
    anchors = list(offered)
    for anchor in anchors:
        if not isinstance(anchor, Anchor):
            raise TypeError(f"hook rmr1_anchors returned {anchor!r}, which is not an Anchor")
    return anchors


def _in_order(entries: Iterable[metadata.EntryPoint]) -> list[metadata.EntryPoint]:
    found = sorted(entries, key=lambda entry: entry.name)
    if len({entry.name for entry in found}) < len(found):
        found.sort(key=lambda entry: (entry.name, *_package(entry)))
    return found


def _package(entry: metadata.EntryPoint) -> tuple[str, str]:
    """The name and version of the package with this entry; reading them takes a while."""
    return (entry.dist.name, entry.dist.version) if entry.dist else ("", "")


@functools.cache
def plugins() -> Plugins:
    """The installed plugins of this process, without those that RMR1_DISABLE_PLUGINS names."""
    found = Plugins()
    disabled = (name.strip() for name in os.environ.get(DISABLE, "").split(","))
    found.load_installed(name for name in disabled if name)
    return found
