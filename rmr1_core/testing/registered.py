"""Plugins for one test, without a package: what the fixture `rmr1_plugins` gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

from rmr1_core.discovery import OFFERS, plugins
from rmr1_core.hookspecs import hookimpl
from rmr1_core.values import Anchor

_TYPES: Mapping[str, type] = {**OFFERS, "anchor": Anchor}


class Registered:
    """Registers modules and components with this process's plugins.

    Only this process sees them: a worker of an engine, or a trainer's job, does not.
    """

    def __init__(self) -> None:
        self._added = 0

    def add(self, *offered: Any) -> str:
        """Offer components, recipes, mixtures or published numbers; the plugin's name.

        Raises:
            TypeError: something is none of these.
        """
        found: dict[str, list[Any]] = {}
        for thing in offered:
            found.setdefault(_kind_of(thing), []).append(thing)
        hooks = {f"rmr1_{kind}s": _offering(things) for kind, things in found.items()}
        self._added += 1
        return self.module(SimpleNamespace(**hooks), name=f"test-{self._added}")

    def module(self, module: ModuleType | SimpleNamespace, *, name: str = "") -> str:
        """Register a module, or anything with functions marked by `hookimpl`; the plugin's name.

        Raises:
            pluggy.PluginValidationError: a hook has a wrong name or signature.
        """
        name = name or getattr(module, "__name__", "test")
        plugins().register(name, module)
        return name


def _kind_of(thing: Any) -> str:
    for kind, type_ in _TYPES.items():
        if isinstance(thing, type_):
            return kind
    raise TypeError(f"{thing!r} is no component, recipe, mixture or anchor; see: module()")


def _offering(things: list[Any]) -> Callable[[], list[Any]]:
    @hookimpl
    def offer() -> list[Any]:
        return things

    return offer
