"""Which base URL gets the next request: a free one, and of equals one that knows the beginning.

The one with the fewest requests under way is next. Loads that differ by one, or by an eighth, count
as equal; then the URL whose last prompt shares the longest beginning is next, as its prefix cache
holds that. Requests arrive in an order in which shared beginnings are neighbours, so the last
prompt is all that is worth remembering. A URL that is down or busy rests for a while, and a request
that failed at one is asked at another one: what fails at once always has few under way.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

_SLACK = 8
_MOST_REFUSALS = 20
LONGEST_REST = 60.0


class Endpoint:
    """One base URL with its client."""

    def __init__(self, url: str, client: Any) -> None:
        self.url, self.client = url, client
        self.under_way = 0
        self.answered = float("-inf")
        """When it last answered anything, in the event loop's time."""
        self._resting_until = 0.0
        self._refusals = 0
        self._last = ""

    def rest(self, seconds: float, now: float) -> None:
        """Send nothing here for so long."""
        self._resting_until = max(self._resting_until, now + seconds)

    def is_down(self, first: float, now: float) -> None:
        """It could not be reached: rest, from so many seconds on twice as long each time."""
        if self.wakes_in(now) > 0:
            return  # requests that were under way together fail together
        self.rest(min(first * 2**self._refusals, LONGEST_REST), now)
        self._refusals = min(self._refusals + 1, _MOST_REFUSALS)

    def heard(self, now: float) -> None:
        """It answered something."""
        self.answered, self._refusals = now, 0

    def wakes_in(self, now: float) -> float:
        """Seconds until it may be asked again; not positive when it may be asked now."""
        return self._resting_until - now

    def shares(self, prompt: str) -> int:
        """How many letters a prompt has in common with the beginning of the last one."""
        low, high = 0, min(len(prompt), len(self._last))
        while low < high:
            middle = (low + high + 1) // 2
            if prompt[low:middle] == self._last[low:middle]:
                low = middle
            else:
                high = middle - 1
        return low

    def takes(self, prompt: str) -> None:
        """A request with this prompt is on its way."""
        self.under_way += 1
        self._last = prompt


class Endpoints:
    """All base URLs of an engine."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._all = endpoints

    @property
    def several(self) -> bool:
        """Whether there is anything to choose."""
        return len(self._all) > 1

    def is_any_awake(self) -> bool:
        """Whether there is one to ask without waiting."""
        now = asyncio.get_running_loop().time()
        return any(endpoint.wakes_in(now) <= 0 for endpoint in self._all)

    async def choose(self, prompt: str, failed_at: Endpoint | None = None) -> Endpoint:
        """The one to ask next, which may be worth waiting for; another than where it failed."""
        while True:
            now = asyncio.get_running_loop().time()
            awake = [e for e in self._all if e.wakes_in(now) <= 0]
            if awake:
                awake = [e for e in awake if e is not failed_at] or awake
                chosen = awake[0] if len(awake) == 1 else _best(awake, prompt)
                chosen.takes(prompt)
                return chosen
            # not all at the same moment
            await asyncio.sleep(min(e.wakes_in(now) for e in self._all) * random.uniform(1, 1.25))

    def silent_since(self, moment: float) -> bool:
        """Whether none has answered anything since."""
        return all(endpoint.answered < moment for endpoint in self._all)


def _best(awake: Sequence[Endpoint], prompt: str) -> Endpoint:
    least = min(e.under_way for e in awake)
    equals = [e for e in awake if e.under_way <= least + max(1, least // _SLACK)]
    return max(equals, key=lambda e: (e.shares(prompt), -e.under_way))
