"""Calling foreign code so that what it does to the whole process by accident is undone.

What it prints goes to the standard error, as the standard output belongs to results and `--json`.
With RMR1_TRACE_PLUGINS=1 every import and every hook call is told there, with its time.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any, NamedTuple

TRACE = "RMR1_TRACE_PLUGINS"
SLOW_SECONDS = 1.0
"""An import that takes longer is said by `rmr1 plugins` and `rmr1 doctor`."""
_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE", "SIGCHLD")
    if hasattr(signal, name)
]


class _Process(NamedTuple):
    """What plugins change by accident."""

    argv: list[str]
    folder: str
    logging: tuple[list[Any], int]
    excepthook: Any
    filters: list[Any]
    signals: list[Any]

    @classmethod
    def now(cls) -> _Process:
        main = threading.current_thread() is threading.main_thread()
        return cls(
            argv=[*sys.argv],
            folder=_folder(),
            logging=_logging(),
            excepthook=sys.excepthook,
            filters=[*warnings.filters],
            signals=[signal.getsignal(number) for number in _SIGNALS] if main else [],
        )


@contextmanager
def shielded() -> Iterator[list[str]]:
    """Around foreign code. The list that is yielded then names what it changed and what was put
    back: the arguments, the working folder, logging, warnings, handlers of signals."""
    before, changed = _Process.now(), list[str]()
    try:
        with _aside(), redirect_stdout(sys.stderr):
            yield changed
    finally:
        changed.extend(_put_back(before, _Process.now()))


def call(implementation: Any, *, quick: bool = False, **told: object) -> Any:
    """Call a plugin's hook with those arguments that it names; what it gives, a generator as a
    list. With `quick` only what it prints is looked after.

    Whatever it raises comes through.
    """
    arguments = {name: told[name] for name in implementation.argnames}
    began = time.perf_counter()
    if quick:
        with redirect_stdout(sys.stderr):
            given = implementation.function(**arguments)
    else:
        with shielded():
            given = implementation.function(**arguments)
            given = list(given) if hasattr(given, "__next__") else given
    if tracing():
        count = f" gave {len(given)}" if isinstance(given, Sized) else ""
        name, function = implementation.plugin_name, implementation.function.__name__
        trace(f"plugin {name}: {function}{count} in {_milliseconds(began)}")
    return given


def timed(name: str, load: Callable[[], Any]) -> tuple[Any, float]:
    """What an import gives, and how long it took, in seconds."""
    began = time.perf_counter()
    try:
        return load(), time.perf_counter() - began
    except KeyboardInterrupt:
        switch = f"switch it off with RMR1_DISABLE_PLUGINS={name}"
        print(f"warning: interrupted while plugin {name!r} was imported; {switch}", file=sys.stderr)
        raise
    finally:
        if tracing():
            trace(f"plugin {name}: imported in {_milliseconds(began)}")


def tracing() -> bool:
    """Whether RMR1_TRACE_PLUGINS is set, and not to 0."""
    return os.environ.get(TRACE, "0") not in ("", "0")


def trace(words: str) -> None:
    """Tell on the standard error what plugins do."""
    print(words, file=sys.stderr)


def _milliseconds(began: float) -> str:
    return f"{1000 * (time.perf_counter() - began):.1f} ms"


@contextmanager
def _aside() -> Iterator[None]:
    """What is written to the file of the standard output, also by a program that is started, goes
    to that of the standard error."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # there is none
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError, ValueError, AttributeError):
            sys.__stdout__.flush()  # type: ignore[union-attr]
        os.dup2(kept, 1)
        os.close(kept)


def _logging() -> tuple[list[Any], int]:
    """The handlers and the level of the root; `logging` itself is not imported for this."""
    module = sys.modules.get("logging")
    return ([*module.root.handlers], module.root.level) if module else ([], 30)


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109  # a Path takes longer, at each call
    except OSError:  # it is gone
        return ""


def _put_back(before: _Process, after: _Process) -> Iterator[str]:
    """Undo what has changed, and name it."""
    if after.argv != before.argv:
        sys.argv[:] = before.argv
        yield "sys.argv"
    if after.folder != before.folder and before.folder:
        os.chdir(before.folder)
        yield "the working folder"
    if after.logging != before.logging:
        root = sys.modules["logging"].root
        root.handlers[:] = before.logging[0]
        root.setLevel(before.logging[1])
        yield "the root of logging"
    if after.excepthook is not before.excepthook:
        sys.excepthook = before.excepthook
        yield "sys.excepthook"
    if any(_is_for_all(new) for new in after.filters if new not in before.filters):
        warnings.filters[:] = before.filters  # type: ignore[index]
        yield "the filters of warnings"
    handlers = zip(_SIGNALS, before.signals, after.signals, strict=False)
    if changed := [
        (number, was) for number, was, now in handlers if now != was and was is not None
    ]:
        for number, was in changed:
            signal.signal(number, was)
        yield f"the handler of {', '.join(number.name for number, _ in changed)}"


def _is_for_all(rule: Any) -> bool:
    """Whether a filter concerns every warning; libraries add ones for their own."""
    _, message, category, module, line = rule
    return message is None and module is None and category is Warning and not line
