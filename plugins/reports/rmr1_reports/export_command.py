"""`rmr1 export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rmr1_core.cli.options import RunName, echo_json, json_option, runs_dir_option
from rmr1_core.errors import UsageError

if TYPE_CHECKING:
    from rmr1_reports.export_rows import Wanted

FIGURES = ("png", "svg", "pdf")
FORMS = ("csv", "parquet", "leaderboard-md", "hf", *FIGURES)
FOLDERS = ("hf", *FIGURES)


@click.command(
    epilog="\b\nExamples:\n"
    "  rmr1 export last --to csv -o judgments.csv\n"
    "  rmr1 export last --to parquet -o judgments.parquet --texts --pairs\n"
    "  rmr1 export RUN1 RUN2 --to leaderboard-md -o -\n"
    "  rmr1 export RUN1 RUN2 --to hf -o ./dataset --texts\n"
    "  rmr1 export last --to pdf -o ./figures"
)
@click.argument("runs", nargs=-1, type=RunName(), required=True)
@click.option(
    "--to",
    "form",
    type=click.Choice(FORMS),
    required=True,
    help="A table of judgments (csv, parquet), one of results (leaderboard-md), a dataset of both "
    "(hf), or the figures of the report (png, svg, pdf).",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="The file to write; for hf and figures the folder. - is standard output, for csv and "
    "leaderboard-md.",
)
@click.option("--texts", is_flag=True, help="With what the judge wrote.")
@click.option("--pairs", is_flag=True, help="With the prompt, the chosen and the rejected answer.")
@click.option(
    "--evaluation",
    "evaluations",
    multiple=True,
    metavar="NAME",
    help="Only this evaluation of a training run, such as before, or a stage's name.",
)
@runs_dir_option
@json_option
def export(
    runs: tuple[str, ...], form: str, output: Path, *, runs_dir: Path | None, as_json: bool,
    **much: Any,
) -> None:  # fmt: skip
    """Write what is in RUNS for other programs and for papers.

    A table of judgments has one row for each, also of a run that goes on. Files are there whole or
    not at all. Figures are one file each, by their titles.
    """
    from rmr1_core.stored import StoredRun
    from rmr1_reports.export_rows import Wanted

    found = [StoredRun.find(name, runs_dir) for name in runs]
    wanted = Wanted(found, **much)
    _check(wanted, form, output, as_json)
    if str(output) == "-":
        _print(wanted, form)
        return
    written = _write(wanted, form, output)
    if as_json:
        echo_json({"to": form, "output": str(output), **written})
        return
    click.echo(f"wrote {output}: " + ", ".join(f"{count:,} {of}" for of, count in written.items()))


def _check(wanted: Wanted, form: str, output: Path, as_json: bool) -> None:
    """Raise UsageError for what cannot be written, before anything is."""
    known = [e.name for run in wanted.runs for e in run.evaluations()]
    if missing := [name for name in wanted.evaluations if name not in known]:
        there = f"there is {', '.join(dict.fromkeys(known))}" if known else "none has begun"
        raise UsageError(f"--evaluation {missing[0]}: the runs have no such evaluation; {there}")
    if not known:
        names = ", ".join(run.record.id for run in wanted.runs)
        raise UsageError(f"{names}: nothing was judged yet; see: rmr1 runs list")
    if (wanted.texts or wanted.pairs) and form not in ("csv", "parquet", "hf"):
        raise UsageError(f"--to {form} has no texts; leave out --texts and --pairs")
    if str(output) == "-" and (form not in ("csv", "leaderboard-md") or as_json):
        raise UsageError("-o -: only csv and leaderboard-md, without --json; name a file or folder")
    if form not in FOLDERS and output.is_dir():
        raise UsageError(f"-o {output}: there is a folder of this name; name a file")
    if form in FIGURES and (output.exists() and not output.is_dir()):
        raise UsageError(f"-o {output}: there is a file of this name; name a folder")
    if form in FIGURES and wanted.evaluations:
        raise UsageError(f"--to {form} has the figures of the report; leave out --evaluation")


def _print(wanted: Wanted, form: str) -> None:
    from rmr1_reports.export_rows import judgments
    from rmr1_reports.export_tables import write_csv

    if form == "csv":
        write_csv(sys.stdout, wanted.columns, judgments(wanted))
    else:
        click.echo(_leaderboard(wanted), nl=False)


def _write(wanted: Wanted, form: str, output: Path) -> dict[str, int]:
    """Write it; how much of what that was."""
    from rmr1_core.folders import whole_file
    from rmr1_reports.export_hub import write_dataset
    from rmr1_reports.export_rows import judgments, results
    from rmr1_reports.export_tables import write_csv, write_parquet

    if form == "hf":
        return {"judgments": write_dataset(output, wanted)}
    if form in FIGURES:
        return {"figures": _write_figures(wanted, form, output)}
    with whole_file(output) as aside:
        if form == "parquet":
            return {"judgments": write_parquet(aside, wanted.columns, judgments(wanted))}
        if form == "csv":
            with aside.open("w", encoding="utf-8", newline="") as file:
                return {"judgments": write_csv(file, wanted.columns, judgments(wanted))}
        aside.write_text(_leaderboard(wanted), encoding="utf-8")
        return {"results": len(results(wanted))}


def _write_figures(wanted: Wanted, form: str, folder: Path) -> int:
    """Write each run's figures, of several runs in a folder for each; other files there stay."""
    from rmr1_reports.figures import figures, write

    count = 0
    for run in wanted.runs:
        place = folder if len(wanted.runs) == 1 else folder / run.record.id
        for figure in figures(run):
            write(figure, place / f"{figure.name}.{form}")
            count += 1
    return count


def _leaderboard(wanted: Wanted) -> str:
    from rmr1_reports.export_leaderboard import leaderboard
    from rmr1_reports.export_rows import results

    for run in wanted.runs:
        if not any(evaluation.reports() for evaluation in wanted.of(run)):
            record = run.record
            raise UsageError(
                f"{record.id} is not complete and has no results; go on with: "
                f"rmr1 {record.command} --resume {record.id}"
            )
    return leaderboard(results(wanted)) + "\n"
