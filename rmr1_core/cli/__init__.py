"""The command line: the one place where errors become messages and exit codes.

0 done; 1 something failed; 2 what was typed or given cannot work; 130 interrupted.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import click

from rmr1_core import __version__
from rmr1_core.cli.plugged import add_commands, with_files
from rmr1_core.discovery import plugins
from rmr1_core.errors import Rmr1Error


class Commands(click.Group):
    """Subcommands in the order in which one needs them, with a guess for a misspelt one.

    `of_plugins` has the names of those that each plugin added.
    """

    of_plugins: Mapping[str, Sequence[str]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """First-party commands in their own order, then those of plugins."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self.commands, n=1)
            guess = f"did you mean {near[0]!r}?" if near else f"see: {ctx.command_path} --help"
            ctx.fail(f"no command named {args[0]!r}; {guess}")
        return super().resolve_command(ctx, args)


def _say_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from rmr1_core.runs import git_revision

    revision = git_revision()
    changed = ", changed" if revision.endswith("+") else ""
    where = f" (commit {revision[:10]}{changed})" if revision else ""
    click.echo(f"rmr1 {__version__}{where}")
    ctx.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nStart with:\n"
    "  rmr1 run                              train a small judge here, and watch it get better\n"
    "  rmr1 list benchmarks                  what can be evaluated\n"
    "  rmr1 bench rm-bench --backbone NAME   evaluate a judge",
)
@click.option(
    *("-V", "--version"),
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_say_version,
    help="Show the version, in a checkout with its commit, and exit.",
)
@click.option(
    "--plugin",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    expose_value=False,  # loaded before this is parsed, as it may add commands
    help="Use the plugin in this Python file, too; may be given several times.",
)
def cli() -> None:
    """Evaluate and train reasoning reward models.

    Everything with a name is a plugin: backbones, engines, prompts, rewards, trainers, benchmarks,
    datasets, launchers, recipes, mixtures.
    """


def build() -> click.Group:
    """The command line with the core's commands and those of all plugins."""
    cli.commands.clear()  # of plugins that are here no more
    from rmr1_core.cli import (
        anchors,
        bench,
        compare,
        data,
        doctor,
        env,
        import_,
        inspect,
        judge,
        new,
        run,
        runs,
    )
    from rmr1_core.cli.install import install, uninstall

    for command in (
        run.run,
        bench.bench,
        judge.judge,
        runs.runs,
        import_.import_,
        compare.compare,
        anchors.anchors,
        data.data,
        env.env,
        doctor.doctor,
        inspect.list_,
        inspect.show,
        inspect.plugins_,
        install,
        uninstall,
        new.new,
        inspect.completion,
    ):
        cli.add_command(command)
    cli.of_plugins = {
        implementation.plugin_name: add_commands(cli, implementation)
        for implementation in plugins().hook.rmr1_commands.get_hookimpls()
    }
    return cli


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    sys.exit(run_command(argv))


def run_command(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Errors are printed in one sentence, bugs with their
    traceback."""
    words = sys.argv[1:] if argv is None else [*argv]
    try:
        with with_files(words):
            result = build().main(args=words, prog_name="rmr1", standalone_mode=False)
    except Rmr1Error as error:
        return _complain(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _complain(_refusal(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _complain(f"interrupted; {_how_to_go_on(words)}", 130)
    except OSError as error:
        return _system_failure(error)
    return result if isinstance(result, int) else 0


def _refusal(error: click.ClickException) -> str:
    """What click refuses, in our form: one sentence with what to type next."""
    text = error.format_message().rstrip(".")
    if isinstance(error, click.NoSuchOption):
        text = f"no such option {error.option_name!r}"
        if error.possibilities:
            text += f"; did you mean {error.possibilities[0]!r}?"
    context = getattr(error, "ctx", None)
    if context and text == "no such option '--plugin'":
        command = context.command_path.removeprefix("rmr1 ")
        return f"{text}; write it before the command: rmr1 --plugin FILE {command} …"
    see = f"{context.command_path} --help" if context else "rmr1 --help"
    hint = "" if "see: " in text or "did you mean" in text else f"; see: {see}"
    return f"{text[:1].lower()}{text[1:]}{hint}"


def _how_to_go_on(argv: Sequence[str]) -> str:
    command, *words = [word for word in argv if not word.startswith("-")] or [""]
    if command in ("bench", "run"):
        name = argv[argv.index("--resume") + 1] if "--resume" in argv[:-1] else "last"
        return f"what was done is kept, go on with: rmr1 {command} --resume {name}"
    if command == "env" or (command == "data" and words[:1] == ["mix"]):
        return "nothing half-built is left"
    if command == "judge":
        return "only what was printed is kept; ask for the rest again"
    return "what was done is kept"


def _complain(sentence: str, code: int) -> int:
    click.echo(f"error: {sentence}", err=True)
    return code


def _system_failure(error: OSError) -> int:
    """A full disk, a missing right: a sentence. A reader that went away: silence."""
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()
        return 1
    if error.strerror is None:
        raise error
    where = f"{error.filename}: " if error.filename else ""
    if isinstance(error, PermissionError):
        return _complain(f"{where}you may not read or write this; see its permissions", 2)
    return _complain(f"{where}{error.strerror}; what was written before is kept", 1)
