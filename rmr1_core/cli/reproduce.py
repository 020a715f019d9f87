"""`rmr1 bench --reproduce`, and what a run says at its end: reports, published numbers, verdict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from rmr1_core.cli.options import echo_json

if TYPE_CHECKING:
    from rmr1_core.reproducing import Reproduction
    from rmr1_core.values import Report


def _models(_context: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
    from rmr1_core.anchors import published

    return [
        CompletionItem(name)
        for name in sorted({anchor.backbone for anchor in published()} - {""})
        if begun in name
    ]


reproduce_option = click.option(
    "--reproduce",
    metavar="MODEL",
    shell_complete=_models,
    help="Judge as the published numbers of this model or backbone were made, unless told "
    "otherwise, and say whether they come out again; see: rmr1 anchors. Exit code 1 if not.",
)


def set_up_reproduction(asked: dict[str, Any]) -> Reproduction | None:
    """Set what `--reproduce` sets and nobody typed, and say so; None without it.

    Raises:
        UnknownName: no model is called so.
        UsageError: nothing was published of it on a benchmark that is named.
    """
    if asked["reproduce"] is None:
        return None
    from rmr1_core.reproducing import reproduction

    found = reproduction(asked["reproduce"], asked["benchmarks"])
    context = click.get_current_context()
    kept = []
    for option, value in found.settings.items():
        typed = context.get_parameter_source(option) is ParameterSource.COMMANDLINE
        if not typed:
            asked[option] = value
        elif asked[option] != value:
            kept.append(f"{option.replace('_', '-')} {_plain(asked[option])}, not {_plain(value)}")
    of = ", ".join(asked["benchmarks"])
    count = len(found.anchors)
    numbers = f"{count} published number{'' if count == 1 else 's'}"
    lines = [f"reproduces {numbers} of {found.model} on {of}"]
    lines += [f"  {name.replace('_', '-')}: {_plain(asked[name])}" for name in found.settings]
    lines += [f"  as you typed: {words}" for words in kept]
    lines += _own_wording(asked)
    click.echo("\n".join(lines), err=True)
    return found


def print_run(
    folder: Path, reports: Sequence[Report], *, every: bool, everybody: bool, as_json: bool
) -> int:
    """Print reports, what repeating changed, and the published numbers beside; the exit code,
    which is 1 where a reproduction failed."""
    from rmr1_core.anchor_words import add_published, print_beside
    from rmr1_core.anchors import of_run
    from rmr1_core.bench import FOLDER
    from rmr1_core.evaluation import Evaluation
    from rmr1_core.repeat_words import plain_repeated, print_repeated
    from rmr1_core.repeating import stored as stored_repeats
    from rmr1_core.reproducing import expected_of, reproduced
    from rmr1_core.runs import read_record
    from rmr1_core.show import plain_reports, print_reports
    from rmr1_core.tradeoff_words import plain, print_tradeoffs
    from rmr1_core.tradeoffs import stored

    record, curves = read_record(folder), stored(Evaluation(folder / FOLDER))
    besides = of_run(record, reports, everybody=everybody)
    repeated = stored_repeats(folder / FOLDER)
    result = None
    if record.reproduces:
        expected = expected_of(record.reproduces, [report.benchmark for report in reports])
        result = reproduced(record.reproduces, expected, of_run(record, reports))
    if as_json:
        shown = plain_reports(reports)
        add_published(shown, besides)
        whole: dict[str, Any] = {"run": folder.name, "folder": str(folder), "reports": shown}
        whole |= plain(curves)
        if repeated:
            whole["repeated"] = plain_repeated(repeated)
        if record.imported:
            whole["imported"] = record.imported
        if result:
            whole["reproduction"] = {"passed": result.passed, "words": result.words}
        echo_json(whole)
    else:
        print_reports(reports, every=every)
        print_tradeoffs(curves)
        print_repeated(repeated, every=every)
        print_beside(besides)
        if result:
            click.echo(result.words)
    return 0 if result is None or result.passed else 1


def print_reproduction(found: Reproduction) -> None:
    """Print the numbers that are to be reproduced, with the tolerance to expect."""
    from rmr1_core.anchor_words import print_anchors

    print_anchors(found.anchors)


def plain_reproduction(found: Reproduction) -> dict[str, Any]:
    """What `--reproduce` sets, and the numbers, as JSON has them."""
    from rmr1_core.anchor_words import plain_anchor

    anchors = [plain_anchor(anchor) for anchor in found.anchors]
    return {"reproduces": found.model, "settings": found.settings, "published": anchors}


def _own_wording(asked: dict[str, Any]) -> list[str]:
    """A checkpoint that was trained on one wording judges best with it; nobody else knows it."""
    if asked["prompt"] is not None:
        return []
    return ["  prompt: the default one; released checkpoints know their own: rmr1 prompts learn"]


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
