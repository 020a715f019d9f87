"""The events of a training that outlive its kills.

veRL's own file logger begins its file anew whenever the training resumes. Its lines are appended
to the job's events here, each with what veRL does not log: the number of all steps, how many
answers were unparsed, and the time spent in all attempts together. A step whose checkpoint is there
has its line, even when all was killed before veRL logged it: then with what the reward has counted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rmr1_verl.inside.children import Spent
from rmr1_verl.inside.machine import has_own_ray
from rmr1_verl.inside.settings import Settings

CLOCK = "spent.json"
"""How much time was spent so far, for an attempt that does not come to its next step."""
TIMES = ("wall_seconds", "cpu_seconds")
MEANS = {"score": "critic/score/mean", "tokens": "response_length/mean"}
"""What is counted of each answer, and what veRL calls its mean."""


class Events:
    """The job's file of events; what was measured after the step to resume from is cut off."""

    def __init__(self, settings: Settings, metrics: Path) -> None:
        self._path, self._metrics = Path(settings.events), metrics
        self._tallies = settings.tallies
        self._total, self.step = settings.total_steps, settings.steps_done
        kept = list(self._told_before())
        _write(self._path, kept)
        self._clock = settings.folder / CLOCK
        before = (_lines(self._clock) or kept or [{}])[-1]
        self._wall = before.get("wall_seconds", 0.0) - time.monotonic()
        self._cpu, self._spent = before.get("cpu_seconds", 0.0), Spent()
        self._read = 0
        metrics.unlink(missing_ok=True)

    def _told_before(self) -> Iterator[dict[str, Any]]:
        """The lines up to the checkpoint, each step once."""
        told = {line["step"]: line for line in _lines(self._path) if "step" in line}
        logged = {line["step"]: line for line in _lines(self._metrics) if _is_step(line)}
        times: dict[str, float] = {}
        for step in range(1, self.step + 1):
            line = told.get(step) or self._whole(logged.get(step) or self._counted(step), times)
            times = {name: line[name] for name in TIMES if name in line}
            yield line

    @property
    def started(self) -> bool:
        """Whether everything is loaded and the steps begin."""
        return self._metrics.exists()

    def follow(self) -> None:
        """Append what veRL has logged since the last look, and note the time."""
        times = self._times()
        _write(self._clock, [times])
        lines = _lines(self._metrics)
        for line in lines[self._read :]:
            if _is_step(line):
                self.step = line["step"]
                self._append(self._whole(line, times))
        self._read = len(lines)

    def finish(self) -> None:
        """Say that all steps are done."""
        self.follow()
        self._append({"done": True, **self._times()})

    def _times(self) -> dict[str, float]:
        """Of all processes where Ray is ours; on a cluster's other nodes nobody sees them."""
        wall = {"wall_seconds": round(self._wall + time.monotonic(), 3)}
        cpu = {"cpu_seconds": round(self._cpu + self._spent.look(), 3)} if has_own_ray() else {}
        return {**wall, **cpu}

    def _whole(self, line: dict[str, Any], times: Mapping[str, float]) -> dict[str, Any]:
        """veRL's line with what it does not log."""
        answers = self._answers(line["step"])
        counts = {name: sum(answer[name] for answer in answers) for name in ("right", "unparsed")}
        return {**line, "steps": self._total, "answers": len(answers), **counts, **times}

    def _counted(self, step: int) -> dict[str, Any]:
        """The line of a step that veRL did not come to log."""
        answers = self._answers(step)
        means = {
            theirs: sum(answer[ours] for answer in answers) / len(answers)
            for ours, theirs in MEANS.items()
            if answers
        }
        return {"step": step, "data": means}

    def _answers(self, step: int) -> list[dict[str, Any]]:
        """What the reward has read in a step."""
        files = sorted(self._tallies.glob("*.jsonl"))
        return [line for file in files for line in _lines(file) if line["step"] == step]

    def _append(self, line: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _is_step(line: Mapping[str, Any]) -> bool:
    """Whether it is no validation's."""
    return "training/global_step" in line["data"]


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file; what veRL writes as NaN is null."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


def _write(path: Path, lines: list[dict[str, Any]]) -> None:
    aside = path.with_name(f"{path.name}.part")
    aside.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    aside.replace(path)
