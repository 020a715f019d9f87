"""The events of a training that outlive its kills.

veRL's own file logger begins its file anew whenever the training resumes. Its lines are appended
to the job's events here, each with what veRL does not log: the number of all steps, how many
answers were unparsed, and the time spent in all attempts together.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from rmr1_verl.inside.children import Spent
from rmr1_verl.inside.machine import has_own_ray
from rmr1_verl.inside.settings import Settings


class Events:
    """The job's file of events; what was measured after the step to resume from is cut off."""

    def __init__(self, settings: Settings, metrics: Path) -> None:
        self._path, self._metrics = Path(settings.events), metrics
        self._tallies = settings.tallies
        self._total, self.step = settings.total_steps, settings.steps_done
        kept = [line for line in _lines(self._path) if 0 < line.get("step", 0) <= self.step]
        _write(self._path, kept)
        last = kept[-1] if kept else {}
        self._wall = last.get("wall_seconds", 0.0) - time.monotonic()
        self._cpu, self._spent = last.get("cpu_seconds", 0.0), Spent()
        self._read = 0
        metrics.unlink(missing_ok=True)

    @property
    def started(self) -> bool:
        """Whether everything is loaded and the steps begin."""
        return self._metrics.exists()

    def follow(self) -> None:
        """Append what veRL has logged since the last look."""
        cpu = self._cpu + self._spent.look()
        lines = _lines(self._metrics)
        for line in lines[self._read :]:
            if "training/global_step" in line["data"]:
                self.step = line["step"]
                told = {**line, "steps": self._total, **self._answers(self.step)}
                self._append({**told, **self._time(cpu)})
        self._read = len(lines)

    def finish(self) -> None:
        """Say that all steps are done."""
        self.follow()
        self._append({"done": True, **self._time(self._cpu + self._spent.look())})

    def _time(self, cpu: float) -> dict[str, float]:
        """Of all processes where Ray is ours; on a cluster's other nodes nobody sees them."""
        wall = {"wall_seconds": round(self._wall + time.monotonic(), 3)}
        return {**wall, "cpu_seconds": round(cpu, 3)} if has_own_ray() else wall

    def _answers(self, step: int) -> dict[str, int]:
        """How many answers of a step the reward has read, and how."""
        counts = {"answers": 0, "right": 0, "unparsed": 0}
        for file in self._tallies.glob("*.jsonl"):
            for line in _lines(file):
                if line["step"] == step:
                    counts["answers"] += 1
                    counts["right"] += line["right"]
                    counts["unparsed"] += line["unparsed"]
        return counts

    def _append(self, line: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


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
