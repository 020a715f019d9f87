"""Which replica gets a request: one whose last prompt begins alike, where loads allow it.

Each replica has a prefix cache of its own. vLLM's own balancing looks at loads alone, so that
prompts which share a beginning would be spread, and every replica would compute it.
"""

from __future__ import annotations

from collections.abc import Sequence

_CHUNK = 64
_SLACK = 16
"""So many more requests than the least busy one a replica may have: about a group that shares a
conversation (nine cells in two orders), and an eighth more where loads are high."""


class Balance:
    """Requests under way and the last prompt, by replica."""

    def __init__(self, replicas: int) -> None:
        self._busy = [0] * replicas
        self._last: list[Sequence[int]] = [()] * replicas

    def choose(self, ids: Sequence[int]) -> int:
        """The replica for this prompt, which is then under way there."""
        least = min(self._busy)
        limit = least + max(_SLACK, least // 8)
        fit = [rank for rank, busy in enumerate(self._busy) if busy < limit]
        rank = max(fit, key=lambda rank: (_shared(self._last[rank], ids), -self._busy[rank]))
        self._busy[rank] += 1
        self._last[rank] = ids
        return rank

    def done(self, rank: int) -> None:
        """One of its requests is answered."""
        self._busy[rank] -= 1


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many chunks they have in common at the beginning."""
    for start in range(0, min(len(one), len(other)), _CHUNK):
        if one[start : start + _CHUNK] != other[start : start + _CHUNK]:
            return start // _CHUNK
    return min(len(one), len(other)) // _CHUNK
