"""Options that several commands share, with completion of names."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from rmr1_core.discovery import OFFERS, plugins
from rmr1_core.errors import BadInput, UsageError
from rmr1_core.lookup import names
from rmr1_core.values import Ref

if TYPE_CHECKING:
    _Text = click.ParamType[str]
else:
    _Text = click.ParamType  # a generic only since click 8.4

F = TypeVar("F", bound=Callable[..., Any])


class ComponentName(_Text):
    """The name of a component; the shell can complete it."""

    def __init__(self, kind: str) -> None:
        self.kind = self.name = kind

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """How help shows it."""
        return self.kind.upper()

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names that begin like this, with their summaries; paths where a path is begun."""
        if incomplete.startswith((".", "~", "/")) and self.kind in (
            "backbone",
            "recipe",
            "mixture",
        ):
            kind_of_path = "dir" if self.kind == "backbone" else "file"
            return [CompletionItem(incomplete, type=kind_of_path)]
        summaries = {o.component.name: _summary(o.component) for o in plugins().offers(self.kind)}
        return [
            CompletionItem(name, help=summaries.get(name, ""))
            for name in names(self.kind)
            if name.startswith(incomplete)
        ]


class Kind(_Text):
    """A kind of component, in the singular or the plural; the shell can complete it."""

    name = "KIND"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The kind in the singular."""
        return singular(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Kinds, in the plural."""
        return [CompletionItem(f"{k}s") for k in OFFERS if f"{k}s".startswith(incomplete)]


class KindAndName(_Text):
    """`KIND/NAME`, completed."""

    name = "KIND/NAME"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Kinds first, then the names of the kind that is typed."""
        kind, slash, _ = incomplete.partition("/")
        if not slash:
            return [CompletionItem(f"{k}s/") for k in OFFERS if f"{k}s".startswith(kind)]
        known = names(singular(kind))
        return [CompletionItem(f"{kind}/{n}") for n in known if incomplete in f"{kind}/{n}"]


class RunName(_Text):
    """A run, by its id; the shell can complete it."""

    name = "RUN"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Ids that contain this, the newest first."""
        from rmr1_core.runs import folders, runs_folder

        known = [folder.name for folder in folders(runs_folder(ctx.params.get("runs_dir")))]
        return [CompletionItem(name) for name in ["last", *known[::-1]] if incomplete in name]


def singular(kind: str) -> str:
    """The kind that is meant by its singular or plural.

    Raises:
        UsageError: it is another word.
    """
    short = kind.removesuffix("s")
    if short not in OFFERS:
        known = [f"{k}s" for k in OFFERS]
        near = difflib.get_close_matches(kind, known, n=1)
        guess = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        raise UsageError(f"no kind named {kind!r}; {guess}")
    return short


def runs_dir_option(command: F) -> F:
    """`--runs-dir`, shared by all commands that make or read runs."""
    return click.option(
        "--runs-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where runs are kept. [default: $RMR1_RUNS, else ./runs]",
    )(command)


def json_option(command: F) -> F:
    """`--json`, shared by all commands that print results."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(
        command
    )


def all_option(command: F) -> F:
    """`--all`, shared by all commands that print reports."""
    return click.option("--all", "every", is_flag=True, help="Print every metric.")(command)


def skip_bad_option(command: F) -> F:
    """`--skip-bad`, shared by all commands that read training data."""
    return click.option(
        "--skip-bad", is_flag=True, help="Leave out rows that cannot be used, and list them."
    )(command)


@contextmanager
def bad_rows(skip: bool, *, quiet: bool = False) -> Iterator[list[BadInput]]:
    """Where rows of training data may be bad: a list of those that were skipped, which is shown at
    the end."""
    from rmr1_core.skipping import skipping

    if not skip:
        yield []
        return
    with skipping() as skipped:
        yield skipped
    if skipped and not quiet:
        from rmr1_core.data_words import skipped_words

        click.echo("\n".join(skipped_words(skipped)), err=True)


def data_option(command: F) -> F:
    """`--data`, shared by all commands that read benchmarks."""
    return click.option(
        "--data",
        multiple=True,
        metavar="[BENCHMARK=]PATH",
        shell_complete=lambda _context, _option, begun: [CompletionItem(begun, type="file")],
        help="A local file or folder in the upstream format instead of the hub; "
        "it may hold one folder per benchmark.",
    )(command)


def named_benchmark(name: str, names: tuple[str, ...], where: str) -> str:
    """The benchmark of the command that is meant, which may be typed with its plugin.

    Raises:
        UsageError: the command uses none of this name.
    """
    for typed in names:
        if name in (typed, typed.rpartition("/")[2]):
            return typed
    raise UsageError(f"{where}: no benchmark {name!r} is used; there is {', '.join(names)}")


def data_paths(given: tuple[str, ...], names: tuple[str, ...]) -> dict[str, str]:
    """`--data` by benchmark, "" for all.

    Raises:
        UsageError: a path is not there, or two are given for one benchmark.
    """
    found: dict[str, str] = {}
    for text in given:
        key, path = "", text
        name, equals, rest = text.partition("=")
        if equals and Path(rest).exists():
            key, path = named_benchmark(name, names, f"--data {text}").rpartition("/")[2], rest
        if key in found:
            raise UsageError(f"--data is given twice for {key or 'all benchmarks'}")
        if not Path(path).exists():
            raise UsageError(f"--data {text}: no such file or folder")
        found[key] = path
    return found


def set_options(settings: tuple[str, ...]) -> Mapping[str, dict[str, Any]]:
    """`-o kind.option=value` settings, by kind and option.

    Raises:
        UsageError: a setting has another form, or the kind does not exist.
    """
    found: dict[str, dict[str, Any]] = {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        kind, dot, option = path.partition(".")
        if not (equals and dot and option):
            raise UsageError(
                f"-o {setting}: write it as KIND.OPTION=VALUE, as in -o engine.dtype=float32"
            )
        found.setdefault(singular(kind), {})[option] = value
    return found


def ref(name: str | None, options: Mapping[str, Any] | None) -> Ref | None:
    """A reference to a component, if it was named or has options."""
    if name is None and not options:
        return None
    return Ref(name=name or "", options=dict(options or {}))


def refuse_with_resume(*allowed: str) -> None:
    """Refuse what was typed beside `--resume` that a run which goes on cannot heed.

    Raises:
        UsageError: another parameter than `--resume`, `--runs-dir`, `--json` and those allowed.
    """
    context = click.get_current_context()
    heeded = {"resume", "runs_dir", "as_json", *allowed}
    for parameter in context.command.get_params(context):
        name = parameter.name or ""
        if name in heeded or context.params.get(name, ()) == ():
            continue
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            typed = max(parameter.opts, key=len)
            raise UsageError(f"--resume goes on with a run as it was; leave out {typed}")


def echo_json(value: Any) -> None:
    """Print a value as indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def _summary(component: Any) -> str:
    text: str = getattr(component, "summary", "") or getattr(component, "description", "")
    return text.strip().splitlines()[0] if text.strip() else ""
