"""Answers from what was judged before, by us or by another project: no model, no GPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, ClassVar

from rmr1_core import PATH, Backbone, Engine, EngineSession, Option, hookimpl
from rmr1_core.errors import UsageError


class ReplayEngine(Engine, frozen=True, kw_only=True):
    """Stored answers, found again by the judgment they belong to.

    A journal of ours answers exactly the judgments that it holds. Another project's log answers a
    judgment of the same two answers in the same order; what it does not hold fails, by name.
    """

    argument: ClassVar[str] = "path"
    path: Annotated[
        str,
        Option(extra=PATH, description="a run's folder, its judgments.jsonl, or RM-R1's log files"),
    ] = ""

    def own_backbone(self) -> Backbone:
        """Whoever judged then."""
        return Backbone(name=self.name, model="")

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[EngineSession]:
        """Read what is stored.

        Raises:
            UsageError: there is no path, or nothing at it.
            BadInput: a file is not what it should be; it says where.
        """
        if not self.path:
            raise UsageError("engine 'replay': say what to replay: --engine replay:PATH")
        from rmr1_replay.session import ReplaySession

        yield ReplaySession(Path(self.path).expanduser())


@hookimpl
def rmr1_engines() -> Iterable[Engine]:
    """Offer `replay`."""
    return [ReplayEngine(name="replay", summary="stored answers of a run or of published logs")]
