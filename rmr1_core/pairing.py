"""Which pair of a benchmark another project's judgment is about.

The answers' texts decide where the log holds them, and its id between pairs with equal texts.
Where it holds none, the id alone does.
"""

from __future__ import annotations

from collections.abc import Iterable

from rmr1_core.values import LoggedJudgment, Pair


class Pairing:
    """A benchmark's pairs, to be found again."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._by_id: dict[str, Pair] = {}
        self._by_texts: dict[tuple[str, str], list[Pair]] = {}
        self._below: dict[str, list[Pair]] = {}
        for pair in pairs:
            self._by_id[pair.id] = pair
            self._by_texts.setdefault(_texts(pair), []).append(pair)
            for prefix in _prefixes(pair.id):
                self._below.setdefault(prefix, []).append(pair)

    def find(self, logged: LoggedJudgment) -> Pair | None:
        """The pair; None where no pair has these answers, or none this id."""
        named = self._named(logged.pair.id)
        if not has_texts(logged.pair):
            return named
        alike = self._by_texts.get(_texts(logged.pair), [])
        if named in alike or not alike:
            return named if named in alike else None
        prefix = logged.pair.id.partition("#")[0]
        kin = [pair for pair in alike if prefix in _prefixes(pair.id)]
        same = [pair for pair in kin or alike if pair.prompt == logged.pair.prompt]
        return (same or kin or alike)[0]

    def _named(self, id_: str) -> Pair | None:
        prefix, mark, number = id_.rpartition("#")
        if not mark or not number.isdecimal():
            return self._by_id.get(id_)
        below = self._below.get(prefix, [])
        return below[int(number) - 1] if 0 < int(number) <= len(below) else None


def has_texts(pair: Pair) -> bool:
    """Whether a log holds what was compared."""
    return bool(pair.prompt)


def _texts(pair: Pair) -> tuple[str, str]:
    return pair.chosen.strip(), pair.rejected.strip()


def _prefixes(id_: str) -> list[str]:
    parts = id_.split("/")
    return ["/".join(parts[:n]) for n in range(len(parts))]
