"""What is shown, kept fresh: the runs, and the index of their judgments."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from rmr1_core.errors import Rmr1Error
from rmr1_core.import_words import order_known
from rmr1_core.stored import StoredEvaluation, StoredRun
from rmr1_viewer.index import Index

SECONDS_BETWEEN_LOOKS = 1.0
CURVES = ("loss", "accuracy", "reward_mean", "kl", "response_length")
"""What is drawn of the steps of training."""
MOST_POINTS = 150


class Watch:
    """Looks at the runs again and again, in a thread of its own, until it is closed."""

    def __init__(self, index: Index, folders: Sequence[Path], runs_dir: Path | None) -> None:
        self.index = index
        self.runs: list[dict[str, Any]] = []
        self.indexing = True
        self.version = 0
        self._folders, self._runs_dir = folders, runs_dir
        self._seen: dict[str, tuple[float, ...]] = {}
        self._shown: dict[str, dict[str, Any]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="viewer", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=30)

    def look(self) -> None:
        """Take in what is new."""
        folders = list(self._folders) or StoredRun.kept(self._runs_dir)
        self.runs = [self._run(folder) for folder in reversed(folders)]
        for folder in reversed(folders):
            if not self._ended.is_set():
                self._take_in(folder)
        self.runs = [self._run(folder) for folder in reversed(folders)]
        self.indexing = False

    def _watch(self) -> None:
        while not self._ended.is_set():
            with suppress(OSError):  # a run was removed while it was read
                self.look()
            self._ended.wait(SECONDS_BETWEEN_LOOKS)

    def _take_in(self, folder: Path) -> None:
        try:
            for evaluation in StoredRun(folder).evaluations():
                self.version += bool(self.index.add(folder.name, evaluation))
        except Rmr1Error as error:
            self._shown[folder.name] = {"id": folder.name, "error": str(error), "evaluations": []}

    def _run(self, folder: Path) -> dict[str, Any]:
        """What the overview says of a run; read again only where something changed."""
        try:
            run = StoredRun(folder)
            evaluations = run.evaluations()
            seen = tuple(_changed(p) for p in (folder / "run.json", *_files(evaluations)))
            if self._seen.get(folder.name) != seen or run.state == "running":
                self._shown[folder.name] = _summary(run, evaluations)
                self._seen[folder.name] = seen
        except Rmr1Error as error:
            self._shown[folder.name] = {"id": folder.name, "error": str(error), "evaluations": []}
        return self._shown[folder.name]


def _files(evaluations: Sequence[StoredEvaluation]) -> list[Path]:
    return [p for e in evaluations for p in (e.journal, e.folder / "report.json")]


def _changed(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def _summary(run: StoredRun, evaluations: Sequence[StoredEvaluation]) -> dict[str, Any]:
    record = run.record
    backbone = record.recipe.backbone if record.recipe else record.backbone
    return {
        "id": run.folder.name,
        "command": record.command,
        "created": record.created,
        "state": run.state,
        "how_far": run.how_far(),
        "error": record.error,
        "backbone": backbone.name if backbone else "",
        "order_known": order_known(record.imported),
        "curves": _curves(run),
        "evaluations": [
            {"name": e.name, "benchmarks": e.benchmarks(), "reports": _reports(e)}
            for e in evaluations
        ],
    }


def _curves(run: StoredRun) -> list[dict[str, Any]]:
    """The numbers of every stage's steps, thinned, as [step, value]."""
    found = []
    for stage, steps in run.steps().items():
        every = -(-len(steps) // MOST_POINTS) or 1
        for name in CURVES:
            points = [
                [step["step"], step[name]]
                for step in [*steps[:-1:every], *steps[-1:]]
                if isinstance(step.get(name), int | float)
                and math.isfinite(step[name])
                and isinstance(step.get("step"), int)
            ]
            if len(points) > 1:
                found.append({"stage": stage, "name": name, "points": points})
    return found


def _reports(evaluation: StoredEvaluation) -> list[dict[str, Any]]:
    return [
        {
            "benchmark": report.benchmark,
            "headline": msgspec.to_builtins(report.scores.headline),
            "validity": msgspec.to_builtins(report.validity),
            "partial": bool(report.missing),
        }
        for report in evaluation.reports()
    ]
