"""`rmr1 data`: look at sources of training data, mix them, make traces, give the mix away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rmr1_core.cli import Commands, distill, mix
from rmr1_core.cli.options import (
    ComponentName,
    bad_rows,
    echo_json,
    json_option,
    skip_bad_option,
)
from rmr1_core.errors import UsageError
from rmr1_core.values import Example, Ref

if TYPE_CHECKING:
    from rmr1_core.data_stats import Stats

F = TypeVar("F", bound=Callable[..., Any])


@click.group(
    cls=Commands,
    epilog="\b\nExamples:\n"
    "  rmr1 list datasets                        what there is\n"
    "  rmr1 data preview toy                     look at the first rows\n"
    "  rmr1 data check toy                       is anything wrong with them?\n"
    "  rmr1 data mix mine.toml -o ./mine         mix, without repeats and benchmarks\n"
    "  rmr1 data distill mixed:./mine -o ./traces --backbone NAME\n"
    "                                            reasoning to imitate, from a stronger model\n"
    "  rmr1 data push ./mine ORG/NAME            give it away",
)
def data() -> None:
    """Look at training data, mix it, and make traces for it.

    A SOURCE is a name from rmr1 list datasets, with NAME:PATH for those that take one.
    """


def _source_options(command: F) -> F:
    """What `preview`, `stats` and `check` have in common."""
    for option in (
        click.argument("source", type=ComponentName("dataset")),
        click.option("--split", default="train", show_default=True, help="The part of the source."),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="OPTION=VALUE",
            help="Set an option of the source; see: rmr1 show datasets/NAME.",
        ),
        click.option("--seed", type=int, default=0, show_default=True, help="Of generated data."),
        skip_bad_option,
        json_option,
    ):
        command = option(command)
    return command


def _length_options(command: F) -> F:
    for option in (
        click.option(
            "--tokenizer",
            metavar="BACKBONE",
            help="Count tokens as this backbone, hub id or folder does. [default: characters]",
        ),
        click.option(
            "--max-length",
            type=click.IntRange(min=1),
            help="Count rows whose prompt and answers together are longer.",
        ),
    ):
        command = option(command)
    return command


@data.command()
@click.option(
    "-n",
    "--rows",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How many rows.",
)
@_source_options
def preview(rows: int, skip_bad: bool, as_json: bool, **asked: Any) -> None:
    """Show the first rows of a SOURCE, with their tags."""
    with bad_rows(skip_bad) as bad:
        found = list(islice(_examples(asked), rows))
    if as_json:
        echo_json({"rows": found, "skipped": list(map(str, bad))})
        return
    from rmr1_core.data_words import print_example

    for example in found:
        print_example(example)


@data.command()
@_source_options
@_length_options
def stats(skip_bad: bool, as_json: bool, **asked: Any) -> None:
    """Count what a SOURCE has.

    Rows by source, domain and licence, lengths, repeats, the balance of the labels.
    """
    with bad_rows(skip_bad) as bad:
        found = _surveyed(asked)
    if as_json:
        echo_json({"stats": found, "skipped": list(map(str, bad))})
        return
    from rmr1_core.data_words import print_stats

    print_stats(found)


@data.command()
@_source_options
@_length_options
def check(skip_bad: bool, as_json: bool, **asked: Any) -> int:
    """Say what is wrong with a SOURCE.

    The exit code is 1 if anything is: rows that cannot be used, repeats, contradictory labels,
    answers that are the same or empty, traces that contradict their labels, and rows that are
    longer than --max-length.
    """
    with bad_rows(True, quiet=as_json) as bad:
        found = _surveyed(asked)
    wrong = bool(found.findings or (bad and not skip_bad))
    if as_json:
        echo_json({"ok": not wrong, "stats": found, "bad": list(map(str, bad))})
        return int(wrong)
    from rmr1_core.data_words import print_findings

    print_findings(found, len(bad))
    return int(wrong)


for _command in (mix.mix, distill.distill, mix.push):
    data.add_command(_command)


def _examples(asked: dict[str, Any]) -> Iterator[Example]:
    dataset = _dataset(asked)
    dataset.check_split(asked["split"])
    return iter(dataset.examples(asked["split"], seed=asked["seed"]))


def _dataset(asked: dict[str, Any]) -> Any:
    from rmr1_core.lookup import resolve

    options = {}
    for setting in asked["settings"]:
        option, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: write it as OPTION=VALUE")
        options[option] = value
    return resolve("dataset", Ref(name=asked["source"], options=options))


def _surveyed(asked: dict[str, Any]) -> Stats:
    from rmr1_core.data_stats import Survey
    from rmr1_core.progress import activity
    from rmr1_core.token_counts import token_counter

    counter = token_counter(asked["tokenizer"]) if asked["tokenizer"] else None
    survey = Survey(counter, asked["max_length"])
    examples = _examples(asked)
    with activity(f"reading {asked['source']}") as say:
        for rows in survey.add_all(examples):
            say(f"{rows:,} rows")
    return survey.stats(_dataset(asked), asked["split"])
