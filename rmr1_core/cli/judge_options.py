"""Options of who judges, and how, that several commands share."""

from __future__ import annotations

import click

from rmr1_core.cli.options import ComponentName

backbone_option = click.option(
    "--backbone", type=ComponentName("backbone"), help="Who judges: a name, a folder or a hub id."
)
engine_option = click.option("--engine", type=ComponentName("engine"), help="How the weights run.")
top_p_option = click.option(
    "--top-p",
    type=click.FloatRange(min=0, min_open=True, max=1),
    default=1.0,
    show_default=True,
    help="Sample only from the likeliest tokens that make up this share.",
)
max_new_tokens_option = click.option(
    "--max-new-tokens",
    type=click.IntRange(min=1),
    help="Limit of an answer. [default: the backbone's]",
)
prompt_option = click.option(
    "--prompt",
    type=ComponentName("prompt"),
    help="What the judge is asked; file:PATH for a template file. [default: the backbone's]",
)
parser_option = click.option(
    "--parser",
    help="How answers are read; see: rmr1 show prompts/NAME. [default: the prompt's]",
)
temperature_option = click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    help="0 is greedy. [default: 0, or 1 when -n is more than 1]",
)
