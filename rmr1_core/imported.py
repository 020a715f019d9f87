"""What cannot be done with a run whose judgments another project made."""

from __future__ import annotations

from pathlib import Path

from rmr1_core.errors import UsageError
from rmr1_core.runs import read_record
from rmr1_core.values import Ref, RunRecord


def to_go_on(folder: Path) -> RunRecord:
    """The record of a run that goes on.

    Raises:
        UsageError: there never was anything to do: it was imported.
    """
    record = read_record(folder)
    if record.imported is not None:
        raise UsageError(
            f"{record.id} was imported, and there is nothing to go on with; "
            f"see: rmr1 runs show {record.id}"
        )
    return record


def prompt_that_reads(record: RunRecord) -> Ref:
    """The prompt strategy that reads the run's answers.

    Raises:
        UsageError: it was imported, and nobody said what its answers mean.
    """
    if record.imported is not None and record.prompt is None:
        raise UsageError(
            f"{record.id}: logs of {record.imported.format} have scores or a notation of "
            "their own; say what reads them when importing: rmr1 import PATH --prompt NAME"
        )
    return record.prompt or Ref(name="")
