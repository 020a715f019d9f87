"""`rmr1 anchors`, and what other commands say of published numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from rmr1_core.cli.options import echo_json, json_option
from rmr1_core.errors import UnknownName

F = TypeVar("F", bound=Callable[..., Any])


@click.command(
    epilog="\b\nExamples:\n"
    "  rmr1 anchors rm-bench\n"
    "  rmr1 anchors --model rm-r1-qwen32b\n"
    "  rmr1 anchors rewardbench --model gpt-4o --json",
)
@click.argument("benchmark", default="")
@click.option("--model", default="", metavar="TEXT", help="Only models or backbones with this.")
@json_option
def anchors(benchmark: str, model: str, as_json: bool) -> None:
    """List published numbers on BENCHMARK, or on all.

    Each has its source, how it was made, what is known to be wrong with it, and how far a run of
    the same size may be from it by chance. A run of the same weights shows them beside its own;
    rmr1 bench --reproduce MODEL makes them again.
    """
    from rmr1_core.anchor_words import plain_anchor, print_anchors
    from rmr1_core.anchors import published

    found = published(benchmark)
    if benchmark and not found:
        known = {anchor.benchmark for anchor in published()}
        raise UnknownName("benchmark with published numbers", benchmark, known, hint="rmr1 anchors")
    wanted = model.lower()
    listed = [a for a in found if wanted in a.model.lower() or (wanted and wanted in a.backbone)]
    if found and not listed:
        known = {word for a in found for word in (a.model, a.backbone) if word}
        raise UnknownName("published model", model, known, hint="rmr1 anchors")
    if as_json:
        echo_json([plain_anchor(anchor) for anchor in listed])
        return
    print_anchors(listed)
    if not listed:
        click.echo("no plugin has published numbers; see: rmr1 plugins")


def published_option(command: F) -> F:
    """`--published`, shared by all commands that print reports of a run."""
    return click.option(
        "--published",
        "everybody",
        is_flag=True,
        help="Show the published numbers of all models beside, not of these weights alone.",
    )(command)
