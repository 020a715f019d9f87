"""`rmr1 runs`: what was run, and what it said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rmr1_core.cli import Commands
from rmr1_core.cli.anchors import published_option
from rmr1_core.cli.options import RunName, all_option, echo_json, json_option, runs_dir_option
from rmr1_core.cli.run_lines import described, line_of, steps_files
from rmr1_core.errors import UsageError


@click.group(cls=Commands, invoke_without_command=True)
@runs_dir_option
@json_option
@click.pass_context
def runs(ctx: click.Context, runs_dir: Path | None, as_json: bool) -> None:
    """List, show, follow, stop and re-score runs.

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
    """List all runs, oldest first.

    A run is "running" while a process writes it, and "died" where one should and none does; both
    say how far it is.
    """
    from rmr1_core import runs as flow
    from rmr1_core.show import print_table

    root = flow.runs_folder(runs_dir)
    listed = [line_of(folder) for folder in flow.folders(root)]
    if as_json:
        echo_json([line.plain() for line in listed])
        return
    if not listed:
        click.echo(f"no runs in {root}; start one with: rmr1 bench or rmr1 run")
        return
    print_table(("run", "status", "backbone", "benchmarks"), [line.row() for line in listed])


@runs.command(
    epilog="\b\nExamples:\n"
    "  rmr1 runs attach last\n"
    "  rmr1 runs attach ./traces           of: rmr1 data distill … -o ./traces --detach"
)
@click.argument("run", type=RunName())
@runs_dir_option
def attach(run: str, runs_dir: Path | None) -> None:
    """Show the output of a detached RUN, to its end.

    It was started with --detach. RUN is its id, a part of it, 'last', or the folder of a
    distillation. Ctrl-C leaves it going. Else the exit code is the run's.
    """
    from rmr1_core.cli.detach import attach as follow

    folder, name = _written(run, runs_dir)
    follow(folder, name)


@runs.command(
    epilog="\b\nExamples:\n"
    "  rmr1 runs stop last\n"
    "  rmr1 runs stop 20250505-101500-bench-qwen7b --now"
)
@click.argument("run", type=RunName())
@click.option("--now", is_flag=True, help="Kill it if it has not ended after 5 seconds.")
@runs_dir_option
def stop(run: str, now: bool, runs_dir: Path | None) -> None:
    """Stop a RUN as Ctrl-C does, in whichever terminal it runs.

    What was done is kept, its jobs are ended, and it goes on with --resume. RUN is its id, a part
    of it, 'last', or the folder of a distillation.
    """
    from rmr1_core import detaching

    folder, name = _written(run, runs_dir)
    detaching.stop(folder, name, now=now, tell=lambda text: click.echo(text, err=True))
    how = f"rmr1 data distill --resume {name}"
    if (folder / "run.json").is_file():
        line = line_of(folder)
        if line.state == "done":
            click.echo(f"{name} was done already")
            return
        how = f"rmr1 {line.command} --resume {name}"
    click.echo(f"{name} has ended; go on with: {how}")


@runs.command()
@click.argument("run", type=RunName())
@runs_dir_option
@all_option
@published_option
@json_option
def show(run: str, runs_dir: Path | None, every: bool, everybody: bool, as_json: bool) -> None:
    """Show what a RUN was and its results: its id, a part of it, or 'last'."""
    from rmr1_core import bench, prompt_prints, repeating, tradeoffs, train
    from rmr1_core import runs as flow
    from rmr1_core.anchor_words import add_published, print_beside
    from rmr1_core.anchors import of_run
    from rmr1_core.evaluation import Evaluation
    from rmr1_core.repeat_words import plain_repeated, print_repeated
    from rmr1_core.show import plain_reports, plain_results, print_reports, print_results
    from rmr1_core.tradeoff_words import plain as plain_curves
    from rmr1_core.tradeoff_words import print_tradeoffs

    folder = flow.find(flow.runs_folder(runs_dir), run)
    record = flow.read_record(folder)
    results = train.stored_results(folder)
    evaluation = Evaluation(place := folder / bench.FOLDER)
    reports, curves = evaluation.stored_reports() or [], tradeoffs.stored(evaluation)
    besides = of_run(record, reports, everybody=everybody)
    repeated = repeating.stored(place)
    if as_json:
        plain: dict[str, Any] = {"reports": plain_reports(reports)}
        plain |= {"results": plain_results(results), "fingerprints": prompt_prints.stored(place)}
        plain["repeated"] = plain_repeated(repeated)
        add_published(plain["reports"], besides)
        steps = [str(path) for path in steps_files(record, folder)]
        echo_json({"record": record, **plain, **plain_curves(curves), "steps": steps})
        return
    click.echo(described(record, folder))
    if reports:
        print_reports(reports, every=every)
        print_tradeoffs(curves)
        print_repeated(repeated, every=every)
        print_beside(besides)
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


def _written(name: str, runs_dir: Path | None) -> tuple[Path, str]:
    """The folder that the run's process writes, and a name by which it is found again: a run's, or
    where a distillation keeps its work."""
    from rmr1_core import runs as flow
    from rmr1_core.distill_work import REQUEST_FILE, WORK

    if (Path(name) / WORK / REQUEST_FILE).is_file():
        return Path(name) / WORK, name
    if (Path(name) / REQUEST_FILE).is_file():  # as errors name it
        return Path(name), str(Path(name).parent)
    folder = flow.find(flow.runs_folder(runs_dir), name)
    return folder, folder.name if runs_dir is None and not Path(name).is_dir() else str(folder)
