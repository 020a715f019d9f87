"""Every failure that a user can meet, in one tree, with its exit code.

An error is built from facts and says, in lower case, what is wrong and what to type next.
Anything else that escapes is a bug and keeps its traceback.

    Rmr1Error                      1
    ├── UsageError                 2   what was typed or given cannot work
    │   ├── UnknownName            2
    │   ├── AmbiguousName          2
    │   ├── BadOption              2
    │   ├── BadInput               2   a file, with row and field
    │   ├── IncompleteData         2
    │   ├── MissingPackage         2
    │   └── MissingEnvironment     2
    ├── PluginFailed               1   foreign code broke its contract
    ├── EngineFailed               1   the engine cannot go on
    ├── JobFailed                  1   a trainer ended badly
    ├── RunIncomplete              1   some requests failed for good
    ├── WorseThanAllowed           1   a run may be worse than the one it is compared with
    └── RunLocked                  1   another process writes this run
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class Rmr1Error(Exception):
    """A failure with a sentence for the user."""

    exit_code = 1


class UsageError(Rmr1Error):
    """What was typed or given cannot work."""

    exit_code = 2


class UnknownName(UsageError):
    """No component of this kind has this name."""

    def __init__(
        self, kind: str, name: str, known: Iterable[str], hint: str = "", lacking: str = ""
    ) -> None:
        self.kind, self.name = kind, name
        near = difflib.get_close_matches(name, sorted(set(known)), n=1, cutoff=0.5)
        see = lacking or f"see: {hint or f'rmr1 list {kind}s'}"
        guess = f"did you mean {near[0]!r}?" if near else see
        more = f" ({lacking})" if near and lacking else ""
        super().__init__(f"no {kind} named {name!r}; {guess}{more}")


class AmbiguousName(UsageError):
    """Several plugins offer this name."""

    def __init__(self, kind: str, name: str, plugins: Iterable[str]) -> None:
        choices = " or ".join(f"{plugin}/{name}" for plugin in sorted(plugins))
        super().__init__(f"{kind} {name!r} is offered by several plugins; say {choices}")


class BadOption(UsageError):
    """An option that the component does not have, or a value that does not fit."""

    def __init__(self, kind: str, name: str, problem: str) -> None:
        super().__init__(f"{kind} {name!r}: {problem}; see: rmr1 show {kind}s/{name}")


class BadInput(UsageError):
    """A file that cannot be used: where exactly, and why.

    `row` counts from 1, as editors do.
    """

    def __init__(
        self, path: Path | str, problem: str, *, row: int | None = None, field: str | None = None
    ) -> None:
        self.path, self.row, self.field, self.problem = str(path), row, field, problem
        where = [str(path)]
        if row is not None:
            where.append(f"row {row}")
        if field is not None:
            where.append(f"field {field!r}")
        super().__init__(f"{', '.join(where)}: {problem}")


class IncompleteData(UsageError):
    """A benchmark's data lacks some of its pairs, and nobody said that this is fine."""

    def __init__(self, benchmark: str, missing: str) -> None:
        super().__init__(
            f"{benchmark}: the data is incomplete: {missing}; "
            "score it all the same, marked as partial, with --allow-partial"
        )


class MissingPackage(UsageError):
    """A Python package that this feature needs is not installed."""

    def __init__(self, package: str, purpose: str, install: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}; install it with: {install}")


class MissingEnvironment(UsageError):
    """A managed environment that is needed has not been built, or not from its present lock."""

    def __init__(self, name: str, variant: str, problem: str = "is not built") -> None:
        self.name, self.variant = name, variant
        super().__init__(
            f"environment {name!r} ({variant}) {problem}; make it with: rmr1 env create {name}"
        )


class PluginFailed(Rmr1Error):
    """A plugin raised, or returned what its kind forbids."""

    def __init__(self, plugin: str, problem: str) -> None:
        super().__init__(f"plugin {plugin!r} failed: {problem}; see: rmr1 plugins")


class EngineFailed(Rmr1Error):
    """An engine cannot be opened or cannot go on."""


class NotAnswered(Rmr1Error):
    """One request failed for good; the engine goes on."""


class JobFailed(Rmr1Error):
    """A job's process ended badly; `cause` is its own last error."""

    def __init__(self, job: str, cause: str, log: Path | str) -> None:
        super().__init__(f"{job} failed: {cause}; its whole log is {log}")

    def resume_with(self, command: str) -> None:
        """Say what to type next, unless the cause says it already."""
        if "--resume" not in str(self):
            self.args = (f"{self}; go on with: {command}",)


class RunIncomplete(Rmr1Error):
    """Some requests failed for good; what was done is kept."""

    def __init__(self, run: str, failed: int, first: str) -> None:
        self.failed, self.first = failed, first
        super().__init__(
            f"{failed} requests failed (the first: {first}); what was done is kept; "
            f"ask them again with: --resume {run}"
        )


class WorseThanAllowed(Rmr1Error):
    """A run is not shown to be as good as the one it is compared with, less so many points."""


class RunLocked(Rmr1Error):
    """Another process writes this run."""

    def __init__(self, folder: Path | str) -> None:
        super().__init__(
            f"{folder} is being written by another process; wait for it, or stop it with: "
            f"rmr1 runs stop {folder}"
        )
