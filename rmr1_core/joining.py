"""The judgments of two evaluations, pair by pair: of those pairs that both have, unchanged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from rmr1_core.evaluation import Evaluation
from rmr1_core.scoring import Tally
from rmr1_core.sides import Side
from rmr1_core.values import Outcome, Pair, Value


class Flip(Value, frozen=True):
    """A pair on which the judges differ: the share of its verdicts that name the chosen answer,
    and where `rmr1 view` shows both judges on it."""

    pair_id: str
    first: float
    second: float
    address: str


class PairSet(Value, frozen=True):
    """Which pairs were compared: `common` of the `expected` ones of the whole benchmark. Left out
    are those that only one side has, and those whose texts differ (`changed`)."""

    common: int
    prompts: int
    expected: int
    only_first: int = 0
    only_second: int = 0
    changed: int = 0

    @property
    def partial(self) -> bool:
        """Whether pairs of the benchmark are not in the comparison."""
        return self.common < self.expected

    @property
    def all_shared(self) -> bool:
        """Whether both sides have the same pairs."""
        return not (self.only_first or self.only_second or self.changed)


class Judged:
    """A side's pairs and verdicts, each read once. `expected` counts the pairs of each of its
    benchmarks, also those that were not judged."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._evaluation = Evaluation(side.evaluation.folder)
        self.expected = {
            judged.benchmark: sum(judged.expected.values()) for judged in self._evaluation.index()
        }
        self._tallies: dict[str, Tally] = {}
        for judgment in self._evaluation.judgments():
            self._tallies.setdefault(judgment.benchmark, Tally()).add(judgment)

    def pairs(self, benchmark: str) -> list[Pair]:
        """The judged pairs of a benchmark."""
        return self._evaluation.pairs(benchmark)

    def contents(self, benchmark: str) -> dict[str, bytes]:
        """A digest of each pair's texts, by its id."""
        return {pair.id: _digest(pair) for pair in self._evaluation.each_pair(benchmark)}

    def outcomes(self, benchmark: str, pairs: Iterable[Pair]) -> list[Outcome]:
        """What became of these pairs."""
        return self._tallies[benchmark].outcomes(pairs)


class Joined(NamedTuple):
    """The outcomes of two sides on the same pairs, in the first side's order."""

    pairs: PairSet
    first: list[Outcome]
    second: list[Outcome]

    def net(self) -> list[int]:
        """For each prompt, the wins gained less the wins lost, in halves of a pair's win: a judge
        of both orders may win one of them."""
        sums: dict[str, int] = {}
        for own, other in zip(self.first, self.second, strict=True):
            change = round(2 * (other.score() - own.score()))
            sums[own.pair.group] = sums.get(own.pair.group, 0) + change
        return list(sums.values())


def join(first: Judged, second: Judged, benchmark: str) -> Joined | None:
    """The pairs that both sides have with the same texts; None where there is none."""
    contents, own = second.contents(benchmark), first.pairs(benchmark)
    shared = [pair for pair in own if pair.id in contents]
    common = [pair for pair in shared if contents[pair.id] == _digest(pair)]
    if not common:
        return None
    found = PairSet(
        common=len(common),
        prompts=len({pair.group for pair in common}),
        expected=max(first.expected[benchmark], second.expected[benchmark]),
        only_first=len(own) - len(shared),
        only_second=len(contents) - len(shared),
        changed=len(shared) - len(common),
    )
    return Joined(found, first.outcomes(benchmark, common), second.outcomes(benchmark, common))


def flips(benchmark: str, first: Side, second: Side, joined: Joined) -> Iterator[Flip]:
    """The pairs on which the judges differ."""
    for before, after in zip(joined.first, joined.second, strict=True):
        was, now = before.score(), after.score()
        if was != now:
            where = address(first, second, benchmark, before.pair.id)
            yield Flip(pair_id=before.pair.id, first=was, second=now, address=where)


def address(first: Side, second: Side, benchmark: str, pair_id: str) -> str:
    """Where the page of `rmr1 view` has a pair, the second side's judgments above the first's."""
    place = (second.run.folder.name, second.evaluation.name, benchmark, pair_id)
    against = f"{first.run.folder.name}\n{first.evaluation.name}"
    return f"#{'/'.join(quote(part, safe='') for part in place)}?against={quote(against, safe='')}"


def _digest(pair: Pair) -> bytes:
    texts = msgspec.json.encode((pair.prompt, pair.chosen, pair.rejected))
    return hashlib.sha256(texts).digest()
