"""`rmr1 up`: vLLM's own OpenAI-compatible server for a backbone, for people who want one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rmr1_core import Backbone, Ref
from rmr1_core.cli.engine_flags import CommandWithEngine, engine_options
from rmr1_core.cli.options import echo_json, json_option, set_options
from rmr1_core.errors import UsageError
from rmr1_core.lookup import resolve

if TYPE_CHECKING:
    from rmr1_vllm import VllmEngine
    from rmr1_vllm.server import Server


@click.command(
    cls=CommandWithEngine,
    engine="vllm",
    epilog="\b\nExamples:\n"
    "  rmr1 up qwen7b\n"
    "  rmr1 up ./my-judge --port 8000 --max-model-len 16384\n"
    "  rmr1 up qwen32b --tensor-parallel-size 4 --extra '{\"block_size\": 32}'",
)
@click.argument("backbone")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port to listen on; 0: a free one.",
)
@click.option(
    "--served-model-name", help="What clients call the model. [default: the backbone's name]"
)
@click.option(
    "-o",
    "--option",
    "settings",
    multiple=True,
    metavar="KIND.OPTION=VALUE",
    help="Set an option of the engine or the backbone; see: rmr1 show engines/vllm.",
)
@click.option("--dry-run", is_flag=True, help="Print the command; start nothing.")
@json_option
def up(
    backbone: str, settings: tuple[str, ...], dry_run: bool, as_json: bool, **asked: Any
) -> None:
    """Serve BACKBONE with vLLM, as OpenAI would, until Ctrl-C.

    An address that others can reach needs a key in $VLLM_API_KEY.
    """
    from rmr1_vllm.server import plan, serving

    engine, weights = _resolved(backbone, dict(set_options(settings)), engine_options(asked))
    server = plan(
        engine,
        weights,
        host=asked["host"],
        port=asked["port"],
        name=asked["served_model_name"] or weights.name,
    )
    if dry_run:
        _print(server, server.shell(), as_json)
        return
    with serving(server) as (started, wait):
        try:
            _print(started, _words(started), as_json)
            wait()
        except KeyboardInterrupt:  # which is how it is meant to end
            click.echo("stopping", err=True)


def _words(server: Server) -> str:
    return (
        f"{server.name} is served at {server.url}; evaluate it with:\n\n  {server.bench()}\n\n"
        f"Its log is {server.log}. Ctrl-C stops it."
    )


def _print(server: Server, words: str, as_json: bool) -> None:
    if as_json:
        echo_json(server.plain())
    else:
        click.echo(words)


def _resolved(
    backbone: str, options: dict[str, dict[str, Any]], flags: dict[str, Any]
) -> tuple[VllmEngine, Backbone]:
    own: dict[str, Any] = {**options.pop("engine", {}), **flags}
    engine = resolve("engine", Ref(name="vllm", options=own))
    weights = resolve("backbone", Ref(name=backbone, options=options.pop("backbone", {})))
    if options:
        raise UsageError(f"-o {next(iter(options))}.…: rmr1 up uses no such component")
    return engine, weights
