"""Which answers are written together: those of similar length, within a budget of tokens.

The budget counts what the batch may hold at its fullest, so memory is bounded. Requests for the
same prompt stay together, since they share the reading of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from rmr1_core import Request


class Item(NamedTuple):
    """A request as the model sees it. `limit` is the most tokens that it may write; the last
    `begun` tokens of `prompt` are the answer's beginning, which was given."""

    request: Request
    prompt: tuple[int, ...]
    limit: int
    begun: int = 0

    @property
    def manner(self) -> tuple[float, float, tuple[str, ...]]:
        """What has to be equal within a batch."""
        sampling = self.request.sampling
        return sampling.temperature, sampling.top_p, sampling.stop


class Budget(NamedTuple):
    """How much one batch may hold."""

    rows: int
    tokens: int


def in_order(items: Iterable[Item]) -> deque[Item]:
    """The order in which to write: one manner after the other, the longest prompts first.

    Prompts of about one length are thus beside each other, and what does not fit the memory is
    found out early.
    """
    return deque(sorted(items, key=lambda i: (i.manner, -len(i.prompt), i.prompt, -i.limit)))


def take(queue: deque[Item]) -> list[Item]:
    """Take all items of the first one's manner off the queue."""
    taken = [queue.popleft()]
    while queue and queue[0].manner == taken[0].manner:
        taken.append(queue.popleft())
    return taken
