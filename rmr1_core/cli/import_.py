"""`rmr1 import`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rmr1_core.cli.anchors import published_option
from rmr1_core.cli.judge_options import parser_option
from rmr1_core.cli.options import (
    ComponentName,
    all_option,
    data_option,
    data_paths,
    echo_json,
    json_option,
    ref,
    runs_dir_option,
)

if TYPE_CHECKING:
    from rmr1_core.importing import Found, ImportRequest


@click.command(
    "import",
    epilog="\b\nExamples:\n"
    "  rmr1 import ./RM-R1/eval/result/MODEL --backbone rm-r1-qwen32b\n"
    "  rmr1 import logs.json --skip-bad              keep what is whole of a broken file\n"
    "  rmr1 import ./result --as-logged --scoring as-published\n"
    "  rmr1 import ./rmb --data rmb=./RMB_dataset    pairs that rmr1 compare finds in other runs\n"
    "  rmr1 import eval-set-scores/org/model.json --from rewardbench\n"
    "  rmr1 import 'outputs/…judge_model=o1-mini.jsonl' --dry-run\n"
    "  rmr1 compare last OTHER-RUN\n"
    "  rmr1 list importers                           the formats",
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "format_",
    type=ComponentName("importer"),
    help="The format of the logs. [default: the one that knows them]",
)
@click.option(
    "--benchmark",
    type=ComponentName("benchmark"),
    help="The one to import of several, or what the pairs are of where that is not the one that "
    "the format says.",
)
@data_option
@click.option(
    "--backbone",
    default="",
    metavar="WORDS",
    help="Who judged: a backbone's name, so that its published numbers stand beside, or any words. "
    "[default: what the log or the path says]",
)
@click.option(
    "--prompt",
    type=ComponentName("prompt"),
    help="The strategy whose parser reads the answers. [default: as the format says]",
)
@parser_option
@click.option(
    "--as-logged", is_flag=True, help="Take the verdicts of the log's own scorer; read nothing."
)
@click.option(
    "--scoring",
    default="strict",
    show_default=True,
    help="The scoring rule: strict, or as-published where they differ.",
)
@click.option(
    "--skip-bad",
    is_flag=True,
    help="Leave out records that cannot be used, and list them; go on behind broken JSON.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be imported; write nothing.")
@runs_dir_option
@all_option
@published_option
@json_option
def import_(
    path: Path,
    dry_run: bool,
    runs_dir: Path | None,
    every: bool,
    everybody: bool,
    as_json: bool,
    **asked: Any,
) -> int:
    """Make a run of another project's logs at PATH.

    That is a file or a folder. Nothing is asked of a model. The answers are read again by the
    parser here where their notation is known, and scored by the benchmark's rules. The run is one
    like any other for rmr1 runs, compare, view, report and export, and says where it is from. Pairs
    are taken from the log, or from --data or the hub where the log does not hold them.
    """
    from rmr1_core import importing, runs
    from rmr1_core.cli.reproduce import print_run
    from rmr1_core.import_words import reading

    request = _request(path, asked)
    found = importing.find(request)
    _tell_left_out(found)
    if dry_run:
        _print_found(found, as_json)
        return 0
    folder, reports = importing.start(runs.runs_folder(runs_dir), request, found)
    click.echo(f"run {folder}", err=True)
    if not as_json:
        click.echo(reading(found.imported))
    return print_run(folder, reports, every=every, everybody=everybody, as_json=as_json)


def _request(path: Path, asked: dict[str, Any]) -> ImportRequest:
    from rmr1_core.importing import ImportRequest

    options = {} if asked["parser"] is None else {"parser": asked["parser"]}
    return ImportRequest(
        path=str(path.expanduser()),
        format=asked["format_"] or "",
        benchmark=asked["benchmark"] or "",
        backbone=asked["backbone"],
        prompt=ref(asked["prompt"], options),
        data=data_paths(asked["data"], _names(asked["data"])),
        scoring=asked["scoring"],
        as_logged=asked["as_logged"],
        skip_bad=asked["skip_bad"],
    )


def _names(data: Sequence[str]) -> tuple[str, ...]:
    """The benchmarks that `--data` may name, if it names any: which ones the logs are of is not
    known yet."""
    from rmr1_core.lookup import names

    return tuple(names("benchmark")) if any("=" in text for text in data) else ()


def _tell_left_out(found: Found) -> None:
    if found.left_out:
        from rmr1_core.data_words import skipped_words

        click.echo("\n".join(skipped_words(found.left_out)), err=True)


def _print_found(found: Found, as_json: bool) -> None:
    rows = [
        {
            "benchmark": part.benchmark.name,
            "pairs": len(part.pairs),
            "judgments": len(part.judgments),
            "verdicts": dict(sorted(Counter(str(j.verdict) for j in part.judgments).items())),
        }
        for part in found.parts
    ]
    if as_json:
        left_out = [str(error) for error in found.left_out]
        plain = {"judge": found.judge, "benchmarks": rows, "left_out": left_out}
        echo_json({**plain, "imported": found.imported})
        return
    from rmr1_core.import_words import provenance
    from rmr1_core.show import print_table

    click.echo(f"judge: {found.judge}")
    print_table(
        ("benchmark", "pairs", "judgments", "verdicts"),
        [(str(r["benchmark"]), str(r["pairs"]), str(r["judgments"]), _verdicts(r)) for r in rows],
    )
    click.echo("\n".join(provenance(found.imported)))


def _verdicts(row: dict[str, Any]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in row["verdicts"].items())
