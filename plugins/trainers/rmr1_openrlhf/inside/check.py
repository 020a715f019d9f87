"""OpenRLHF's own parser is asked, before anything else, whether it knows every flag.

The parser is built where the trainer's module is run as a program. What that module imports to
train with is not needed for it, and is left out: the answer takes a moment, and no torch.
"""

from __future__ import annotations

import argparse
import difflib
import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution, version
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from rmr1_openrlhf.inside import keys

PROGRAM = "openrlhf.cli.train_sft"


class _Asked(BaseException):
    """Stops the program where it would parse."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


class _Refused(ValueError):
    """The words do not fit the parser."""


def run(*words: str) -> int:
    """Say what is wrong with the flags, if anything is; after --tell, to a program that asks."""
    if words[:1] == ("--tell",):
        print(f"told: {wrong(list(words[1:]))}")
        return 0
    problem = wrong(list(words))
    if problem:
        print(f"UsageError: {problem}", file=sys.stderr)
    return 2 if problem else 0


def wrong(words: list[str]) -> str:
    """Why the installed release refuses these flags; "" when it takes them."""
    release = version("openrlhf")
    asked = parser()
    known = {option for action in asked._actions for option in action.option_strings}
    unknown = [word.partition("=")[0] for word in words if word.startswith("--")]
    unknown = [word for word in unknown if word not in known]
    if unknown:
        return f"OpenRLHF {release} has no flag {unknown[0]}{_guess(unknown[0], known, release)}"
    try:
        _, left = asked.parse_known_args(words)
    except _Refused as error:
        return f"OpenRLHF {release}: {error}"
    return f"OpenRLHF {release} does not know what {left[0]!r} is for" if left else ""


def parser() -> argparse.ArgumentParser:
    """The parser of the installed release, which raises where it would end the process."""
    file = Path(str(distribution("openrlhf").locate_file(f"{PROGRAM.replace('.', '/')}.py")))
    with _without_openrlhf():
        try:
            runpy.run_path(str(file), run_name="__main__")
        except _Asked as asked:
            found = asked.parser
            found.error = _refuse  # type: ignore[method-assign]
            return found
    raise RuntimeError(f"{file} parses no command line; this release is not known")


def _stop(self: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
    raise _Asked(self)


def _refuse(message: str) -> NoReturn:
    raise _Refused(message)


def _guess(flag: str, known: set[str], release: str) -> str:
    """What may be meant: the flag's name in this release, or else the nearest."""
    now = keys.renamed(flag, release)
    if now in known:
        return f"; it calls that {now}"
    last = {option.rpartition(".")[2].lstrip("-"): option for option in sorted(known)}
    name = flag.rpartition(".")[2].lstrip("-")
    near = difflib.get_close_matches(flag, sorted(known), n=1, cutoff=0.7) or [
        last[match] for match in difflib.get_close_matches(name, last, n=1, cutoff=0.6)
    ]
    return f"; did you mean {near[0]}?" if near else ""


class _Anything(ModuleType):
    """A module that has every name."""

    __path__: list[str] = []  # noqa: RUF012

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return object


class _Finder:
    """Finds every part of OpenRLHF, and nothing in it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Such a module, for names within openrlhf."""
        from importlib.machinery import ModuleSpec

        if name.partition(".")[0] != "openrlhf":
            return None
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> ModuleType:
        """The empty module."""
        return _Anything(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing has to be run."""


@contextmanager
def _without_openrlhf() -> Iterator[None]:
    finder, parse = _Finder(), argparse.ArgumentParser.parse_args
    before = set(sys.modules)
    argparse.ArgumentParser.parse_args = _stop  # type: ignore[method-assign]
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        argparse.ArgumentParser.parse_args = parse  # type: ignore[method-assign]
        sys.meta_path.remove(finder)
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == "openrlhf":
                del sys.modules[name]
