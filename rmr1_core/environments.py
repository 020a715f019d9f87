"""An environment never changes: a new lock means another folder, and a run records which it used.

`locate` is for engines and launchers: it gives the Python of a managed environment, or of one that
the user looks after and names with a variable such as $RMR1_ENV_VLLM.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from rmr1_core.components import Environment
from rmr1_core.discovery import plugins
from rmr1_core.env_store import EnvironmentRecord, built, folder_of, python_of, record_of
from rmr1_core.errors import MissingEnvironment, UsageError
from rmr1_core.lookup import find
from rmr1_core.processes import capture
from rmr1_core.values import EnvironmentVariant, Located, RunRecord, Value

VARIANT_VARIABLE = "RMR1_ENV_VARIANT"
ADOPTED = "adopted"
_PROBE = """
import importlib.metadata, importlib.util, json, platform, sys
package = sys.argv[1].partition(".")[0]
found = importlib.util.find_spec(sys.argv[1]) is not None
owners = importlib.metadata.packages_distributions().get(package, []) if found else []
owner = f"{owners[0]} {importlib.metadata.version(owners[0])}" if owners else ""
count = len(list(importlib.metadata.distributions()))
print(json.dumps([platform.python_version(), found, owner, count]))
"""


class Listed(Value, frozen=True):
    """A line of `rmr1 env list`. "outdated" is one of an older lock, "stray" one that no installed
    plugin offers, "missing" one that could be built here, "unusable" one whose label says why."""

    name: str
    variant: str
    state: Literal["ready", "outdated", "stray", "missing", "adopted", "unusable"]
    label: str = ""
    size: int = 0
    path: str = ""


class Facts(Value, frozen=True):
    """What a Python says of itself and of a module."""

    python: str
    found: bool
    module: str
    packages: int


def machine_variant() -> str:
    """The variant for this machine: $RMR1_ENV_VARIANT, else "cuda" where an NVIDIA driver is, else
    "cpu"."""
    chosen = os.environ.get(VARIANT_VARIABLE)
    if chosen:
        return chosen
    driver = Path("/proc/driver/nvidia/version").exists() or capture(["nvidia-smi", "-L"])
    return "cuda" if driver else "cpu"


def variant_of(
    environment: Environment, chosen: str | None = None
) -> tuple[str, EnvironmentVariant]:
    """The variant to use, as chosen or else the machine's, with its name.

    Raises:
        UsageError: the environment has no such variant.
    """
    name = chosen or machine_variant()
    if name not in environment.variants:
        raise UsageError(
            f"environment {environment.name!r} has no variant {name!r}; it has "
            f"{', '.join(environment.variants)}; choose one with --variant or ${VARIANT_VARIABLE}"
        )
    return name, environment.variants[name]


def locate(name: str, variant: str | None = None) -> Located:
    """The environment of this name for this machine, ready to start processes in.

    Raises:
        MissingEnvironment: it has to be built first.
        UnknownName, UsageError: there is none of this name, or the adopted one cannot be used.
    """
    environment: Environment = find("environment", name)
    chosen, settings = variant_of(environment, variant)
    env = {key: value for key, value in settings.env.items() if key not in os.environ}
    adopted = _adopted(environment)
    if adopted is not None:
        python, facts = adopted
        label = f"{ADOPTED} {python} {facts.module}".strip()
        return Located(name=name, variant=chosen, python=python, env=env, label=label)
    folder = folder_of(environment, chosen)
    record = record_of(folder)
    if record is None:
        older = any(r.name == name and r.variant == chosen for _, r in built())
        problem = "was built from an older lock" if older else "is not built"
        raise MissingEnvironment(name, chosen, problem)
    python = python_of(folder)
    return Located(name=name, variant=chosen, python=python, env=env, label=record.label)


def if_built(name: str) -> Located | None:
    """The environment of this name, or None where it is not built yet or "" asks for none."""
    try:
        return locate(name) if name else None
    except MissingEnvironment:
        return None


def labels(names: Iterable[str]) -> dict[str, str]:
    """What the record of a run says of the environments that it needs. "" needs none.

    Raises:
        MissingEnvironment: one has to be built first.
    """
    return {name: locate(name).label for name in sorted(set(names)) if name}


def recorded(names: Iterable[str], record: RunRecord) -> RunRecord:
    """The record of a run that starts or goes on, with the environments that it needs now; warn of
    those that are others than when it began.

    Raises:
        MissingEnvironment: one has to be built first.
    """
    now = labels(names)
    changed = [
        f"environment {name} {label}, now {now[name]}"
        for name, label in record.environments.items()
        if now.get(name, label) != label
    ]
    if changed:
        print(f"warning: this run began with {'; '.join(changed)}", file=sys.stderr)
    return msgspec.structs.replace(record, environments={**record.environments, **now})


def listing() -> list[Listed]:
    """Every environment that can be used, could be built here, or is left of earlier ones."""
    found = []
    known: dict[str, Environment] = {
        offer.component.name: offer.component for offer in plugins().offers("environment")
    }
    for name, environment in known.items():
        found.append(_here(name, environment))
    current = {line.path for line in found}
    for folder, record in built():
        if str(folder) not in current:
            found.append(_left(folder, record, known))
    return sorted(found, key=lambda line: (line.name, line.state != "ready", line.path))


def variable(name: str) -> str:
    """The variable that adopts the environment of this name: RMR1_ENV_VLLM."""
    return f"RMR1_ENV_{name.upper().replace('-', '_')}"


@functools.cache
def facts_of(python: Path, module: str) -> Facts | None:
    """What a Python says of a module, which is looked for and not imported; None for what is no
    Python."""
    try:
        told = msgspec.json.decode(capture([str(python), "-c", _PROBE, module], timeout=60))
    except msgspec.DecodeError:
        return None
    version, found, owner, packages = told
    return Facts(python=version, found=found, module=owner, packages=packages)


def _adopted(environment: Environment) -> tuple[Path, Facts] | None:
    name = variable(environment.name)
    chosen = os.environ.get(name)
    if not chosen:
        return None
    python = Path(chosen).expanduser().absolute()
    if python.is_dir():
        raise UsageError(
            f"${name}: {python} is a folder; name the Python in it, {python_of(python)}"
        )
    if not python.is_file():
        raise UsageError(f"${name}: there is no {python}; name a Python, or unset the variable")
    facts = facts_of(python, environment.module)
    if facts is None:
        raise UsageError(f"${name}: {python} is no Python; name one, or unset the variable")
    if not facts.found:
        raise UsageError(
            f"${name}: {python} has no module {environment.module!r}; install it there, or unset "
            "the variable"
        )
    return python, facts


def _here(name: str, environment: Environment) -> Listed:
    """The environment that this machine would use."""
    try:
        located = locate(name)
    except MissingEnvironment as missing:
        return Listed(name=name, variant=missing.variant, state="missing")
    except UsageError as error:
        return Listed(name=name, variant="-", state="unusable", label=str(error))
    if located.label.startswith(ADOPTED):
        path = str(located.python)
        return Listed(
            name=name, variant=located.variant, state="adopted", label=located.label, path=path
        )
    folder = folder_of(environment, located.variant)
    record = record_of(folder)
    size = record.size if record else 0
    return Listed(
        name=name, variant=located.variant, state="ready", label=located.label, size=size,
        path=str(folder),
    )  # fmt: skip


def _left(folder: Path, record: EnvironmentRecord, known: Mapping[str, Environment]) -> Listed:
    """Another folder: of the other variant, of an older lock, or of a plugin that is gone."""
    environment = known.get(record.name)
    state: Literal["ready", "outdated", "stray"] = "stray"
    if environment is not None and record.variant in environment.variants:
        state = "ready" if folder_of(environment, record.variant) == folder else "outdated"
    return Listed(
        name=record.name, variant=record.variant, state=state, label=record.label,
        size=record.size, path=str(folder),
    )  # fmt: skip
