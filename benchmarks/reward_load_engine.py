"""A plugin with an engine that is a script: of two answers it prefers the one that is worth more.

It answers as an engine with continuous batching does: what comes while a batch is worked on is in
the next one, a batch has at most 256 requests, and takes `seconds`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Annotated

from rmr1_core import Answer, Backbone, Completion, Engine, EngineSession, Option, Request, hookimpl

BATCH = 256


class Session(EngineSession):
    """Batch after batch."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer what is there, and then what came meanwhile."""
        source = iter(requests)
        while batch := list(islice(source, BATCH)):
            time.sleep(self._seconds)
            yield from (Answer(id=request.id, result=_preferred(request)) for request in batch)


class WorthMore(Engine, frozen=True, kw_only=True):
    """The engine."""

    seconds: Annotated[float, Option(description="how long a batch takes", ge=0)] = 0.02

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[Session]:
        """A session of the script."""
        yield Session(self.seconds)


def _preferred(request: Request) -> Completion:
    first, second = re.findall(r"worth (\d+)", request.messages[-1].content)[-2:]
    text = f"<answer>[[{'A' if int(first) > int(second) else 'B'}]]</answer>"
    return Completion(text=text, finish_reason="stop", prompt_tokens=100, completion_tokens=8)


@hookimpl
def rmr1_engines() -> list[Engine]:
    """Offer it."""
    return [WorthMore(name="worth-more", summary="prefers the answer that is worth more")]


@hookimpl
def rmr1_backbones() -> list[Backbone]:
    """And a backbone, which it does not look at."""
    return [Backbone(name="nobody", summary="no weights", model="")]
