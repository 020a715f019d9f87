"""`rmr1 runs`: what was run, and what it said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rmr1_core.cli import Commands
from rmr1_core.cli.options import RunName, all_option, echo_json, json_option, runs_dir_option
from rmr1_core.errors import BadInput, UsageError
from rmr1_core.values import RunRecord


@click.group(cls=Commands, invoke_without_command=True)
@runs_dir_option
@json_option
@click.pass_context
def runs(ctx: click.Context, runs_dir: Path | None, as_json: bool) -> None:
    """List, show and re-score runs.

    Without a command, list them.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, runs_dir=runs_dir, as_json=as_json)
    elif runs_dir is not None or as_json:
        raise UsageError(f"write options after the command: rmr1 runs {ctx.invoked_subcommand} …")


@runs.command("list")
@runs_dir_option
@json_option
def list_(runs_dir: Path | None, as_json: bool) -> None:
    """List all runs, oldest first."""
    from rmr1_core import runs as flow
    from rmr1_core.show import print_table

    root = flow.runs_folder(runs_dir)
    records = [_record_or_damage(folder) for folder in flow.folders(root)]
    if as_json:
        echo_json(records)
        return
    if not records:
        click.echo(f"no runs in {root}; start one with: rmr1 bench or rmr1 run")
        return
    print_table(("run", "status", "backbone", "benchmarks"), map(_row, records))


@runs.command()
@click.argument("run", type=RunName())
@runs_dir_option
@all_option
@json_option
def show(run: str, runs_dir: Path | None, every: bool, as_json: bool) -> None:
    """Show what a RUN was and its results: its id, a part of it, or 'last'."""
    from rmr1_core import bench, train
    from rmr1_core import runs as flow
    from rmr1_core.evaluation import Evaluation
    from rmr1_core.show import plain_reports, plain_results, print_reports, print_results

    folder = flow.find(flow.runs_folder(runs_dir), run)
    record = flow.read_record(folder)
    results = train.stored_results(folder)
    reports = Evaluation(folder / bench.FOLDER).stored_reports() or []
    if as_json:
        plain = {"reports": plain_reports(reports), "results": plain_results(results)}
        echo_json(
            {"record": record, **plain, "steps": [str(path) for path in _steps(record, folder)]}
        )
        return
    click.echo(_words(record, folder))
    if reports:
        print_reports(reports, every=every)
    if results:
        print_results(results, folder)
    if not reports and not results:
        click.echo(f"no results yet; go on with: rmr1 {record.command} --resume {record.id}")


@runs.command()
@click.argument("run", type=RunName())
@click.option("--scoring", help="Another scoring rule, such as as-published.")
@click.option("--parser", help="Read the stored answers again with another parser.")
@runs_dir_option
@all_option
@json_option
def rescore(run: str, scoring: str | None, parser: str | None, **shown: Any) -> None:
    """Score a RUN's stored judgments again: no model is asked, and nothing stored changes."""
    from rmr1_core import bench
    from rmr1_core import runs as flow
    from rmr1_core.show import plain_reports, print_reports

    folder = flow.find(flow.runs_folder(shown["runs_dir"]), run)
    reports = bench.rescore(folder, scoring, parser)
    if shown["as_json"]:
        echo_json(plain_reports(reports))
        return
    print_reports(reports, every=shown["every"])


def _record_or_damage(folder: Path) -> RunRecord | dict[str, str]:
    from rmr1_core.runs import read_record

    try:
        return read_record(folder)
    except BadInput as error:
        return {"id": folder.name, "status": "damaged", "error": str(error)}


def _steps(record: RunRecord, folder: Path) -> list[Path]:
    """The files with the steps of every stage that began, those of ablations last."""
    from rmr1_core.launching import STEPS_FILE

    stages = record.recipe.stages if record.recipe else ()
    own = [folder / "stages" / stage.name / STEPS_FILE for stage in stages]
    return [
        *(path for path in own if path.exists()),
        *sorted(folder.glob(f"ablations/*/stages/*/{STEPS_FILE}")),
    ]


def _row(record: RunRecord | dict[str, str]) -> tuple[str, str, str, str]:
    if isinstance(record, dict):
        return record["id"], f"{record['status']}: {record['error']}", "-", "-"
    benchmarks = ", ".join(benchmark.name for benchmark in record.benchmarks)
    return record.id, record.status, _who(record), benchmarks


def _who(record: RunRecord) -> str:
    return record.backbone.name if record.backbone else "-"


def _words(record: RunRecord, folder: Path) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    lines = [
        f"{record.id}: {record.status}" + (f" ({record.error})" if record.error else ""),
        f"  folder    {folder}",
        f"  command   {' '.join(record.argv)}",
        f"  from      {record.created} to {record.finished or '…'}",
        f"  backbone  {_who(record)}",
        f"  prompt    {record.prompt.name if record.prompt else '-'}",
        f"  engine    {record.engine.name if record.engine else '-'}",
        f"  versions  {versions}",
        *(f"  runs in   {name}: {label}" for name, label in record.environments.items()),
        *(f"  steps     {path}" for path in _steps(record, folder)),
    ]
    return "\n".join(lines)
