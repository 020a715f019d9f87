"""Environments are built aside by uv and get their name when they are whole.

The plan is pure, so that a dry run is what would be run. Who builds holds a lock; a second one
waits for it. What a killed build runs ends with it, and what it left is removed by the next.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from rmr1_core import __version__
from rmr1_core.components import Environment
from rmr1_core.env_store import (
    RECORD_FILE,
    EnvironmentRecord,
    alone,
    digest,
    folder_of,
    locked_here,
    log_of,
    new_part,
    python_of,
    record_of,
    root,
    sweep,
)
from rmr1_core.environments import facts_of
from rmr1_core.errors import JobFailed, UsageError
from rmr1_core.leftovers import swept
from rmr1_core.processes import completed
from rmr1_core.progress import activity
from rmr1_core.runs import write_whole
from rmr1_core.uv import find_links, interpreter, settings, uv_error, uv_program
from rmr1_core.values import EnvironmentVariant, Value

_ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)\s*(\[[^\]]*\])?==")
_ASIDE = "environment"


class BuildStep(Value, frozen=True):
    """A command of a build: what it does, in words, and the variables that it gets."""

    words: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = {}


class Plan(Value, frozen=True):
    """How an environment is built in `folder`: files to write first, then commands to run."""

    folder: Path
    files: Mapping[str, str]
    steps: tuple[BuildStep, ...]


def plan(environment: Environment, variant: str, folder: Path) -> Plan:
    """How a variant is built in a folder. Pure, but for reading the lock."""
    made_from = environment.variants[variant]
    uv, python = uv_program(), str(python_of(folder))
    base = interpreter(made_from.python)
    venv = ("venv", "--quiet", "--relocatable", "--python", base, str(folder))
    files, installs = _installs(made_from, variant, folder)
    install = (uv, "pip", "install", "--python", python)
    packages = [str(package) for package in made_from.packages]
    steps = [
        BuildStep(words=f"making a Python {made_from.python}", argv=(uv, *venv), env=settings()),
        *(BuildStep(words=s.words, argv=(*install, *s.argv), env={**settings(), **s.env})
          for s in installs),
    ]  # fmt: skip
    if packages:
        argv = (*install, "--no-deps", "--reinstall", *packages)
        steps.append(BuildStep(words="installing our own packages", argv=argv, env=settings()))
    check = (python, "-c", f"import {environment.module}")
    steps.append(BuildStep(words=f"importing {environment.module}", argv=check, env=made_from.env))
    return Plan(folder=folder, files=files, steps=tuple(steps))


def place_of(folder: Path) -> Path:
    """Where an environment is built before it is moved to its folder, but for what makes the place
    unique."""
    return root() / ".parts" / folder.name / _ASIDE


def create(environment: Environment, variant: str, *, rebuild: bool = False) -> tuple[Path, bool]:
    """Build a variant unless it is there: its folder, and whether it was built now.

    Raises:
        JobFailed: with uv's own last error; nothing is left behind but the log.
    """
    folder = folder_of(environment, variant)
    with alone(folder):
        if record_of(folder) is not None and not rebuild:
            return folder, False
        with swept(folder) as marks:
            sweep(folder)
            part = new_part(folder)
            try:
                _build(environment, variant, part / _ASIDE, marks)
                if folder.exists():
                    folder.rename(part / "replaced")
                (part / _ASIDE).rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return folder, True


def _build(
    environment: Environment, variant: str, folder: Path, marks: Mapping[str, str]
) -> None:  # fmt: skip
    name = f"environment {environment.name} ({variant})"
    made_from, log = environment.variants[variant], log_of(folder_of(environment, variant))
    planned = plan(environment, variant, folder)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    for path, text in planned.files.items():
        Path(path).write_text(text, encoding="utf-8")
    if not locked_here(made_from):
        print(f"{name} has no lock for this platform: its versions are resolved now, and may "
              "be others than those that were tried", file=sys.stderr)  # fmt: skip
    for step in planned.steps:
        _run(name, step, log, marks)
    write_whole(folder / RECORD_FILE, _record(environment, variant, folder))


def _run(name: str, step: BuildStep, log: Path, marks: Mapping[str, str]) -> None:
    """Run a step to its end; `marks` are variables by which what it starts is found again."""
    since = log.stat().st_size
    with activity(f"{name}: {step.words}") as show:
        env = {key: value for key, value in step.env.items() if key not in os.environ}
        env.update(marks)
        code = completed(step.argv, env=env, log=log, look=lambda: show(_last_line(log, since)))
    if code:
        raise JobFailed(f"{name}: {step.words}", uv_error(log, code, since=since), log)


def _record(environment: Environment, variant: str, folder: Path) -> EnvironmentRecord:
    import hashlib

    made_from = environment.variants[variant]
    facts = facts_of(python_of(folder), environment.module)
    locked = made_from.lock.read_bytes() if locked_here(made_from) else None
    return EnvironmentRecord(
        name=environment.name,
        variant=variant,
        digest=digest(made_from),
        lock="" if locked is None else hashlib.sha256(locked).hexdigest(),
        python=facts.python if facts else "",
        module=facts.module if facts else "",
        rmr1=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        packages=facts.packages if facts else 0,
        size=sum(p.lstat().st_size for p in folder.rglob("*") if not p.is_dir()),
    )


def _installs(
    made_from: EnvironmentVariant, variant: str, folder: Path
) -> tuple[dict[str, str], list[BuildStep]]:
    """The steps of installing, with uv's arguments after `pip install`, and the files they read."""
    if not locked_here(made_from):
        return _unlocked(made_from, variant, folder)
    text = made_from.lock.read_text(encoding="utf-8")
    exact = (*_torch_backend("+cpu" in text), "--no-deps", "--require-hashes", "--requirements")
    ordinary, special = split_lock(text, made_from.unisolated)
    count = f"installing {sum(map(bool, map(_ENTRY.match, ordinary.splitlines())))} packages"
    if not special:
        return {}, [BuildStep(words=count, argv=(*exact, str(made_from.lock)))]
    first, second = (str(folder.with_name(f"{part}.txt")) for part in ("first", "second"))
    words = f"building {', '.join(made_from.unisolated)}"
    argv = ("--no-build-isolation", *exact, second)
    steps = [
        BuildStep(words=count, argv=(*exact, first)),
        BuildStep(words=words, argv=argv, env=made_from.build_env),
    ]
    return {first: ordinary, second: special}, steps


def _unlocked(
    made_from: EnvironmentVariant, variant: str, folder: Path
) -> tuple[dict[str, str], list[BuildStep]]:
    """The same from requirements. What is built with the rest waits until the rest is there."""
    backend = _torch_backend(variant == "cpu")
    first, second = (str(folder.with_name(f"{part}.txt")) for part in ("first", "second"))
    excluded, later = made_from.excluded, made_from.unisolated
    files = {first: "".join(f"{name}\n" for name in (*excluded, *later))}
    wanted = ("--requirements", str(made_from.requirements))
    steps = [BuildStep(words="installing", argv=(*backend, "--excludes", first, *wanted))]
    if later:
        files[second] = "".join(f"{name}\n" for name in excluded)
        argv = (*backend, "--no-build-isolation", "--excludes", second, *wanted)
        words = f"building {', '.join(later)}"
        steps.append(BuildStep(words=words, argv=argv, env=made_from.build_env))
    return files, steps


def split_lock(text: str, names: tuple[str, ...]) -> tuple[str, str]:
    """A lock without the packages of these names, and those alone."""
    parts: tuple[list[str], list[str]] = ([], [])
    chosen = 0
    for line in text.splitlines(keepends=True):
        entry = _ENTRY.match(line)
        if entry:
            chosen = int(entry["name"] in names)
        parts[chosen].append(line)
    return "".join(parts[0]), "".join(parts[1])


def _torch_backend(cpu: bool) -> tuple[str, ...]:
    """PyTorch's own index for its CPU build, unless the user says where wheels are."""
    return ("--torch-backend", "cpu") if cpu and not find_links() else ()


def _last_line(log: Path, since: int) -> str:
    with log.open("rb") as file:
        file.seek(max(since, file.seek(0, 2) - 2000))
        lines = file.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def lock(environment: Environment, variant: str) -> None:
    """Resolve a variant's requirements again and write its lock.

    Raises:
        JobFailed: the requirements have no solution; the old lock stays.
        UsageError: the lock is for another platform.
    """
    made_from = environment.variants[variant]
    here = sysconfig.get_platform()
    if here not in made_from.platforms:
        raise UsageError(
            f"the lock of {environment.name} ({variant}) is for "
            f"{', '.join(made_from.platforms) or 'no platform'}, and this is {here}; make it there "
            "with: rmr1 env lock " + environment.name
        )
    name = f"lock of {environment.name} ({variant})"
    log = root() / ".logs" / f"{environment.name}-{variant}-lock.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    with tempfile.TemporaryDirectory() as folder:
        aside = Path(folder) / "lock.txt"
        excludes = Path(folder) / "excludes.txt"
        excludes.write_text("".join(f"{package}\n" for package in made_from.excluded))
        argv = (
            *(uv_program(), "pip", "compile", "--quiet", "--generate-hashes", "--no-header"),
            *("--no-annotate", "--python-version", made_from.python),
            *(*_torch_backend(variant == "cpu"), "--excludes", str(excludes)),
            *("--output-file", str(aside), str(made_from.requirements)),
        )
        _run(name, BuildStep(words="resolving", argv=argv, env=settings()), log, {})
        made_from.lock.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(aside, made_from.lock)
