"""What a training run is about to do, and what was looked at before it, as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from rmr1_core.pipeline import Pipeline
from rmr1_core.preflight import Part, Preflight
from rmr1_core.tokens import SeenRow
from rmr1_core.values import Check, Job, Ref

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 300
"""Characters of either end of a long text."""
TRAINED = ("▶", "◀")
"""What stands around the part of a text that the loss is on."""
STATES = {True: "ok", False: "NOT OK", None: "unknown"}


def plan_lines(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """For each stage: its name, trainer, data and place; and what was chosen of its options."""
    for planned in pipeline.planned():
        stage = planned.stage
        where = place(planned.job, pipeline.recipe.launcher.name)
        data = f"{_named(stage.dataset)}, split {stage.split}"
        chosen = stage.trainer.options.items()
        yield (
            f"{stage.name}: {stage.trainer.name} on {data}; {where}",
            ", ".join(f"{name}={_plain(value)}" for name, value in chosen),
        )


def place(job: Job, launcher: str) -> str:
    """Where a job runs, in a few words."""
    nodes = f"{job.nodes} nodes x {job.gpus_per_node} GPUs" if job.nodes > 1 else ""
    one = f"{job.gpus_per_node} GPUs" if job.gpus_per_node else ""
    environment = f"environment {job.environment}" if job.environment else ""
    return ", ".join(filter(None, (launcher, nodes or one, environment)))


def print_plan(pipelines: Sequence[Pipeline]) -> None:
    """Print on standard error what each recipe resolved to."""
    from rich.padding import Padding

    out = errors()
    for pipeline in pipelines:
        recipe = pipeline.recipe
        judged = ", ".join(ref.name for ref in recipe.benchmarks) or "nothing"
        out.print(
            f"recipe {recipe.name}: {recipe.backbone.name}, prompt {recipe.prompt.name}, "
            f"reward {_named(recipe.reward)}, seed {recipe.seed}; "
            f"judged on {judged} by {recipe.engine.name}"
        )
        for stage, chosen in plan_lines(pipeline):
            out.print(stage)
            if chosen:
                out.print(Padding(chosen, (0, 0, 0, 4)))


def check_rows(part: Part) -> Iterator[tuple[str, str, str]]:
    """A line per check: what, its state, and what was found."""
    for check in part.checks:
        yield check.name, STATES[check.ok], check.detail


def summary(found: Preflight) -> str:
    """How many checks hold, in a line."""
    checks: list[Check] = [check for part in found.parts for check in part.checks]
    counts = {state: sum(check.ok is state for check in checks) for state in STATES}
    words = [f"{counts[True]} ok"]
    words += [f"{counts[False]} not ok"] if counts[False] else []
    words += [f"{counts[None]} unknown"] if counts[None] else []
    return f"{len(checks)} checks: {', '.join(words)}"


def print_preflight(found: Preflight, out: Console) -> None:
    """Print every check, and one row of each stage as the model sees it."""
    from rmr1_core.show import table_of

    for part in found.parts:
        out.print(table_of(("check", "", "found"), check_rows(part), title=part.title))
        if part.row is not None:
            out.print("a row as the model sees it, and what is trained:" if part.row.trained
                      else "a row as the model sees it:")  # fmt: skip
            out.print(row_text(part.row))
            out.print()
    out.print(summary(found))


def row_text(row: SeenRow) -> str:
    """A row with its trained part marked, and without the middle of what is long."""
    text = abbreviated(row.prompt)
    if row.trained:
        text += f"{TRAINED[0]}{abbreviated(row.trained)}{TRAINED[1]}"
    return text


def abbreviated(text: str) -> str:
    """A long text's beginning and end."""
    left_out = len(text) - 2 * SHOWN
    if left_out <= 0:
        return text
    return f"{text[:SHOWN]}\n[… {left_out:,} characters …]\n{text[-SHOWN:]}"


def errors() -> Console:
    """Standard error, without wrapping or colour when it is not a terminal."""
    import sys

    from rich.console import Console

    width = None if sys.stderr.isatty() else 160
    return Console(stderr=True, width=width, highlight=False, markup=False, emoji=False)


def _named(ref: Ref) -> str:
    options = ", ".join(f"{name}={_plain(value)}" for name, value in ref.options.items())
    return f"{ref.name} ({options})" if options else ref.name


def _plain(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
