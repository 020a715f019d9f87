"""The public names of rmr1 with their arguments, and what a release may not change of them.

    python tests/public_api.py            say what differs from the last release's list
    python tests/public_api.py --write    write the list, when a release is made

What is public is told in docs/compatibility.md. The list has a line for every name, field, option
and argument, so that comparing two lists is comparing two sets of lines.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

import rmr1_core
from rmr1_core import hookspecs
from rmr1_core.cli import build
from rmr1_core.components import Component
from rmr1_core.discovery import OFFERS, plugins
from rmr1_core.lookup import option_infos

ROOT = Path(__file__).parent.parent
LIST = Path(__file__).with_name("public-api.txt")
NOTICE = "# The public names of rmr1 {version}. Written by: python tests/public_api.py --write"
REQUIRED = " required"


def lines() -> list[str]:
    """Everything public, a line each, sorted."""
    found = {*_of_hooks(), *_of_commands(build(), "rmr1"), *_of_components()}
    for name in public_modules():
        found |= set(_of_module(importlib.import_module(name)))
    return sorted(found)


def public_modules() -> list[str]:
    """The modules that plugins may import, as docs/concepts.md lists them."""
    section = (ROOT / "docs/concepts.md").read_text().partition("## What imports what")[2]
    return re.findall(r"^\| `(rmr1_core[.\w]*)` \|", section, re.MULTILINE)


def read(path: Path = LIST) -> tuple[str, list[str]]:
    """The version of the list, and its lines."""
    notice, *listed = path.read_text(encoding="utf-8").splitlines()
    return notice.split("rmr1 ")[1].split(". ")[0], listed


def broken(old: Iterable[str], new: Iterable[str]) -> list[str]:
    """What a user of the old names cannot do with the new ones: use a name that is gone, or leave
    out what has become required."""
    before, after = set(old), set(new)
    gone = [f"gone: {line}" for line in sorted(before - after) if line + REQUIRED not in after]
    demands = [
        f"now required: {line}"
        for line in sorted(after - before)
        if line.endswith(REQUIRED) and _owner(line) in {*before, *map(_owner, before)}
    ]
    return gone + demands


def _owner(line: str) -> str:
    """Whose argument or field it is: the line without its last part."""
    return line.removesuffix(REQUIRED).rpartition(" . ")[0]


def _of_hooks() -> Iterator[str]:
    for name, function in vars(hookspecs).items():
        if name.startswith("rmr1_"):
            yield f"hook {name}"
            yield from (f"hook {name} . {argument}" for argument in _parameters(function))


def _parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def _of_module(module: Any) -> Iterator[str]:
    for name in _names(module):
        thing, path = getattr(module, name), f"{module.__name__}.{name}"
        if inspect.isclass(thing):
            yield from _of_class(thing, path)
        elif inspect.isfunction(thing):
            yield from _of_function(thing, f"function {path}")
        else:
            yield f"value {path}"


def _names(module: Any) -> list[str]:
    if hasattr(module, "__all__"):
        return list(module.__all__)
    body = ast.parse(inspect.getsource(module)).body
    found = [n.name for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        found += [target.id for target in targets if isinstance(target, ast.Name)]
    return [name for name in found if not name.startswith("_")]


def _of_class(class_: type, path: str) -> Iterator[str]:
    yield f"class {path}"
    if issubclass(class_, msgspec.Struct):
        for field in msgspec.structs.fields(class_):
            yield f"class {path} . {field.name}{REQUIRED if field.required else ''}"
    for name, member in _members(class_):
        function = getattr(member, "__func__", member)
        if inspect.isfunction(function):
            yield from _of_function(function, f"class {path} . {name}()")
        else:
            yield f"class {path} . {name}"
    if "__init__" in vars(class_):
        yield from _of_function(vars(class_)["__init__"], f"class {path} . new()")


def _members(class_: type) -> Iterator[tuple[str, Any]]:
    """The public attributes that the class has of rmr1's own classes, fields left out."""
    fields = getattr(class_, "__struct_fields__", ())
    for name in sorted(set(dir(class_))):
        owner = next((c for c in class_.__mro__ if name in vars(c)), object)
        ours = owner.__module__.startswith("rmr1_core")
        if ours and not name.startswith("_") and name not in fields:
            yield name, vars(owner)[name]


def _of_function(function: Any, path: str) -> Iterator[str]:
    yield path
    for number, (name, parameter) in enumerate(inspect.signature(function).parameters.items()):
        if name in ("self", "cls"):
            continue
        place = "" if parameter.kind is parameter.KEYWORD_ONLY else f" ({number})"
        variable = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        required = parameter.default is parameter.empty and not variable
        yield f"{path} . {name}{place}{REQUIRED if required else ''}"


def _of_commands(command: click.Command, path: str) -> Iterator[str]:
    yield f"command {path}"
    for parameter in command.params:
        names = parameter.opts if isinstance(parameter, click.Option) else [parameter.name or ""]
        for name in [*names, *parameter.secondary_opts]:
            yield f"command {path} . {name}{REQUIRED if parameter.required else ''}"
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _of_commands(inner, f"{path} {name}")


def _of_components() -> Iterator[str]:
    """What the first-party plugins offer, with its options; older names of options, too."""
    ours = {p.name for p in plugins().listing() if p.distribution == "rmr1"}
    for kind in OFFERS:
        for offer in plugins().offers(kind):
            if offer.plugin in ours:
                path = f"component {kind}s/{offer.component.name}"
                yield path
                if isinstance(offer.component, Component):
                    options = [info.name for info in option_infos(offer.component)]
                    names = [*options, *offer.component.renamed]
                    yield from (f"{path} . {name}" for name in names)


def main() -> int:
    """Say what differs, or write the list; 1 where a promise would be broken."""
    now = lines()
    problems = broken(read()[1], now) if LIST.exists() else []
    for problem in problems:
        print(problem)
    if "--write" in sys.argv:
        notice = NOTICE.format(version=rmr1_core.__version__)
        LIST.write_text("\n".join([notice, *now]) + "\n", encoding="utf-8")
        print(f"wrote {len(now)} names to {LIST.name}")
        return 0
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
