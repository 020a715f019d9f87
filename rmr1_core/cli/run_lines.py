"""A run in a line of a list, and in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from rmr1_core.errors import BadInput
from rmr1_core.import_words import provenance
from rmr1_core.values import RunRecord


class Line(NamedTuple):
    """A run as the list shows it; one whose record is damaged has an error instead."""

    id: str
    record: RunRecord | None
    state: str
    how_far: str = ""
    error: str = ""

    @property
    def command(self) -> str:
        """Which command made it; "" where that is not known."""
        return self.record.command if self.record else ""

    def plain(self) -> dict[str, Any]:
        """As JSON has it: the record's fields, and what it does now."""
        if self.record is None:
            return {"id": self.id, "status": self.state, "error": self.error}
        now = {"state": self.state, "how_far": self.how_far}
        return {**msgspec.to_builtins(self.record), **now}

    def row(self) -> tuple[str, str, str, str]:
        """As the table has it."""
        if self.record is None:
            return self.id, f"{self.state}: {self.error}", "-", "-"
        benchmarks = ", ".join(benchmark.name for benchmark in self.record.benchmarks)
        status = f"{self.state}, {self.how_far}" if self.how_far else self.state
        return self.id, status, who(self.record), benchmarks


def line_of(folder: Path) -> Line:
    """The line of a run's folder, whatever is in it."""
    from rmr1_core.stored import StoredRun

    try:
        run = StoredRun(folder)
        far = run.how_far() if run.state in ("running", "died") else ""
    except BadInput as error:
        return Line(folder.name, None, "damaged", error=str(error))
    return Line(folder.name, run.record, run.state, far)


def steps_files(record: RunRecord, folder: Path) -> list[Path]:
    """The files with the steps of every stage that began, those of ablations last."""
    from rmr1_core.launching import STEPS_FILE

    stages = record.recipe.stages if record.recipe else ()
    own = [folder / "stages" / stage.name / STEPS_FILE for stage in stages]
    return [
        *(path for path in own if path.exists()),
        *sorted(folder.glob(f"ablations/*/stages/*/{STEPS_FILE}")),
    ]


def who(record: RunRecord) -> str:
    """Who judges, by name."""
    return record.backbone.name if record.backbone else "-"


def described(record: RunRecord, folder: Path) -> str:
    """What a run was, in some lines."""
    from rmr1_core import bench, prompt_prints

    line = line_of(folder)
    state = ", ".join(filter(None, (line.state, line.how_far)))
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    asked = "read as" if record.imported else "prompt"
    lines = [
        f"{record.id}: {state}" + (f" ({record.error})" if record.error else ""),
        f"  folder    {folder}",
        f"  command   {' '.join(record.argv)}",
        *(f"  imported  {line}" for line in provenance(record.imported)),
        f"  from      {record.created} to {record.finished or '…'}",
        f"  backbone  {who(record)}",
        f"  {asked:9} {record.prompt.name if record.prompt else '-'}",
        f"  engine    {record.engine.name if record.engine else '-'}",
        f"  versions  {versions}",
        *(f"  runs in   {name}: {label}" for name, label in record.environments.items()),
        *(f"  asked     {line}" for line in prompt_prints.lines(folder / bench.FOLDER)),
        *(f"  steps     {path}" for path in steps_files(record, folder)),
    ]
    return "\n".join(lines)
