"""A local page over runs: their judgments to read, search and compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmr1_core import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def rmr1_commands(cli: click.Group) -> None:
    """Add `rmr1 view`."""
    from rmr1_viewer.view_command import view

    cli.add_command(view)
