"""`rmr1 report`."""

from __future__ import annotations

from pathlib import Path

import click

from rmr1_core.cli.options import RunName, echo_json, json_option, runs_dir_option


@click.command(
    epilog="\b\nExamples:\n  rmr1 report last\n  rmr1 report RUN --open\n  rmr1 report RUN1 RUN2"
)
@click.argument("runs", nargs=-1, type=RunName(), required=True)
@click.option("--open", "show", is_flag=True, help="Show it in the browser.")
@runs_dir_option
@json_option
def report(runs: tuple[str, ...], *, show: bool, runs_dir: Path | None, as_json: bool) -> None:
    """Write report.html of RUNS again, one page for each.

    Every run leaves one in its folder when it ends. While a run goes on, the page shows what is
    there so far. No model is asked.
    """
    from rmr1_core.stored import StoredRun
    from rmr1_reports.page import write

    found = [StoredRun.find(name, runs_dir) for name in runs]
    written = [(run, write(run)) for run in found]
    if as_json:
        echo_json([{"run": run.record.id, "report": str(path)} for run, path in written])
    for _, path in written:
        if not as_json:
            click.echo(path)
        if show:
            click.launch(path.resolve().as_uri())
