"""The complete runs that are kept: what is known of judges before they judge again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from rmr1_core.errors import Rmr1Error
from rmr1_core.stored import StoredRun
from rmr1_core.values import Ref, Report, RunRecord


class Earlier(NamedTuple):
    """A complete run of `rmr1 bench`."""

    run: StoredRun
    reports: list[Report]

    @property
    def tokens_per_second(self) -> float:
        """Tokens of answers by the time from start to end, pauses included."""
        record = self.run.record
        ended, began = map(datetime.fromisoformat, (record.finished, record.created))
        tokens = sum(report.validity.completion_tokens for report in self.reports)
        return record.repeat * tokens / max((ended - began).total_seconds(), 1.0)


def earlier_runs(runs_dir: Path | None) -> Iterator[Earlier]:
    """The complete runs of `rmr1 bench` that are kept, the newest first; damaged ones left out."""
    for folder in reversed(StoredRun.kept(runs_dir)):
        try:
            run = StoredRun(folder)
            measured_here = run.record.command == "bench" and run.record.imported is None
            if measured_here and run.record.status == "done":
                yield Earlier(run, run.evaluations()[0].reports())
        except (Rmr1Error, IndexError):
            continue


def same_judge(record: RunRecord, backbone: Ref | None, engine: Ref) -> bool:
    """Whether the same weights judged, or the same model behind the same kind of engine."""
    if record.backbone is not None or backbone is not None:
        return record.backbone == backbone
    then = record.engine or Ref(name="")
    return (then.name, then.options.get("model")) == (engine.name, engine.options.get("model"))


def judge_key(record: RunRecord) -> tuple[object, ...]:
    """What tells judges apart: weights and prompt, or the model behind an endpoint."""
    if record.backbone is not None:
        return record.backbone, record.prompt
    engine = record.engine or Ref(name="")
    return engine.name, engine.options.get("model"), record.prompt
