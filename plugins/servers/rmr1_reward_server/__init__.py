"""A judge as a reward server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmr1_core import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def rmr1_commands(cli: click.Group) -> None:
    """Add `rmr1 serve`."""
    from rmr1_reward_server.serve_command import serve

    cli.add_command(serve)
