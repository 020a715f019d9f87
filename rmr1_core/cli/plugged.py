"""What plugins add to the command line, and the plugins that are named on it.

A file that `--plugin` names is loaded before the commands are known, as it may add some. It stays
for this command, and for the processes that the command starts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from rmr1_core.discovery import plugins
from rmr1_core.errors import UsageError
from rmr1_core.plugin_files import VARIABLE, tell_children
from rmr1_core.shielding import call

_OPTION = "--plugin"
COMPLETION = "_RMR1_COMPLETE"


def named_files(argv: Sequence[str]) -> Iterator[Path]:
    """The files that `--plugin` names before the command."""
    words = iter(argv)
    for word in words:
        if word == _OPTION:
            yield from (Path(path) for path in [next(words, "")] if path)
        elif word.startswith(f"{_OPTION}="):
            yield Path(word.partition("=")[2])
        elif not word.startswith("-"):
            return


@contextmanager
def with_files(argv: Sequence[str]) -> Iterator[None]:
    """Around a command: with the plugins that its arguments name.

    Raises:
        UsageError: one of the files is no plugin that works.
    """
    before = os.environ.get(VARIABLE)
    try:
        if COMPLETION in os.environ:
            _load_for_completion()
        else:
            for path in named_files(argv):
                load(path)
        yield
    finally:
        if os.environ.get(VARIABLE) != before:
            plugins.cache_clear()
            os.environ.pop(VARIABLE, None)
            if before is not None:
                os.environ[VARIABLE] = before


def load(path: Path) -> None:
    """Load a plugin that is a file, here and in what this process starts. Raises UsageError."""
    plugins().load_file(path)
    tell_children(plugins().files)


def _load_for_completion() -> None:
    from click.shell_completion import split_arg_string

    for path in named_files(split_arg_string(os.environ.get("COMP_WORDS", ""))[1:]):
        with suppress(UsageError):
            load(path)


def add_commands(group: click.Group, implementation: Any) -> list[str]:
    """Let a plugin add its commands, and give their names. It replaces nobody else's, and changes
    nothing else of the command line."""
    plugin, before = implementation.plugin_name, dict(group.commands)
    kept = {name: getattr(group, name) for name in ("callback", "params", "help", "epilog")}
    kept["params"] = [*group.params]
    try:
        call(implementation, cli=group)
    except (Exception, SystemExit) as error:  # the boundary to foreign code
        click.echo(f"warning: plugin {plugin!r} cannot add its commands: {error!r}", err=True)
    for name, value in kept.items():
        setattr(group, name, value)
    for name, command in before.items():
        if group.commands.get(name) is not command:
            click.echo(f"warning: plugin {plugin!r} may not replace command {name!r}", err=True)
    added = {name: found for name, found in group.commands.items() if name not in before}
    group.commands.clear()
    group.commands.update({**before, **added})
    return [*added]
