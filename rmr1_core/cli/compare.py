"""`rmr1 compare`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from rmr1_core.cli.options import RunName, echo_json, json_option, runs_dir_option
from rmr1_core.errors import UsageError, WorseThanAllowed


@click.command(
    epilog="\b\nExamples:\n"
    "  rmr1 compare OLD NEW                      is NEW better, or is it noise?\n"
    "  rmr1 compare last                         of rmr1 run: before training and after\n"
    "  rmr1 compare last:before last:grpo        two evaluations of one run\n"
    "  rmr1 compare OLD NEW --markdown > pr.md\n"
    "  rmr1 compare OLD NEW --fail-below 2       a gate for CI"
)
@click.argument("runs", nargs=-1, required=True, type=RunName(), metavar="RUN[:EVALUATION]...")
@click.option(
    "--baseline",
    type=RunName(),
    metavar="RUN[:EVALUATION]",
    help="What the others are compared with. [default: the first]",
)
@click.option("--scoring", help="Score all by this rule. [default: the baseline's]")
@click.option("--all", "every", is_flag=True, help="Test every metric, and correct for all.")
@click.option("--headlines", is_flag=True, help="Test the headlines and pairs alone.")
@click.option(
    "--flips",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="Show so many of the pairs that were gained, and of those lost.",
)
@click.option(
    "--fail-below",
    type=click.FloatRange(min=0),
    metavar="POINTS",
    help="End with 1 unless every headline is shown to be at most so many points worse than the "
    "baseline's: the lower end of its difference's 95 % interval must not be below -POINTS. A "
    "benchmark that is missing fails, too.",
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the result as Markdown.")
@runs_dir_option
@json_option
def compare(
    runs: tuple[str, ...],
    baseline: str | None,
    fail_below: float | None,
    runs_dir: Path | None,
    **asked: Any,
) -> None:
    """Say which differences between RUNs are real.

    All are compared with the first, on the pairs that both have. No model is asked. Of a training
    run, EVALUATION is "before" or a stage (else its last one); such a run alone is compared with
    itself before training.
    """
    from rmr1_core import compare_words as words
    from rmr1_core.comparing import compare as flow
    from rmr1_core.comparing import gate
    from rmr1_core.sides import choose

    if fail_below is not None and math.isnan(fail_below):
        raise UsageError("--fail-below nan is no number of points; see: rmr1 compare --help")
    _refuse_contradictions(asked)
    sides = choose(runs, runs_dir, baseline)
    found = flow(
        sides, scoring=asked["scoring"], every=asked["every"], headlines=asked["headlines"]
    )
    if asked["as_json"]:
        echo_json(words.plain(sides, found))
    elif asked["as_markdown"]:
        click.echo(words.markdown(sides, found, asked["flips"]), nl=False)
    else:
        words.print_comparisons(sides, found, asked["flips"])
    if fail_below is not None and (failed := gate(found, fail_below)):
        raise WorseThanAllowed(words.gate_words(sides, failed, fail_below))


def _refuse_contradictions(asked: dict[str, Any]) -> None:
    for one, other in (("every", "headlines"), ("as_json", "as_markdown")):
        if asked[one] and asked[other]:
            names = {"every": "all", "as_json": "json", "as_markdown": "markdown"}
            raise UsageError(
                f"--{names.get(one, one)} and --{names.get(other, other)} exclude one another; "
                "leave out one of them"
            )
