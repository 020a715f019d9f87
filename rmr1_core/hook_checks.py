"""Does a plugin keep the contract: the names and arguments of its hooks, and what they return?"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import pluggy

from rmr1_core import hookspecs
from rmr1_core.components import KINDS, Component
from rmr1_core.deprecation import gone
from rmr1_core.values import Anchor, Check, Mixture, Recipe

OFFERS: Mapping[str, type[Component] | type[Recipe] | type[Mixture]] = {
    **KINDS,
    "recipe": Recipe,
    "mixture": Mixture,
}
"""What the hook `rmr1_<kind>s` must return instances of, by kind."""
_HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("rmr1_")}


def check_hooks(manager: pluggy.PluginManager, module: object) -> None:
    """Is every function that is marked as a hook one, with arguments that it is given?

    pluggy would pass over a misspelt one. Wrappers, which could change what others offer, are not
    called.

    Raises:
        pluggy.PluginValidationError: in one sentence.
    """
    for name, function, options in marked(manager, module):
        if name not in _HOOKS:
            near = difflib.get_close_matches(name, _HOOKS, n=1)
            guess = f"; did you mean {near[0]!r}?" if near else "; see: docs/hooks.md"
            guess = gone(name) or guess
            raise pluggy.PluginValidationError(module, f"no hook is named {name!r}{guess}")
        if options.get("wrapper") or options.get("hookwrapper"):
            raise pluggy.PluginValidationError(module, f"hook {name} may not be a wrapper")
        known = inspect.signature(_HOOKS[name]).parameters
        unknown = [argument for argument in _arguments(function) if argument not in known]
        if unknown:
            takes = ", ".join(known) or "no arguments"
            raise pluggy.PluginValidationError(
                module,
                f"hook {name} takes {takes}, and not {', '.join(unknown)}"
                + gone(f"{name}({unknown[0]})"),
            )


def marked(
    manager: pluggy.PluginManager, module: object
) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """The functions of a module that are marked as hooks: the hook's name, the function, and what
    it is marked with."""
    for attribute in dir(module):
        function = getattr(module, attribute, None)
        if hasattr(function, "rmr1_impl"):
            options = manager.parse_hookimpl_opts(module, attribute)
            if options:
                yield options.get("specname") or attribute, function, dict(options)


def check_offers(kind: str, given: Any) -> list[Any]:
    """What a hook returned, if it is a list of this kind with names and summaries.

    Raises:
        TypeError: it is not.
    """
    hook, expected = f"hook rmr1_{kind}s", OFFERS[kind]
    components = _listed(hook, given, expected)
    names = set[str]()
    for component in components:
        name = component.name
        if not isinstance(name, str):
            raise TypeError(f"{hook}: the name {name!r} is no string")
        if not name or name != name.strip():
            raise TypeError(f"{hook}: {name!r} is no name that can be typed")
        if name in names:
            raise TypeError(f"{hook} returned two of the name {name!r}")
        names.add(name)
        field = "summary" if isinstance(component, Component) else "description"
        if not isinstance(getattr(component, field), str):
            raise TypeError(f"{hook}: the {field} of {name!r} is no string")
    return components


def check_anchors(given: Any) -> list[Anchor]:
    """What the hook `rmr1_anchors` returned. Raises TypeError as `check_offers` does."""
    return _listed("hook rmr1_anchors", given, Anchor)


def check_checks(given: Any) -> list[Check]:
    """What the hook `rmr1_checks` returned. Raises TypeError as `check_offers` does."""
    return _listed("hook rmr1_checks", given, Check)


def _listed(hook: str, given: Any, expected: type[Any]) -> list[Any]:
    kind = expected.__name__
    if isinstance(given, expected) or not hasattr(given, "__iter__"):
        raise TypeError(f"{hook} returned {given!r}, which is not a list of {kind}")
    found = list(given)
    for one in found:
        if not isinstance(one, expected):
            article = "an" if kind[0] in "AEIOU" else "a"
            raise TypeError(f"{hook} returned {one!r}, which is not {article} {kind}")
    return found


def _arguments(function: Any) -> list[str]:
    """The arguments that have to be given."""
    return [
        name
        for name, argument in inspect.signature(function).parameters.items()
        if argument.kind is argument.POSITIONAL_OR_KEYWORD and argument.default is argument.empty
    ]
