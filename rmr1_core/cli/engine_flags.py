"""The options of the engine that is named, as flags of the command: `--engine openai --base-url …`.

`-o engine.base_url=…` says the same. A flag that the command has itself wins over an engine's.

A command may have a second engine in another role: `--corrector-engine openai
--corrector-base-url …`. Where it is not named it is the first one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import click

from rmr1_core.errors import UsageError
from rmr1_core.lookup import default_engine, option_infos, resolve

_ENGINE, _PREFIX = "engine", "engine_option_"


class CommandWithEngine(click.Command):
    """A command with the options of an engine: the one that `--engine` names, or always the same
    one, which is then given as `engine`; and with those of the engines in other `roles`."""

    def __init__(
        self, *args: Any, engine: str = "", roles: Sequence[str] = (), **settings: Any
    ) -> None:
        super().__init__(*args, **settings)
        self._engine, self._roles = engine, tuple(roles)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See which engine is named, then parse as usual."""
        ctx.meta[_ENGINE] = self._engine or _named(args)
        for role in self._roles:
            ctx.meta[f"{role}-{_ENGINE}"] = _typed(args, f"--{role}-engine") or ctx.meta[_ENGINE]
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters, and the engine's after them."""
        own = super().get_params(ctx)
        taken = {opt for parameter in own for opt in parameter.opts}
        flags = list(_flags(self._of(ctx)))
        for role in self._roles:
            flags += _flags(ctx.meta.get(f"{role}-{_ENGINE}"), role)
        return [*own, *(flag for flag in flags if not taken & set(flag.opts))]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's options, and under a heading of their own the engine's."""
        rows: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                role, engine, _ = (parameter.name or "").partition(_PREFIX)
                rows.setdefault(role if engine else "own", []).append(record)
        with formatter.section("Options"):
            formatter.write_dl(rows.pop("own"))
        for role, records in rows.items():
            engine = ctx.meta[f"{role.rstrip('_')}-{_ENGINE}"] if role else self._of(ctx)
            whose = f"the {role.rstrip('_')}'s engine" if role else "engine"
            with formatter.section(f"Options of {whose} {engine}"):
                formatter.write_dl(records)

    def _of(self, ctx: click.Context) -> str:
        """The engine whose options these are, before and after the command line is seen."""
        engine: str = ctx.meta.get(_ENGINE, self._engine)
        return engine


def engine_options(asked: Mapping[str, Any], role: str = "") -> dict[str, Any]:
    """What was given by flags, by the name of the option of the engine in this role."""
    prefix = f"{role}_{_PREFIX}" if role else _PREFIX
    given = {name: value for name, value in asked.items() if name.startswith(prefix)}
    return {
        name.removeprefix(prefix): list(value) if isinstance(value, tuple) else value
        for name, value in given.items()
        if value not in (None, ())
    }


def _named(args: Sequence[str]) -> str:
    """The engine that is typed, of several the last as click takes it, and "" where help is asked
    without one."""
    named = _typed(args, "--engine")
    if named is not None:
        return named
    if {"-h", "--help"} & set(args):
        return ""
    with suppress(UsageError):  # said later, where the engine is needed
        return default_engine()
    return ""


def _typed(args: Sequence[str], flag: str) -> str | None:
    """What follows a flag, the last time that it is typed."""
    typed = None
    for word, following in pairwise([*args, ""]):
        if word == flag:
            typed = following
        elif word.startswith(f"{flag}="):
            typed = word.partition("=")[2]
    return typed


def _flags(engine: str | None, role: str = "") -> Iterator[click.Option]:
    if not engine:
        return
    try:
        infos = option_infos(resolve("engine", engine))
    except UsageError:
        return  # said later, where the engine is needed
    for info in infos:
        several, choice = info.type.startswith("list of "), "|" in info.type
        kind = info.type.removeprefix("list of ")
        kind = "JSON" if kind.startswith("Mapping") else kind
        yield click.Option(
            [
                f"--{role}{'-' if role else ''}{info.name.replace('_', '-')}",
                f"{role}{'_' if role else ''}{_PREFIX}{info.name}",
            ],
            multiple=several,
            metavar=kind if choice else {"STR": "TEXT"}.get(kind.upper(), kind.upper()),
            help=_help(info.help, info.default, repeated=several),
        )


def _help(text: str, default: str, *, repeated: bool) -> str:
    more = " (may be repeated)" if repeated else ""
    default = ", ".join(json.loads(default)) if repeated else default
    shown = f"  [default: {default}]" if default not in ("", "{}", "null") else ""
    return f"{text[:1].upper()}{text[1:]}{more}.{shown}"
