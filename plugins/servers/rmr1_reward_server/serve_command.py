"""`rmr1 serve`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from rmr1_core.cli.engine_flags import CommandWithEngine, engine_options
from rmr1_core.cli.judge_options import (
    backbone_option,
    engine_option,
    max_new_tokens_option,
    top_p_option,
)
from rmr1_core.cli.options import ComponentName, ref, set_options
from rmr1_core.errors import UsageError

TOKEN_VARIABLE = "RMR1_TOKEN"
_HERE = ("127.0.0.1", "::1", "localhost")


@click.command(
    cls=CommandWithEngine,
    epilog="\b\nExamples:\n"
    "  rmr1 serve --backbone qwen14b --engine vllm\n"
    "  rmr1 serve --backbone ./my-judge --port 8000 -n 3\n"
    "  RMR1_TOKEN=… rmr1 serve --backbone qwen7b --host 0.0.0.0",
)
@backbone_option
@engine_option
@click.option("--prompt", type=ComponentName("prompt"), help="What the judge is asked.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Port."
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"File with the token that clients send. [default: ${TOKEN_VARIABLE}]",
)
@click.option(
    "--order",
    type=click.Choice(["both", "random"]),
    default="both",
    show_default=True,
    help="Which answer comes first: both ways, or one drawn by lot (half the cost).",
)
@click.option(
    "-n", "--samples", type=click.IntRange(min=1), default=1, show_default=True,
    help="Samples per comparison and order; the majority counts.",
)  # fmt: skip
@click.option("--temperature", type=click.FloatRange(min=0), help="0 is greedy.")
@top_p_option
@max_new_tokens_option
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of samples.")
@click.option(
    "--queue", type=click.IntRange(min=1), default=256, show_default=True,
    help="Requests judged at a time; more are told to come back (429).",
)  # fmt: skip
@click.option(
    "--request-seconds", type=click.FloatRange(min=0, min_open=True), default=600.0,
    show_default=True, help="Longest time for one request.",
)  # fmt: skip
@click.option(
    "--stop-seconds", type=click.IntRange(min=0), default=60, show_default=True,
    help="How long requests under way may take when the server is stopped.",
)  # fmt: skip
@click.option(
    "-o", "--option", "settings", multiple=True, metavar="KIND.OPTION=VALUE",
    help="Set an option of the engine, backbone or prompt; see: rmr1 show KIND/NAME.",
)  # fmt: skip
def serve(settings: tuple[str, ...], **asked: Any) -> None:
    """Serve a judge over HTTP, as rewards for other trainers.

    /v1/compare says which of two answers is better, /v1/rank puts many in order, /v1/score makes
    them scalar rewards. /docs lists what can be asked. Ctrl-C or SIGTERM stops it, after what is
    under way.
    """
    token = _token(asked["token_file"], asked["host"])
    options = dict(set_options(settings))
    backbone = ref(asked["backbone"], options.pop("backbone", None))
    engine = ref(asked["engine"], {**options.pop("engine", {}), **engine_options(asked)})
    prompt = ref(asked["prompt"], options.pop("prompt", None))
    if options:
        raise UsageError(f"-o {next(iter(options))}.…: rmr1 serve uses no such component")
    from rmr1_core.judge import Judge
    from rmr1_reward_server.app import Limits
    from rmr1_reward_server.running import run

    names = ("order", "samples", "temperature", "top_p", "max_new_tokens", "seed")
    judge = Judge(backbone, engine=engine, prompt=prompt, **{name: asked[name] for name in names})
    limits = Limits(queue=asked["queue"], seconds=asked["request_seconds"])
    run(judge, asked["host"], asked["port"], token, limits, asked["stop_seconds"])


def _token(file: Path | None, host: str) -> str:
    token = file.read_text(encoding="utf-8") if file else os.environ.get(TOKEN_VARIABLE, "")
    token = token.strip()
    if file and not token:
        raise UsageError(f"{file} holds no token")
    if not token and host not in _HERE:
        raise UsageError(
            f"{host} can be reached by others, so a token is needed: put one into "
            f"${TOKEN_VARIABLE}, or name a file with --token-file"
        )
    return token
