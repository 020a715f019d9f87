"""`rmr1 data mix` and `rmr1 data push`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rmr1_core.cli.options import (
    ComponentName,
    bad_rows,
    data_option,
    data_paths,
    echo_json,
    json_option,
    skip_bad_option,
)


@click.command(
    epilog="\b\nA mixture is a TOML file:\n"
    '  name = "mine"\n'
    '  description = "Code, and a little chat."\n'
    "  [[sources]]\n"
    '  name = "code"\n'
    '  dataset = {name = "NAME", options = {OPTION = "VALUE"}}\n'
    "  count = 8000                              or weight = 2.0, or all rows\n"
    "  shuffle_seed = 42                         which ones; else the first\n"
    '  filters = {drop = {domain = ["chat"]}, max_chars = 20000}\n'
    "  [overlap]\n"
    '  benchmarks = [{name = "rm-bench"}]\n'
    "\b\nExamples:\n"
    "  rmr1 list mixtures\n"
    "  rmr1 data mix mine.toml -o ./mine --data ./benchmarks --dry-run\n"
    "  rmr1 data mix mine.toml -o ./mine --set seed=1 --set sources.code.count=500",
)
@click.argument("mixture", type=ComponentName("mixture"))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to make; an older mix there is replaced when the new one is complete.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Change a field of the mixture; a source goes by its name.",
)
@data_option
@skip_bad_option
@click.option("--dry-run", is_flag=True, help="Say what would be mixed; write nothing.")
@json_option
def mix(mixture: str, output: Path, **asked: Any) -> None:
    """Mix sources into training data.

    MIXTURE is a name, or a TOML file. The same bytes on every run. The chosen answer comes first
    in every other row. Repeats, and rows whose prompt a benchmark has, are removed; the card and
    removed.jsonl say which and why.
    """
    from rmr1_core import mixing, mixtures
    from rmr1_core.data_words import print_mix
    from rmr1_core.progress import activity
    from rmr1_core.show import print_table

    chosen = mixtures.choose(mixture, asked["settings"])
    data = data_paths(asked["data"], tuple(ref.name for ref in chosen.overlap.benchmarks))
    if asked["dry_run"]:
        with bad_rows(asked["skip_bad"]):
            plan = mixing.plan(chosen, output, data)
        if asked["as_json"]:
            keys = ("source", "takes", "first_row")
            echo_json([dict(zip(keys, row, strict=True)) for row in plan])
        else:
            print_table(("source", "takes", "first row"), plan)
        return
    with bad_rows(asked["skip_bad"]) as bad, activity(f"mixing {chosen.name}") as say:
        report = mixing.mix(chosen, output, data=data, skipped=bad, say=say)
    if asked["as_json"]:
        echo_json({"folder": str(output), "report": report, "notes": report.warnings()})
    else:
        print_mix(report, output)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("repository", metavar="REPO")
@click.option("--private", is_flag=True, help="Make it a private repository, if it is not there.")
@click.option("--branch", help="Push to this branch, which is made if need be. [default: main]")
@click.option("--dry-run", is_flag=True, help="Check the mix and say what would be uploaded.")
@json_option
def push(folder: Path, repository: str, dry_run: bool, as_json: bool, **asked: Any) -> None:
    """Upload a mix to the hub.

    It goes from FOLDER to the dataset REPO (ORG/NAME). The rows must be those that the card
    describes. Log in first, with: hf auth login
    """
    from rmr1_core import pushing

    if dry_run:
        report = pushing.checked(folder)
        sizes = {name: (folder / name).stat().st_size for name in pushing.FILES}
        if as_json:
            echo_json({"repository": repository, "rows": report.rows, "files": sizes})
            return
        for name, size in sizes.items():
            click.echo(f"{name}: {size:,} bytes")
        click.echo(f"would go to {repository}; nothing was uploaded")
        return
    address = pushing.push(folder, repository, private=asked["private"], branch=asked["branch"])
    if as_json:
        echo_json({"repository": repository, "commit": address})
        return
    click.echo(f"pushed: {address}")
