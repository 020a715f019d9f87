"""`rmr1 new`: packages for plugins of one's own."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from rmr1_core.cli import Commands
from rmr1_core.cli.options import echo_json, json_option
from rmr1_core.errors import UsageError


@click.group(cls=Commands)
def new() -> None:
    """Begin something of your own."""


def _kinds(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    from rmr1_core.scaffolding import KINDS

    return [CompletionItem(k, help=s.what) for k, s in KINDS.items() if k.startswith(begun)]


@new.command(
    epilog="\b\nExamples:\n"
    "  rmr1 new plugin reward short-answers\n"
    "  rmr1 new plugin benchmark our-tasks --dir ~/code --author 'Ada Lovelace'\n"
    "  rmr1 new plugin engine our-service --dry-run      say which files, and write none",
)
@click.argument("kind", metavar="KIND", shell_complete=_kinds)
@click.argument("name", metavar="NAME")
@click.option(
    "--dir",
    "parent",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where the folder of the package goes. [default: here]",
)
@click.option("--author", default="", help="Who wrote it, for pyproject.toml and the licence.")
@click.option(
    "--licence",
    "--license",
    type=click.Choice(["Apache-2.0", "MIT", "none"]),
    default="Apache-2.0",
    show_default=True,
    help="Under which licence it is.",
)
@click.option("--dry-run", is_flag=True, help="Say which files would be made; write none.")
@json_option
def plugin(
    kind: str,
    name: str,
    parent: Path,
    author: str,
    licence: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write a package with a plugin NAME of a KIND, which works at once.

    Kinds are backbone, engine, prompt, reward, trainer, benchmark, dataset, launcher, environment,
    importer, recipe, mixture, anchor (published numbers), command and observer (of runs). The
    package has a small component to change, tests of its contract, a README, a licence and a
    workflow for CI.
    """
    from rmr1_core import scaffolding

    made = scaffolding.new_plugin(kind, name, parent=parent, author=author, licence=licence)
    commands = click.get_current_context().find_root().command
    plain = made.package.removeprefix("rmr1-")
    if kind in ("command", "commands") and plain in getattr(commands, "commands", {}):
        raise UsageError(f"the name {plain!r} is taken: there is rmr1 {plain}; choose another one")
    if not dry_run:
        scaffolding.write(made)
    if as_json:
        echo_json(
            {
                "package": made.package,
                "folder": str(made.folder),
                "files": list(made.files),
                "next": made.next,
                "written": not dry_run,
            }
        )
        return
    click.echo(f"{'would make' if dry_run else 'made'} {made.folder}:")
    for path in made.files:
        click.echo(f"  {path}")
    click.echo("next:")
    for command in made.next:
        click.echo(f"  {command}")
