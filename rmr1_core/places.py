"""Where rmr1 is installed, which packages are its own, and what it would find there now."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from rmr1_core.errors import Rmr1Error, UsageError
from rmr1_core.processes import ask
from rmr1_core.values import Value

ITSELF = "rmr1"
LOOK_SECONDS = 120.0


class Place(Value, frozen=True):
    """An environment with rmr1 in it."""

    kind: Literal["venv", "pipx", "uv tool", "conda", "system"]
    prefix: str

    def __str__(self) -> str:
        words = {
            "venv": "the virtual environment",
            "pipx": "pipx's environment",
            "uv tool": "the environment of uv tool",
            "conda": "the conda environment",
            "system": "the Python in",
        }
        return f"{words[self.kind]} {self.prefix}"


def place(prefix: Path | None = None, base: Path | None = None, stdlib: str = "") -> Place:
    """Where rmr1 runs: in this prefix of Python, whose own one is `base`.

    Raises:
        UsageError: the system's package manager keeps others away from it (PEP 668).
    """
    prefix, base = prefix or Path(sys.prefix), base or Path(sys.base_prefix)
    kind: Literal["venv", "pipx", "uv tool", "conda", "system"]
    if (prefix / "pipx_metadata.json").is_file():
        kind = "pipx"
    elif (prefix / "uv-receipt.toml").is_file():
        kind = "uv tool"
    elif (prefix / "conda-meta").is_dir():
        kind = "conda"
    else:
        kind = "system" if prefix == base else "venv"
    managed = Path(stdlib or sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    if prefix == base and managed.is_file():
        raise UsageError(
            f"the Python in {prefix} belongs to the system, which lets nobody else install into it "
            "(PEP 668); install rmr1 in an environment of its own: python3 -m venv rmr1 && "
            "rmr1/bin/pip install rmr1"
        )
    return Place(kind=kind, prefix=str(prefix))


def canonical(name: str) -> str:
    """A package's name as it is compared: `Rmr1_Units` is `rmr1-units`."""
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


def own_packages() -> Mapping[str, str]:
    """rmr1 and the packages that it needs, as they are installed, with those of its extras: their
    versions by name."""
    found: dict[str, str] = {}
    seen = set[tuple[str, frozenset[str]]]()
    waiting = [(ITSELF, frozenset[str]())]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # of an extra that is not installed
            continue
        found[name] = package.version
        every = frozenset(package.metadata.get_all("Provides-Extra") or ())
        waiting += _needs(package, every if name == ITSELF else extras)
    return found


def _needs(
    package: metadata.Distribution, extras: frozenset[str]
) -> Iterator[tuple[str, frozenset[str]]]:
    from packaging.requirements import Requirement

    for line in package.requires or ():
        needed = Requirement(line)
        name = canonical(needed.name)
        holds = needed.marker is None or any(
            needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)
        )
        if holds and name != canonical(package.name):
            yield name, frozenset(needed.extras)


def needed_by(name: str) -> list[str]:
    """The installed packages that need this one, without an extra."""
    return sorted(
        canonical(package.name)
        for package in metadata.distributions()
        if name in {needed for needed, _ in _needs(package, frozenset())}
    )


class Inventory(NamedTuple):
    """What an rmr1 that starts now would find: its plugins, as `rmr1 plugins --json` has them."""

    plugins: Mapping[str, Mapping[str, Any]]

    @classmethod
    def look(cls) -> Inventory:
        """Ask a new process.

        Raises:
            Rmr1Error: it does not answer.
        """
        argv = [sys.executable, "-P", "-m", "rmr1_core", "plugins", "--json"]
        env = {name: "" for name in ("RMR1_PLUGINS", "RMR1_TRACE_PLUGINS") if name in os.environ}
        code, said, errors = ask(argv, timeout=LOOK_SECONDS, env=env)
        try:
            rows = msgspec.json.decode(said) if code == 0 else None
        except msgspec.DecodeError:
            rows = None
        if not isinstance(rows, list):
            last = (errors.strip().splitlines() or ["it says nothing"])[-1]
            raise Rmr1Error(f"rmr1 does not start any more: {last}; see: rmr1 plugins")
        return cls({row["name"]: row for row in rows})

    def names(self) -> dict[tuple[str, str], list[str]]:
        """Everything that can be typed, by kind and name: the plugins that offer it."""
        found: dict[tuple[str, str], list[str]] = {}
        for plugin, row in self.plugins.items():
            for kind, names in {**row["offers"], "command": row["commands"]}.items():
                for name in names:
                    found.setdefault((kind, name), []).append(plugin)
        return found

    def of_packages(self, packages: Sequence[str]) -> Inventory:
        """The plugins of these packages alone."""
        return Inventory(
            {
                name: row
                for name, row in self.plugins.items()
                if row["distribution"] and canonical(row["distribution"]) in packages
            }
        )
