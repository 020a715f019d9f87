"""`rmr1 install` and `rmr1 uninstall`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from rmr1_core.cli.options import echo_json, json_option
from rmr1_core.errors import Rmr1Error, UsageError

if TYPE_CHECKING:
    from rmr1_core.installing import Installed


@click.command(
    epilog="\b\nExamples:\n"
    "  rmr1 install rmr1-units\n"
    "  rmr1 install 'rmr1-units>=1.2' --dry-run\n"
    "  rmr1 install ./my-plugin.whl git+https://host/some/plugin\n"
    "  rmr1 install --editable ./my-plugin     changes there take effect at once\n"
    "  rmr1 install rmr1-units --upgrade"
)
@click.argument("packages", nargs=-1, metavar="PACKAGE…")
@click.option(
    "-e",
    "--editable",
    multiple=True,
    metavar="FOLDER",
    help="Install a folder so that changes in it take effect at once.",
)
@click.option("-U", "--upgrade", is_flag=True, help="Take the newest version of what is named.")
@click.option(
    "--allow-changes",
    is_flag=True,
    help="Also where this changes the version of rmr1 or of a package that it needs.",
)
@click.option("--dry-run", is_flag=True, help="Say what would change; install nothing.")
@json_option
def install(
    packages: tuple[str, ...],
    editable: tuple[str, ...],
    *,
    upgrade: bool,
    allow_changes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Install PACKAGEs with plugins.

    They are installed with uv (or pipx, where that installed rmr1) into the environment that rmr1
    runs in, and may be names, NAME==VERSION, folders, wheels or URLs. rmr1 and what it needs keep
    their versions. What appeared is said, and which plugin is broken. Ends with 1 if one is.
    """
    from rmr1_core import installing

    if not packages and not editable:
        raise UsageError("say what to install: rmr1 install PACKAGE, or --editable FOLDER")
    wanted = installing.Wanted(packages=packages, editable=editable, upgrade=upgrade)
    planned = installing.plan(wanted, allow_changes=allow_changes)
    done = planned if dry_run else installing.install(wanted, planned)
    if as_json:
        echo_json({"dry_run": dry_run, "installed": done})
    else:
        _say(done, dry_run=dry_run)
    if done.broken:
        names = ", ".join(done.broken)
        raise Rmr1Error(
            f"installed, and broken: {names}; see: rmr1 plugins, or take it away with: "
            "rmr1 uninstall PACKAGE"
        )


@click.command(
    epilog="\b\nExamples:\n  rmr1 uninstall rmr1-units\n  rmr1 uninstall rmr1-units --yes"
)
@click.argument("packages", nargs=-1, required=True, metavar="PACKAGE…")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would go; uninstall nothing.")
@json_option
def uninstall(packages: tuple[str, ...], *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Uninstall PACKAGEs with plugins.

    It says which names go. rmr1 itself, and what it needs, stay.
    """
    from rmr1_core import installing

    planned = installing.plan_removal(packages)
    if not (yes or dry_run) and (as_json or not sys.stdin.isatty()):
        raise UsageError("nobody can be asked here; say --yes, or look with --dry-run")
    if not as_json:
        names = ", ".join(change.package for change in planned.changes)
        click.echo(f"{names} would go from {planned.place}, and with it:")
        _say_names("", planned)
    if not (yes or dry_run) and not click.confirm("Uninstall?"):
        click.echo("nothing was changed")
        return
    if not dry_run:
        installing.uninstall(planned)
    if as_json:
        echo_json({"dry_run": dry_run, "uninstalled": planned})
    elif not dry_run:
        click.echo("uninstalled")


def _say(done: Installed, *, dry_run: bool) -> None:
    if not done.changes:
        click.echo(f"all of this is in {done.place} already; take the newest with --upgrade")
        return
    click.echo(f"{'would change' if dry_run else 'changed'} {done.place}:")
    for change in done.changes:
        click.echo(f"  {change}")
    if done.note:
        click.echo(f"note: {done.note}", err=True)
    if dry_run:
        return
    _say_names("new ", done)
    if not done.names and not done.broken:
        click.echo("no new names: it has no plugin of rmr1, or the same names as before")
    for clash in done.clashes:
        click.echo(f"note: {clash}; say which with PLUGIN/NAME", err=True)
    for plugin, error in done.broken.items():
        click.echo(f"  BROKEN plugin {plugin}: {error}")


def _say_names(word: str, done: Installed) -> None:
    for kind, names in done.names.items():
        click.echo(f"  {word}{kind}{'s' if len(names) > 1 else ''}: {', '.join(names)}")
