"""What a run leaves for people: a page, figures, tables."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rmr1_core import RunRecord, hookimpl

if TYPE_CHECKING:
    import click

SWITCH = "RMR1_REPORT"
"""The variable that, as "no", lets runs end without a page."""


@hookimpl
def rmr1_commands(cli: click.Group) -> None:
    """Add `rmr1 export` and `rmr1 report`."""
    from rmr1_reports.export_command import export
    from rmr1_reports.report_command import report

    cli.add_command(export)
    cli.add_command(report)


@hookimpl
def rmr1_run_finished(record: RunRecord, folder: Path) -> None:
    """Leave `report.html` in the run's folder, however the run ended."""
    if os.environ.get(SWITCH, "").lower() in ("no", "0", "off", "false"):
        return
    from rmr1_core.stored import StoredRun
    from rmr1_reports.page import write

    path = write(StoredRun(folder), record.status)
    print(f"report: {path}", file=sys.stderr)
