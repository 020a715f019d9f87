"""What a run leaves for people: a page, figures, tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmr1_core import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def rmr1_commands(cli: click.Group) -> None:
    """Add `rmr1 export`."""
    from rmr1_reports.export_command import export

    cli.add_command(export)
