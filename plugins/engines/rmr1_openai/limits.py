"""A budget a minute, without bursts: what is not used within a second is gone.

Limiters that start with a full bucket let twice their rate through in the first minute, and none
found takes back what was asked for and not used, which is most of an answer's token limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Chosen = TypeVar("Chosen")
_SECONDS = 60.0
_SHORTEST_LOOK, _LONGEST_LOOK = 0.001, 0.25


class Rates:
    """The limits of requests and of tokens, with one gate for both.

    Requests pass it one by one, and the last step is to choose where to ask. So nothing piles up,
    to be sent at once, while another one waits for tokens or for a server that rests.
    """

    def __init__(self, requests_per_minute: int, tokens_per_minute: int) -> None:
        self._requests, self._tokens = Budget(requests_per_minute), Budget(tokens_per_minute)
        self._limited = bool(requests_per_minute or tokens_per_minute)
        self._gate = asyncio.Lock()

    async def passed(self, tokens: float, choose: Callable[[], Awaitable[Chosen]]) -> Chosen:
        """What is chosen when a request of so many tokens may be sent."""
        if not self._limited:
            return await choose()
        async with self._gate:
            await self._tokens.take(tokens)
            await self._requests.take(1)
            return await choose()

    def correct(self, booked: float, used: float) -> None:
        """A request that was booked with so many tokens used so many."""
        self._tokens.give_back(booked - used)


class Budget:
    """So much a minute; 0 is no limit. For use in one event loop."""

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / _SECONDS
        self._level, self._at = self._rate, 0.0
        self._turn = asyncio.Lock()

    async def take(self, amount: float) -> None:
        """Wait, first come first served, until the amount may be spent.

        What is more than a second's worth may be spent when a second's worth is there, and is then
        owed: the next one waits until it is paid.
        """
        if not self._rate:
            return
        async with self._turn:
            wanted = min(amount, self._rate)
            while (missing := wanted - self._now()) > 0:
                pause = max(missing / self._rate, _SHORTEST_LOOK)
                await asyncio.sleep(min(pause, _LONGEST_LOOK))
            self._level -= amount

    def give_back(self, amount: float) -> None:
        """Correct what was taken: so much less was used, or more where negative."""
        self._level += amount

    def _now(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._at:
            self._level = min(self._level + (now - self._at) * self._rate, self._rate)
        self._at = now
        return self._level
