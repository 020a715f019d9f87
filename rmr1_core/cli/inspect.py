"""`rmr1 plugins`, `rmr1 list`, `rmr1 show`, `rmr1 completion`: what there is."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import click
import msgspec

from rmr1_core.cli.options import Kind, KindAndName, echo_json, json_option, singular
from rmr1_core.discovery import OFFERS, Plugin, plugins
from rmr1_core.errors import UnknownName, UsageError
from rmr1_core.lookup import find, names, option_infos
from rmr1_core.shielding import SLOW_SECONDS
from rmr1_core.values import Mixture, Recipe


@click.command(
    "plugins",
    epilog="\b\nExamples:\n"
    "  rmr1 plugins\n"
    "  rmr1 plugins --json\n"
    "  rmr1 --plugin ./my_reward.py plugins\n"
    "  RMR1_TRACE_PLUGINS=1 rmr1 plugins      every import and hook call, with its time",
)
@json_option
@click.pass_context
def plugins_(ctx: click.Context, as_json: bool) -> None:
    """List the plugins and what they offer.

    A plugin that is broken is listed with its error, one that is slow to import with its time.
    RMR1_DISABLE_PLUGINS=NAME,NAME switches plugins off.
    """
    listing = plugins().listing()
    commands: Mapping[str, Sequence[str]] = getattr(ctx.find_root().command, "of_plugins", {})
    offered = {plugin.name: _offered_by(plugin.name) for plugin in listing}
    if as_json:
        rows = [
            {
                **msgspec.structs.asdict(p),
                "offers": offered[p.name],
                "commands": [*commands.get(p.name, ())],
                "hooks": plugins().hooks_of(p.name),
            }
            for p in listing
        ]
        echo_json(rows)
        return
    from rmr1_core.show import print_table

    for name, added in commands.items():
        if added:
            offered[name] = {**offered.get(name, {}), "command": [*added]}
    print_table(
        ("plugin", "version", "package", "offers"),
        [
            (p.name, p.version, p.distribution or p.file, _state(p, offered[p.name]))
            for p in listing
        ],
    )


@click.command("list")
@click.argument("kind", type=Kind(), metavar="[KIND]", required=False)
@json_option
def list_(kind: str | None, as_json: bool) -> None:
    """List the names of a KIND, or of all kinds.

    Kinds are backbones, engines, prompts, rewards, trainers, benchmarks, datasets, launchers,
    environments, importers, recipes and mixtures.
    """
    if kind is None:
        _list_kinds(as_json)
        return
    offers = plugins().offers(kind)
    rows = [
        {"name": o.component.name, "summary": _summary(o.component), "plugin": o.plugin}
        for o in offers
    ]
    if as_json:
        echo_json(rows)
        return
    from rmr1_core.show import print_table

    print_table(("name", "what it is", "plugin"), [tuple(row.values()) for row in rows])


def _list_kinds(as_json: bool) -> None:
    """All names, by kind."""
    found = {f"{k}s": list(dict.fromkeys(o.component.name for o in plugins().offers(k)))
             for k in OFFERS}  # fmt: skip
    if as_json:
        echo_json(found)
        return
    from rmr1_core.show import print_table

    print_table(("kind", "names"), [(kind, ", ".join(names_)) for kind, names_ in found.items()])


@click.command("show")
@click.argument("what", type=KindAndName(), metavar="KIND/NAME")
@json_option
def show(what: str, as_json: bool) -> None:
    """Show a component's options, or a whole recipe or mixture.

    For example: rmr1 show engines/transformers. A recipe is printed as TOML, with its backbone's
    presets for the trainers, to be changed and given to rmr1 run --recipe; a mixture to be given
    to rmr1 data mix.
    """
    kind, slash, name = what.partition("/")
    if not slash:
        raise UsageError(
            f"write it as KIND/NAME, as in benchmarks/{(names('benchmark') or ['x'])[0]}"
        )
    kind = singular(kind)
    component = find(kind, name)
    if isinstance(component, Recipe | Mixture):
        _show_toml(component, as_json)
        return
    infos = option_infos(component)
    if as_json:
        whole = {
            "kind": kind,
            "name": component.name,
            "summary": component.summary,
            "options": infos,
        }
        echo_json(whole)
        return
    from rmr1_core.show import print_table

    click.echo(f"{kind} {component.name}: {component.summary}")
    about = inspect.cleandoc(type(component).__doc__ or "")
    if about:
        click.echo(f"\n{about}")
    if infos:
        rows = [(i.name, i.type, i.default, i.help) for i in infos]
        print_table(("option", "type", "default", "help"), rows, title="\nOptions")


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes names in a SHELL.

    \b
    bash:  rmr1 completion bash >> ~/.bashrc
    zsh:   rmr1 completion zsh  >> ~/.zshrc
    fish:  rmr1 completion fish > ~/.config/fish/completions/rmr1.fish
    """
    from click.shell_completion import get_completion_class

    from rmr1_core.cli import cli

    source = get_completion_class(shell)
    if source is None:
        raise UsageError(f"no completion for {shell}")
    click.echo(source(cli, {}, "rmr1", "_RMR1_COMPLETE").source())


def _show_toml(shown: Recipe | Mixture, as_json: bool) -> None:
    from rmr1_core import recipes

    if isinstance(shown, Recipe):
        with suppress(UnknownName):  # of the backbone; the recipe can still be read
            shown = recipes.with_presets(shown)
    if as_json:
        echo_json(shown)
    else:
        click.echo(recipes.encode(shown), nl=False)


def _offered_by(plugin: str) -> dict[str, list[str]]:
    offered = {
        kind: [o.component.name for o in plugins().offers(kind) if o.plugin == plugin]
        for kind in OFFERS
    }
    return {kind: found for kind, found in offered.items() if found}


def _state(plugin: Plugin, offered: dict[str, list[str]]) -> str:
    if plugin.disabled:
        return "(disabled)"
    if plugin.error:
        return f"BROKEN: {plugin.error}"
    words = [f"{kind}: {', '.join(found)}" for kind, found in offered.items()]
    if plugin.seconds > SLOW_SECONDS:
        words.append(f"SLOW: {plugin.seconds:.1f} s to import")
    if plugin.changed:
        words.append(f"its import changed {', '.join(plugin.changed)}, which was put back")
    return "; ".join(words) or "-"


def _summary(component: Any) -> str:
    """What it is, in a sentence: a recipe's description may go on for a while."""
    if isinstance(component, Recipe | Mixture):
        return component.description.strip().partition(". ")[0].rstrip(".")
    text: str = component.summary
    return text.strip()
