"""Which rows repeat others, in 16 bytes for each row: the same but for white space and case.

A row's fingerprint is of its prompt and its two answers, whichever was preferred and whichever
stood first; these two facts are bits beside it. So one sorting finds repeated rows, those with the
answers swapped, and those whose labels contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, NamedTuple

from rmr1_core.values import Example, Message

if TYPE_CHECKING:
    import numpy

    Mask = numpy.ndarray[tuple[int], numpy.dtype[numpy.bool_]]
    Words = numpy.ndarray[tuple[int], numpy.dtype[numpy.uint64]]

_PREFERRED, _FIRST, _IDENTICAL = 1, 2, 4
_SIZE = 16


class Reason(IntEnum):
    """Why a row is not in the mixed data."""

    KEPT = 0
    NOT_DRAWN = 1
    IDENTICAL = 2
    OVERLAP = 3
    NEAR_OVERLAP = 4
    CONTRADICTORY = 5
    DUPLICATE = 6
    SWAPPED = 7

    @property
    def words(self) -> str:
        """The reason, for people."""
        return _WORDS[self]


_WORDS = {
    Reason.KEPT: "kept",
    Reason.NOT_DRAWN: "not drawn",
    Reason.IDENTICAL: "identical answers",
    Reason.OVERLAP: "prompt of a benchmark",
    Reason.NEAR_OVERLAP: "nearly a prompt of a benchmark",
    Reason.CONTRADICTORY: "contradictory labels",
    Reason.DUPLICATE: "duplicate",
    Reason.SWAPPED: "duplicate with its answers swapped",
}


class Repeat(NamedTuple):
    """A row that repeats another one, and which."""

    row: int
    reason: Reason
    other: int


def normal(text: str) -> str:
    """The text in one case, with single spaces for all white space."""
    return " ".join(text.casefold().split())


def spoken(prompt: Sequence[Message]) -> str:
    """What is said in a conversation, system messages aside, normalised."""
    if len(prompt) == 1:
        return normal(prompt[0].content)
    return normal(" ".join(m.content for m in prompt if m.role != "system"))


class Fingerprints:
    """The fingerprints of rows, in the order in which they were added."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes) // _SIZE

    def add(self, example: Example, said: str) -> bool:
        """Add a row whose conversation has these `spoken` words; whether its answers differ."""
        pair = example.pair
        chosen, rejected = normal(pair.chosen), normal(pair.rejected)
        if len(pair.prompt) > 1:
            roles = "".join(m.role[0] for m in pair.prompt)
            system = " ".join(m.content for m in pair.prompt if m.role == "system")
            said = f"{roles}\0{normal(system)}\0{said}"
        preferred = chosen < rejected
        one, two = (chosen, rejected) if preferred else (rejected, chosen)
        text = f"{said}\0{one}\0{two}".encode(errors="surrogatepass")
        flags = _PREFERRED * preferred | _FIRST * example.chosen_first
        identical = chosen == rejected
        flags |= _IDENTICAL * identical
        self._bytes += blake2b(text, digest_size=_SIZE - 1).digest()
        self._bytes.append(flags)
        return not identical

    def identical(self) -> Mask:
        """Which rows have two answers that are the same."""
        import numpy as np

        return np.frombuffer(self._bytes, np.uint8)[_SIZE - 1 :: _SIZE] & _IDENTICAL > 0

    def keys(self) -> Words:
        """A number of 64 bits for each row, from its content alone."""
        import numpy as np

        return np.frombuffer(self._bytes, "<u8")[::2].astype(np.uint64)

    def digest(self, rows: Mask) -> str:
        """A hash of the content of these rows, in their order: another one when a source gives
        other rows, or the same in another order."""
        import numpy as np

        prints = np.frombuffer(self._bytes, np.uint8).reshape(-1, _SIZE)
        return sha256(prints[rows].tobytes()).hexdigest()[:16]

    def repeats(self, considered: Mask) -> Iterator[Repeat]:
        """Of the rows considered, those to leave out since they repeat others: all but the first of
        equal ones, and all whose labels contradict each other."""
        for group in self._groups(considered):
            flags = [self._bytes[row * _SIZE + _SIZE - 1] for row in group]
            if len({flag & _PREFERRED for flag in flags}) > 1:
                for row, flag in zip(group, flags, strict=True):
                    against = next(
                        other
                        for other, its in zip(group, flags, strict=True)
                        if (its ^ flag) & _PREFERRED
                    )
                    yield Repeat(row, Reason.CONTRADICTORY, against)
                continue
            for row, flag in zip(group[1:], flags[1:], strict=True):
                swapped = (flag ^ flags[0]) & _FIRST
                yield Repeat(row, Reason.SWAPPED if swapped else Reason.DUPLICATE, group[0])

    def _groups(self, considered: Mask) -> Iterator[list[int]]:
        """Rows that are equal but for their bits, two at least, each group in order."""
        import numpy as np

        rows = np.flatnonzero(considered)
        halves = np.frombuffer(self._bytes, "<u8").reshape(-1, 2)[rows]
        halves[:, 1] &= np.uint64((1 << 56) - 1)
        order = np.lexsort((halves[:, 1], halves[:, 0]))
        halves, rows = halves[order], rows[order]
        equal = np.flatnonzero((halves[1:] == halves[:-1]).all(axis=1))
        group: list[int] = []
        last = -2
        for place in equal.tolist():
            if place != last + 1:
                if group:
                    yield group
                group = [int(rows[place])]
            group.append(int(rows[place + 1]))
            last = place
        if group:
            yield group
