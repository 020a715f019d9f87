"""`--detach`: a long command goes on when its terminal is closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from rmr1_core.cli.options import echo_json
from rmr1_core.errors import Rmr1Error, UsageError

F = TypeVar("F", bound=Callable[..., Any])


class AttachedEnd(Rmr1Error):
    """Nothing more comes of what was attached to; the exit code says why."""

    def __init__(self, sentence: str, code: int) -> None:
        self.exit_code = code
        super().__init__(sentence)


def detach_option(command: F) -> F:
    """`--detach`, shared by all commands that take long and can go on."""
    return click.option(
        "--detach",
        "detached",
        is_flag=True,
        help="Start it, and let it go on when this terminal is closed; see it with: "
        "rmr1 runs attach.",
    )(command)


def detach(folder: Path, name: str, argv: Sequence[str], *, as_json: bool) -> None:
    """Start `rmr1 ARGV`, which goes on with what is in the folder, and say how one gets at it by
    the name. Ends with its exit code, where it has ended already.

    Raises:
        RunLocked: another process writes the folder.
    """
    from rmr1_core import detaching
    from rmr1_core.locks import is_alive

    detached = detaching.start(folder, argv)
    alive = is_alive(detached.process)
    code = detaching.exit_code(folder, detached)
    if code or (code is None and not alive):
        show(detaching.said(folder, detached), err=as_json)
        raise AttachedEnd(f"{name} has ended at once, as is said above", code or 1)
    output = folder / detaching.OUTPUT_FILE
    if as_json:
        place = {"run": name, "folder": str(folder), "output": str(output)}
        echo_json({**place, "process": detached.process.pid, "ended": code is not None})
        return
    how = "has ended already" if code is not None else "goes on without this terminal"
    click.echo(f"{name} {how} (process {detached.process.pid})")
    click.echo(f"  see it:   rmr1 runs attach {name}")
    if code is None:
        click.echo(f"  stop it:  rmr1 runs stop {name}")
    click.echo(f"  output:   {output}")


def refuse_to_detach(**chosen: object) -> None:
    """Refuse `--detach` beside what starts nothing.

    Raises:
        UsageError: one of the named flags is set.
    """
    for name, value in chosen.items():
        if value:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} starts nothing; leave out one of {flag} and --detach")


def attach(folder: Path, name: str) -> None:
    """Show what a detached command has said and says, to its end; its exit code is this one's.

    Raises:
        UsageError: it was not detached.
        AttachedEnd: Ctrl-C, which leaves it going; or it was killed.
    """
    from rmr1_core import detaching
    from rmr1_core.locks import holder

    detached, held = detaching.detached_in(folder), holder(folder)
    if held is not None and (detached is None or held.pid not in (0, detached.process.pid)):
        raise UsageError(
            f"{name} runs in a terminal (process {held.pid} on {held.host}), which shows its "
            "output; how far it is: rmr1 runs list"
        )
    if detached is None:
        raise UsageError(f"{name} was not started with --detach; see: rmr1 runs show {name}")
    if detaching.is_past(folder, detached):
        raise UsageError(
            f"{name} has gone on in a terminal since, which had its output; see: "
            f"rmr1 runs show {name}"
        )
    try:
        show(detaching.said(folder, detached))
    except KeyboardInterrupt:
        raise AttachedEnd(f"{name} goes on; see it with: rmr1 runs attach {name}", 130) from None
    code = detaching.exit_code(folder, detached)
    if code is None:
        how = f"rmr1 {' '.join(detached.argv)}"
        raise AttachedEnd(f"{name} was killed; what was done is kept, go on with: {how}", 1)
    raise click.exceptions.Exit(code)


def show(chunks: Iterator[bytes], *, err: bool = False) -> None:
    """Pass on what was said, as it was said."""
    for chunk in chunks:
        click.echo(chunk, nl=False, err=err)
