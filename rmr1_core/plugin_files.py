"""A plugin in one file, without packaging: `rmr1 --plugin ./my_reward.py`.

Its name is the file's. It may import what is installed, and no other file. RMR1_PLUGINS names such
files for every process that rmr1 starts, too.
"""

from __future__ import annotations

import hashlib
import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from rmr1_core.errors import BadInput

VARIABLE = "RMR1_PLUGINS"
_MARK = "rmr1_impl"
"""What `hookimpl` leaves at a function."""


class LoadedFile(NamedTuple):
    """A plugin's file, and what was in it when it was read; a run's copy is of an `origin`."""

    path: Path
    source: bytes
    origin: str = ""

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.path.stem

    @property
    def module(self) -> str:
        """The name under which it is imported."""
        return "rmr1_file_" + "".join(c if c.isalnum() else "_" for c in self.name)

    @property
    def sha256(self) -> str:
        """The hash of its content, in hexadecimal digits."""
        return hashlib.sha256(self.source).hexdigest()

    @property
    def version(self) -> str:
        """The beginning of that."""
        return f"sha256:{self.sha256[:12]}"

    def load(self) -> ModuleType:
        """Import it: its module.

        Raises:
            BadInput: it raises an exception, or implements no hook.
        """
        module = ModuleType(self.module)
        module.__file__ = str(self.path)
        sys.modules[self.module] = module  # where types look up what annotations name
        try:
            exec(compile(self.source, self.path, "exec"), vars(module))
        except (Exception, SystemExit) as error:  # the boundary to foreign code
            del sys.modules[self.module]
            raise BadInput(self.path, _raised(error), row=_row(error, self.path)) from error
        if not any(hasattr(value, _MARK) for value in vars(module).values()):
            problem = "no function is marked with @hookimpl, so this is no plugin"
            raise BadInput(self.path, problem)
        return module


def read(path: Path) -> LoadedFile:
    """A plugin's file, not yet imported.

    Raises:
        BadInput: there is no such file, or it is no Python.
    """
    path = path.expanduser().absolute()
    if path.suffix != ".py":
        raise BadInput(path, "a plugin in one file ends with .py; a package: rmr1 install PATH")
    if os.pathsep in str(path):
        raise BadInput(path, f"the path of a plugin may not contain {os.pathsep!r}; rename it")
    try:
        source = path.read_bytes()
    except OSError as error:
        problem = f"this plugin cannot be read: {error.strerror or error}"
        raise BadInput(path, problem) from None
    try:
        compile(source, path, "exec")
    except SyntaxError as error:
        problem = f"this is no valid Python: {error.msg}; try: python {path}"
        raise BadInput(path, problem, row=error.lineno) from None
    except ValueError as error:
        raise BadInput(path, f"this is no valid Python: {error}") from None
    return LoadedFile(path, source)


def named() -> list[Path]:
    """The files that RMR1_PLUGINS names."""
    return [Path(name) for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]


def tell_children(files: Iterable[LoadedFile]) -> None:
    """Set RMR1_PLUGINS, so that the processes that this one starts have these plugins, too."""
    paths = os.pathsep.join(str(file.path) for file in files)
    if paths:
        os.environ[VARIABLE] = paths


def environment() -> dict[str, str]:
    """The variable for a process that is started elsewhere."""
    return {VARIABLE: os.environ[VARIABLE]} if os.environ.get(VARIABLE) else {}


def _raised(error: BaseException) -> str:
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return f"this plugin cannot be imported: {what}"


def _row(error: BaseException, path: Path) -> int | None:
    """The last row of the file that the error came through."""
    rows = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return rows[-1] if rows else None
