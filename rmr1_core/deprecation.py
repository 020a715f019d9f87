"""What goes away is warned of first: for two minor releases, as docs/compatibility.md promises.

An option that got another name is a row of its component's `renamed`. A name of Python warns when
it is used. An argument of a hook warns the plugins that take it, through pluggy:

    @hookspec(warn_on_impl_args={"index": deprecated("index", since="0.2", instead="pair_id")})
    def rmr1_judged(judgment, pair_id, index): ...

What is gone is a row of REMOVED, so that an old plugin is told since when.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

MINORS = 2
"""For how many minor releases what is deprecated stays."""
REMOVED: dict[str, str] = {}
"""The release that removed a hook, as "rmr1_judged", or its argument, as "rmr1_judged(index)"."""


class DeprecatedName(DeprecationWarning):
    """Something of rmr1 that a plugin uses will be removed."""


class Renamed(NamedTuple):
    """The new name of an option, and the release that gave it."""

    to: str
    since: str


def removed_in(since: str) -> str:
    """The first release that may lack what is deprecated since that one: "0.2" gives "0.4". From
    1.0 on only a major release removes anything."""
    major, minor = (int(part) for part in since.split(".")[:2])
    return f"{major}.{minor + MINORS}" if major == 0 else f"{major + 1}.0"


def deprecated(what: str, *, since: str, instead: str) -> DeprecatedName:
    """The warning, in one sentence."""
    return DeprecatedName(
        f"{what} is deprecated since rmr1 {since} and goes in {removed_in(since)}; use {instead}"
    )


def warn(what: str, *, since: str, instead: str) -> None:
    """Warn whoever called the function that calls this."""
    warnings.warn(deprecated(what, since=since, instead=instead), stacklevel=3)


def current(kind: str, component: Any, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options under the names that they have now. Whoever typed an older one is told so, once;
    where both are given, the newer one counts."""
    renamed: Mapping[str, Renamed] = component.renamed
    if not renamed.keys() & options.keys():
        return options
    found = {name: value for name, value in options.items() if name not in renamed}
    for name in renamed.keys() & options.keys():
        to, since = renamed[name]
        found.setdefault(to, options[name])
        what = f"option {name!r} of {kind} {component.name!r}"
        _say(str(deprecated(what, since=since, instead=repr(to))))
    return found


def gone(name: str) -> str:
    """Words for an error: the release that removed this hook or argument, if one did."""
    return f"; rmr1 {REMOVED[name]} removed it, see CHANGELOG.md" if name in REMOVED else ""


@functools.cache
def _say(sentence: str) -> None:
    print(f"warning: {sentence}", file=sys.stderr)
