"""A job of a few lines, for the tests of all launchers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rmr1_core import Job, Launcher, Located, Step, jobs

WORK = """
import json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
with (folder / "events").open("a") as events:
    for step in range(3):
        print(json.dumps({"event": "step", "step": step}), file=events, flush=True)
"""
LEAVE = "(folder / 'checkpoint').mkdir(exist_ok=True)\n"


def step(folder: Path, script: str, *, everywhere: bool = False) -> Step:
    return Step(argv=(sys.executable, "-c", script, str(folder)), everywhere=everywhere)


def job(folder: Path, script: str = WORK + LEAVE, **changes: Any) -> Job:
    facts: dict[str, Any] = {
        "name": "work",
        "steps": (step(folder, script),),
        "files": {},
        "env": {},
        "environment": "",
        "events": str(folder / "events"),
        "log": str(folder / "log"),
        "checkpoint": str(folder / "checkpoint"),
    }
    return Job(**{**facts, **changes})


def written(launcher: Launcher, made: Job, located: Located | None = None) -> Job:
    jobs.write(made, located, launcher.files(made, located))
    return made


def wait_until(condition: Callable[[], Any], seconds: float = 180.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def fill(folder: Path) -> None:
    """Leave no room in a small file system."""
    with suppress(OSError), (folder / "filling").open("ab", 0) as file:
        while True:
            file.write(bytes(512))
