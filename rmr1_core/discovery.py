"""Plugins are found through entry points of the group `rmr1`, first-party ones included, and in
files that the user names.

One that cannot be imported or breaks the contract is kept as broken, with its error, and never
stops the command line. Names that two plugins offer are both kept: a clash is an error only where
the name is used.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pluggy

from rmr1_core import hook_checks, hookspecs, plugin_files
from rmr1_core.errors import BadInput, UsageError
from rmr1_core.hook_checks import OFFERS, check_hooks, check_offers
from rmr1_core.plugin_files import LoadedFile
from rmr1_core.shielding import call, shielded, timed
from rmr1_core.values import Anchor, Value

GROUP = "rmr1"
DISABLE = "RMR1_DISABLE_PLUGINS"
__all__ = ["OFFERS", "Offer", "Plugin", "Plugins", "plugins"]


class Plugin(Value, frozen=True):
    """An installed plugin, or one in a `file`. `error` says why it is broken; `disabled` that the
    user switched it off. Its import took so many `seconds`; what it changed in the process by that,
    and was put back, is in `changed`."""

    name: str
    module: str
    distribution: str = ""
    version: str = ""
    file: str = ""
    error: str = ""
    disabled: bool = False
    seconds: float = 0.0
    changed: tuple[str, ...] = ()


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
        self._files: dict[str, LoadedFile] = {}

    @property
    def hook(self) -> Any:
        """The hooks of all working plugins, to be called."""
        return self._manager.hook

    @property
    def files(self) -> list[LoadedFile]:
        """The plugins that are a file, as they were loaded."""
        return [*self._files.values()]

    def known(self) -> dict[str, Plugin]:
        """All plugins by name, as far as they are known to be broken by now."""
        return dict(self._plugins)

    def listing(self) -> list[Plugin]:
        """All plugins by name, broken and disabled ones too. Calls every offering hook, so that
        one that fails when it is called is seen as broken."""
        for kind in OFFERS:
            self.offers(kind)
        self.anchors()
        return [self._with_package(plugin) for _, plugin in sorted(self._plugins.items())]

    def hooks_of(self, name: str) -> list[str]:
        """The hooks that a plugin implements."""
        plugin = self._manager.get_plugin(name)
        return sorted(hook for hook, _, _ in hook_checks.marked(self._manager, plugin))

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
                self._load(plugin, entry.load)
        for name in sorted(off - set(self._plugins)):
            print(f"warning: {DISABLE} names {name!r}, which is not installed", file=sys.stderr)

    def load_file(self, path: Path, *, instead: bool = False) -> LoadedFile:
        """Import and register a plugin that is a file; `instead` of the one of its name, or else
        once.

        Raises:
            BadInput: it cannot be read or imported, or is no plugin.
            UsageError: another plugin has this name.
        """
        file = plugin_files.read(path)
        there = self._plugins.get(file.name)
        if there is not None and not instead:
            if file.name in self._files and self._files[file.name].sha256 == file.sha256:
                return self._files[file.name]
            raise UsageError(_two_of(file, there))
        if self._manager.has_plugin(file.name):
            self._manager.unregister(name=file.name)
        self._offers.clear()
        self._anchors = None
        plugin = Plugin(
            name=file.name, module=file.module, version=file.version, file=str(file.path)
        )
        self._plugins[file.name], self._files[file.name] = plugin, file
        self._load(plugin, file.load)
        if error := self._plugins[file.name].error:
            raise UsageError(f"{error}; leave it out, or mend it and look with: rmr1 plugins")
        return file

    def move_file(self, file: LoadedFile, path: Path) -> None:
        """Where a plugin that is a file, and was loaded, is from now on."""
        origin = file.origin or str(file.path)
        self._files[file.name] = file._replace(path=path, origin=origin)
        self._plugins[file.name] = msgspec.structs.replace(self._plugins[file.name], file=str(path))

    def register(self, name: str, module: ModuleType | object) -> None:
        """Register an already imported plugin, checking its hooks against the contract.

        Raises:
            pluggy.PluginValidationError: a hook has a wrong name or signature.
        """
        self._plugins.setdefault(name, Plugin(name=name, module=getattr(module, "__name__", name)))
        check_hooks(self._manager, module)
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
                    found.extend(hook_checks.check_anchors(call(implementation)))
                except (Exception, SystemExit) as error:  # the boundary to foreign code
                    self._broken(implementation.plugin_name, error)
            self._anchors = tuple(found)
        return self._anchors

    def _load(self, plugin: Plugin, load: Callable[[], Any]) -> None:
        """Import and register; the boundary to foreign code."""
        changed, seconds = list[str](), 0.0
        try:
            with shielded() as changed:
                module, seconds = timed(plugin.name, load)
            self.register(plugin.name, module)
        except (Exception, SystemExit) as error:
            self._broken(plugin.name, error)
        facts = {"seconds": round(seconds, 4), "changed": tuple(changed)}
        self._plugins[plugin.name] = msgspec.structs.replace(self._plugins[plugin.name], **facts)

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
        plugin = implementation.plugin_name
        try:
            components = check_offers(kind, call(implementation))
        except (Exception, SystemExit) as error:  # the boundary to foreign code
            self._broken(plugin, error)
            return []
        return [Offer(plugin=plugin, component=component) for component in components]

    def _broken(self, name: str, error: BaseException) -> None:
        text = " ".join(str(error).split())
        if not isinstance(error, BadInput):  # which says where, and not what it is to Python
            text = f"{type(error).__name__}: {text}"
        self._plugins[name] = msgspec.structs.replace(self._plugins[name], error=text)


def _two_of(file: LoadedFile, there: Plugin) -> str:
    if there.file:
        return f"{file.path} and {there.file} are both called {file.name!r}; rename one of them"
    return (
        f"{file.path}: an installed plugin is called {file.name!r}, too; rename the file, or "
        f"uninstall the package with: rmr1 uninstall PACKAGE (see: rmr1 plugins)"
    )


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
    """The plugins of this process: those that are installed, without those that
    RMR1_DISABLE_PLUGINS names, and the files that RMR1_PLUGINS names."""
    found = Plugins()
    disabled = (name.strip() for name in os.environ.get(DISABLE, "").split(","))
    found.load_installed(name for name in disabled if name)
    for path in plugin_files.named():
        try:
            found.load_file(path)
        except UsageError as error:
            print(f"warning: {plugin_files.VARIABLE}: {error}", file=sys.stderr)
    plugin_files.tell_children(found.files)
    return found
