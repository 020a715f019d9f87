"""`rmr1 env`: the environments of engines and trainers."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from rmr1_core.cli import Commands
from rmr1_core.cli.options import ComponentName, echo_json, json_option
from rmr1_core.lookup import find

if TYPE_CHECKING:
    from rmr1_core.building import Plan
    from rmr1_core.components import Environment

_name = click.argument("name", type=ComponentName("environment"), metavar="NAME")
_variant = click.option(
    "--variant",
    metavar="cpu|cuda",
    help="Which variant. [default: $RMR1_ENV_VARIANT, else cuda where an NVIDIA driver is]",
)


@click.group(
    cls=Commands,
    epilog="\b\nExamples:\n"
    "  rmr1 env list\n"
    "  rmr1 env create vllm                    for this machine, from the lock that is shipped\n"
    "  rmr1 env create vllm --dry-run          print the commands\n"
    "  RMR1_ENV_VLLM=~/vllm/bin/python rmr1 bench …   use one that you look after yourself",
)
def env() -> None:
    """Build, list and remove environments.

    vLLM, veRL and OpenRLHF exclude one another's versions, so each runs in an environment of its
    own.
    """


@env.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List what there is and what could be built here."""
    from rmr1_core.environments import listing
    from rmr1_core.show import print_table

    lines = listing()
    if as_json:
        echo_json(lines)
        return
    if not lines:
        click.echo("no plugin offers an environment; see: rmr1 plugins")
        return
    rows = [
        (line.name, line.variant, line.state, _size(line.size), line.label or "-", line.path or "-")
        for line in lines
    ]
    print_table(("environment", "variant", "state", "size", "made from", "where"), rows)


@env.command(
    epilog="\b\nExamples:\n"
    "  rmr1 env create vllm\n"
    "  rmr1 env create verl --variant cpu\n"
    "  rmr1 env create openrlhf --rebuild",
)
@_name
@_variant
@click.option("--rebuild", "--force", is_flag=True, help="Build it again, even if it is there.")
@click.option("--dry-run", is_flag=True, help="Print the commands, and run none.")
@json_option
def create(name: str, variant: str | None, rebuild: bool, dry_run: bool, as_json: bool) -> None:
    """Build the environment NAME, unless it is there.

    It gets its place when it is whole. A lock says the exact version of every package.
    """
    from rmr1_core import building, env_store, environments

    environment: Environment = find("environment", name)
    chosen, _ = environments.variant_of(environment, variant)
    folder = env_store.folder_of(environment, chosen)
    if dry_run:
        _print_plan(building.plan(environment, chosen, building.place_of(folder)), folder, as_json)
        return
    folder, new = building.create(environment, chosen, rebuild=rebuild)
    record = env_store.record_of(folder)
    if as_json:
        echo_json({"folder": str(folder), "built": new, "record": record})
        return
    if new and record:
        click.echo(f"built {name} ({record.label}, {_size(record.size)}) in {folder}")
    else:
        click.echo(f"{name} ({chosen}) is there already, in {folder}")
    lines = environments.listing()
    older = sum(ln.size for ln in lines if ln.name == name and ln.state == "outdated")
    if older:
        click.echo(f"{_size(older)} of older locks can go with: rmr1 env remove {name} --outdated")


@env.command()
@_name
@_variant
@json_option
def show(name: str, variant: str | None, as_json: bool) -> None:
    """Show what the environment NAME is made from, and where it is."""
    from rmr1_core import env_store, environments

    environment: Environment = find("environment", name)
    chosen, made_from = environments.variant_of(environment, variant)
    folder = env_store.folder_of(environment, chosen)
    record = env_store.record_of(folder)
    lines = [line for line in environments.listing() if line.name == name]
    locked = env_store.locked_here(made_from)
    facts = {
        "name": name,
        "summary": environment.summary,
        "variant": chosen,
        "variants": list(environment.variants),
        "state": next((li.state for li in lines if li.variant == chosen), "missing"),
        "folder": str(folder),
        "requires": made_from.requirements.read_text(encoding="utf-8").split(),
        "lock": str(made_from.lock) if locked else "none for this platform",
        "excluded": made_from.excluded,
        "unisolated": made_from.unisolated,
        "packages": [package.name for package in made_from.packages],
        "variables": [f"{key}={value}" for key, value in made_from.env.items()],
        "adopt": f"{environments.variable(name)}=/path/to/python",
    }
    if as_json:
        echo_json({**facts, "record": record, "all": lines})
        return
    built = msgspec.structs.asdict(record) if record else {}
    for key, value in {
        **facts,
        **{f"built {k}": v for k, v in built.items() if k not in facts},
    }.items():
        click.echo(f"{key:<14} {_words(value)}")


@env.command()
@_name
@_variant
@click.option("--outdated", is_flag=True, help="Only those of older locks.")
@json_option
def remove(name: str, variant: str | None, outdated: bool, as_json: bool) -> None:
    """Remove the environment NAME: all that was built of it, unless told otherwise."""
    from rmr1_core import env_store, environments

    states = ("outdated",) if outdated else ("ready", "outdated", "stray")
    lines = [line for line in environments.listing() if line.name == name]
    chosen = [ln for ln in lines if ln.state in states and variant in (None, ln.variant)]
    if not lines:
        find("environment", name)  # says which was meant
    for line in chosen:
        env_store.remove(Path(line.path))
        if not as_json:
            click.echo(f"removed {line.path} ({_size(line.size)})")
    if as_json:
        echo_json(chosen)
    elif any(line.state == "adopted" for line in lines):
        click.echo(f"{environments.variable(name)} still names a Python of yours, which is kept")
    elif not chosen:
        click.echo(f"there is nothing of {name} to remove")


@env.command(
    epilog="\b\nFor authors of plugins: it writes the files of EnvironmentVariant.lock in the\n"
    "plugin's own folder, as uv pip compile does.",
)
@_name
@_variant
def lock(name: str, variant: str | None) -> None:
    """Resolve the requirements of NAME again, and write its locks.

    Without --variant, all of them. Nothing is installed.
    """
    from rmr1_core import building, environments

    environment: Environment = find("environment", name)
    for chosen in [variant] if variant else list(environment.variants):
        _, made_from = environments.variant_of(environment, chosen)
        building.lock(environment, chosen)
        click.echo(f"wrote {made_from.lock}")


def _print_plan(plan: Plan, folder: Path, as_json: bool) -> None:
    if as_json:
        echo_json({"folder": str(folder), "files": plan.files, "steps": plan.steps})
        return
    for path, text in plan.files.items():
        click.echo(f"# {path} gets {len(text.splitlines())} lines")
    for step in plan.steps:
        variables = "".join(f"{key}={shlex.quote(value)} " for key, value in step.env.items())
        click.echo(f"# {step.words}\n{variables}{shlex.join(step.argv)}")
    click.echo(f"# {plan.folder} becomes {folder}")


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value) or "-"


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB" if size else "-"
