"""`rmr1 doctor`: is what one has as it should be?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rmr1_core.cli import Commands
from rmr1_core.cli.options import ComponentName, echo_json, json_option, runs_dir_option
from rmr1_core.errors import Rmr1Error, UsageError
from rmr1_core.lookup import default_engine, default_prompt, resolve

if TYPE_CHECKING:
    from rmr1_core.components import Backbone, Dataset
    from rmr1_core.values import Example


@click.group(
    cls=Commands,
    invoke_without_command=True,
    epilog="\b\nExamples:\n"
    "  rmr1 doctor\n"
    "  rmr1 doctor prompt --backbone qwen7b\n"
    "  rmr1 doctor prompt --backbone ./my-judge --engine vllm --all",
)
@runs_dir_option
@json_option
@click.pass_context
def doctor(ctx: click.Context, runs_dir: Path | None, as_json: bool) -> None:
    """Look whether all is well, and at what a judge is asked.

    Without a command: plugins, GPUs, disks, the hub, keys (never shown), environments, prompts and
    runs, each with what to do about it. Nothing is changed. Ends with 1 where something is wrong.
    """
    if ctx.invoked_subcommand is not None:
        if runs_dir is not None or as_json:
            command = f"rmr1 doctor {ctx.invoked_subcommand}"
            raise UsageError(f"write options after the command: {command} …")
        return
    from rmr1_core import health, runs
    from rmr1_core.plan_words import print_preflight
    from rmr1_core.show import console

    found = health.gather(runs.runs_folder(runs_dir))
    if as_json:
        echo_json(found)
    else:
        print_preflight(found, console())
    if found.failed:
        names = ", ".join(check.name for check in found.failed)
        raise Rmr1Error(f"not as it should be: {names}; what to do is said above")


@doctor.command()
@click.option(
    "--backbone", required=True, type=ComponentName("backbone"), help="Name, hub id, or folder."
)
@click.option(
    "--prompt",
    type=ComponentName("prompt"),
    help="How the judge is asked. [default: the backbone's]",
)
@click.option(
    "--engine",
    type=ComponentName("engine"),
    help="Whose evaluation is looked at. [default: the engine that rmr1 bench takes]",
)
@click.option(
    "--dataset",
    type=ComponentName("dataset"),
    help="Take its first row. [default: a small example]",
)
@click.option("--all", "every", is_flag=True, help="Show every token.")
@json_option
def prompt(
    backbone: str,
    prompt: str | None,
    engine: str | None,
    dataset: str | None,
    *,
    every: bool,
    as_json: bool,
) -> None:
    """Show one example as a model sees it, in SFT, RL and evaluation.

    Tokens, special tokens, how often a text begins (BOS), and what the loss is on. Each way is
    looked at with the tokenizer's library of the environment that it runs in, where that is built.
    Ends with 1, and a diff of the tokens, where they differ.
    """
    from rmr1_core import parity
    from rmr1_core.rendering import training_row

    who: Backbone = resolve("backbone", backbone)
    strategy = resolve("prompt", prompt or default_prompt(who))
    runs = resolve("engine", engine or default_engine())
    example = _first(resolve("dataset", dataset)) if dataset else parity.EXAMPLES[who.family]
    row = training_row(example, strategy, dataset or "example", swap=False)
    found = parity.look(who, strategy, runs, row, lambda words: click.echo(words, err=True))
    if as_json:
        echo_json(found)
    else:
        from rmr1_core.parity_words import print_parity
        from rmr1_core.show import console

        print_parity(found, console(), every=every)
    if found.problem:
        raise Rmr1Error(found.problem)


def _first(dataset: Dataset) -> Example:
    """The first example of a dataset; one without a trace gets the right verdict for it."""
    import msgspec

    for example in dataset.examples(dataset.splits[0], seed=0):
        verdict = f"<answer>[[{'A' if example.chosen_first else 'B'}]]</answer>"
        return msgspec.structs.replace(example, trace=example.trace or verdict)
    raise UsageError(f"dataset {dataset.name!r} has no rows; see: rmr1 list datasets")
