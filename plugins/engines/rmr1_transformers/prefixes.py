"""What prompts begin with in common, so that it is read once.

Neighbouring prompts share a stem where that saves reading: a pair's two orders share the
conversation, a benchmark's cells the first answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Prompts = Sequence[Sequence[int]]
_LEAST = 8
_LONG = 1024


class Stem(NamedTuple):
    """The prompts from `start` to `stop` all begin with the same `length` tokens."""

    start: int
    stop: int
    length: int


def common_length(prompts: Prompts) -> int:
    """How many tokens all prompts begin with, of each at least one left to read."""
    first, last = min(prompts, key=tuple), max(prompts, key=tuple)
    return _common(first, last, min(map(len, prompts)) - 1)


def stems(prompts: Prompts, known: int) -> list[Stem]:
    """Runs of neighbours with a beginning in common, more than the `known` one, that pays.

    What follows a stem is read with a mask, and so without the shortcut that attention has for a
    whole prompt: of long prompts the stem has to be the greater part.
    """
    found: list[Stem] = []
    for place in range(1, len(prompts)):
        before, this = prompts[place - 1], prompts[place]
        length = _common(before, this, min(len(before), len(this)) - 1)
        longest = max(len(before), len(this)) - known
        if length - known < max(_LEAST, longest // (2 if longest > _LONG else 4)):
            continue
        if found and found[-1].stop == place:
            if length >= found[-1].length:
                found[-1] = found[-1]._replace(stop=place + 1)
                continue
            begun = found[-1]
            if (length - known) * 2 > begun.length - known:
                found[-1] = Stem(begun.start, place + 1, length)
            continue
        found.append(Stem(place - 1, place + 1, length))
    return found


def _common(first: Sequence[int], second: Sequence[int], most: int) -> int:
    for place in range(most):
        if first[place] != second[place]:
            return place
    return max(most, 0)
