"""One run, told to the trackers that are asked for. One that fails is named once and left out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import msgspec

from rmr1_core import Report, RunRecord

VARIABLE = "RMR1_TRACKERS"
DEFAULT = "tensorboard"
RESULTS_FILE = "results.json"
"""Of `rmr1 run`, in the run's folder: a result for each judge that was evaluated."""
_OF_EVERY_STEP = ("step", "steps")
KNOWN = {
    "tensorboard": "tensorboard:TensorBoard",
    "wandb": "services:Wandb",
    "trackio": "services:Trackio",
}
"""Trackers by name, and what opens them."""
PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb", "trackio": "trackio"}
"""The package that each needs."""


class Tracker(Protocol):
    """Somewhere that numbers are logged to."""

    def log(self, section: str, step: int, numbers: Mapping[str, float]) -> None:
        """Numbers by name, of one step of a section such as a stage."""

    def close(self, *, done: bool) -> None:
        """That nothing more comes; whether the run came to its end."""


class Result(msgspec.Struct, frozen=True):
    """What is read of a result of `rmr1 run`."""

    stage: str
    reports: tuple[Report, ...]
    sampled: tuple[Report, ...] = ()
    variant: str = ""


class Watch:
    """The trackers of one run."""

    def __init__(self, trackers: Mapping[str, Tracker], folder: Path) -> None:
        self._trackers, self._folder = dict(trackers), folder
        self._section, self._results = "", 0

    @classmethod
    def of(cls, record: RunRecord, folder: Path) -> Watch:
        """The trackers that the environment asks for, open."""
        opened = {}
        for name in _wanted():
            tracker = _guarded(name, partial(_open, name, record, folder))
            if tracker is not None:
                opened[name] = tracker
        return cls(opened, folder)

    def step(self, section: str, event: Mapping[str, Any]) -> None:
        """Log a step; before the first one of a section, what was judged until then."""
        if section != self._section:
            self._section = section
            self._log_results()
        numbers = {k: float(v) for k, v in event.items() if _is_number(v)}
        for name in _OF_EVERY_STEP:
            numbers.pop(name, None)
        self._log(section, int(event["step"]), numbers)

    def finish(self, *, done: bool) -> None:
        """Log what was judged since, and close."""
        self._log_results()
        for name, tracker in self._trackers.items():
            _guarded(name, partial(tracker.close, done=done))

    def _log_results(self) -> None:
        path = self._folder / RESULTS_FILE
        if not (self._trackers and path.exists()):
            return
        results = msgspec.json.decode(path.read_bytes(), type=list[Result])
        for position, result in enumerate(results):
            if position >= self._results:
                section = "/".join(filter(None, (result.variant, "evaluation")))
                self._log(section, position, dict(_numbers(result)))
        self._results = len(results)

    def _log(self, section: str, step: int, numbers: Mapping[str, float]) -> None:
        for name, tracker in list(self._trackers.items()):
            if not _guarded(name, partial(_logged, tracker, section, step, numbers)):
                del self._trackers[name]


def _logged(tracker: Tracker, section: str, step: int, numbers: Mapping[str, float]) -> bool:
    tracker.log(section, step, numbers)
    return True


def _wanted() -> list[str]:
    """Names of trackers, of which those that cannot be used are left out with a warning."""
    asked = os.environ.get(VARIABLE)
    if asked is None:
        return [DEFAULT] if find_spec(PACKAGES[DEFAULT]) else []
    names = [name.strip() for name in asked.split(",") if name.strip() not in ("", "none")]
    for name in list(names):
        if name not in KNOWN:
            _warn(f"no tracker named {name!r} ({VARIABLE}); there are {', '.join(KNOWN)}, none")
        elif not find_spec(PACKAGES[name]):
            package = PACKAGES[name]
            _warn(f"{VARIABLE} asks for {name}, which is not installed: pip install {package}")
        else:
            continue
        names.remove(name)
    return names


def _numbers(result: Result) -> Iterator[tuple[str, float]]:
    for prefix, reports in (("", result.reports), ("sampled/", result.sampled)):
        for report in reports:
            name, facts = f"{prefix}{report.benchmark}", report.validity
            yield name, report.scores.headline.value
            yield f"{name}/unparsed", facts.unparsed / max(facts.judgments, 1)
            yield f"{name}/tokens", facts.completion_tokens / max(facts.judgments, 1)
            if facts.flip_rate is not None:
                yield f"{name}/flips", facts.flip_rate


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _guarded(name: str, act: Callable[[], Any]) -> Any:
    """What the act gives; None, and a warning, where a foreign package fails."""
    try:
        return act()
    except Exception as error:  # the boundary to foreign code
        _warn(f"tracker {name!r} failed and is left out: {type(error).__name__}: {error}")
        return None


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def _open(name: str, record: RunRecord, folder: Path) -> Tracker:
    module, _, kind = KNOWN[name].partition(":")
    tracker: Tracker = getattr(import_module(f"rmr1_trackers.{module}"), kind)(record, folder)
    return tracker
