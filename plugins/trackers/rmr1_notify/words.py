"""What is said of a run that has ended: which it was, how it ended, how good the judge is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from rmr1_core import Report, RunRecord
from rmr1_core.stored import StoredRun

MOST = 600
"""Characters of an error; what shows notifications takes no more than a few thousand bytes."""


class News(msgspec.Struct, frozen=True):
    """A run that has ended. `lines` are its results, how long it took, and its error."""

    title: str
    lines: tuple[str, ...]
    facts: dict[str, Any]
    """The same for programs."""

    @property
    def text(self) -> str:
        """All but the title."""
        return "\n".join(self.lines)


def of_run(record: RunRecord, folder: Path, seconds: float) -> News:
    """What there is to say of a run, which is not more than its record and its results."""
    stage, reports = _latest(folder)
    said = [_score(report) for report in reports]
    if stage and said:
        said[0] = f"{stage}: {said[0]}"
    error = [f"error: {_cut(record.error)}"] if record.error else []
    facts = {
        "run": record.id,
        "command": record.command,
        "status": record.status,
        "seconds": round(seconds, 1),
        "error": record.error,
        "stage": stage,
        "results": [_facts(report) for report in reports],
    }
    return News(
        title=f"rmr1 {record.command} {record.status}: {record.id}",
        lines=(*error, *said, f"took {duration(seconds)}"),
        facts=facts,
    )


def of_distillation(folder: Path, status: str, seconds: float, words: str) -> News:
    """What there is to say of a distillation."""
    facts = {
        "run": str(folder),
        "command": "data distill",
        "status": status,
        "seconds": round(seconds, 1),
        "error": words.removeprefix("error: ") if status == "failed" else "",
        "stage": "",
        "results": [],
    }
    lines = [_cut(words)] if words else []
    title = f"rmr1 data distill {status}: {folder}"
    return News(title=title, lines=(*lines, f"took {duration(seconds)}"), facts=facts)


def duration(seconds: float) -> str:
    """A time as one says it: 45 s, 12 min, 3 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _cut(text: str) -> str:
    return text if len(text) <= MOST else f"{text[:MOST]}…"


def _latest(folder: Path) -> tuple[str, Sequence[Report]]:
    """The reports of the last judge that was evaluated, and after which stage that was."""
    run = StoredRun(folder)
    if results := run.results():
        last = results[-1]
        return "/".join(filter(None, (last.variant, last.stage))), last.reports
    return "", [report for evaluation in run.evaluations() for report in evaluation.reports()]


def _score(report: Report) -> str:
    score = report.scores.headline
    value, low, high = (f"{100 * share:.1f}" for share in (score.value, score.low, score.high))
    partial = " (partial)" if report.partial else ""
    return f"{report.benchmark}{partial} {value} % [{low}, {high}], n={score.n:,}"


def _facts(report: Report) -> dict[str, Any]:
    score = report.scores.headline
    values = {name: getattr(score, name) for name in ("value", "low", "high", "n")}
    return {"benchmark": report.benchmark, **values, "partial": report.partial}
