"""Voting that stops early: a pair in one order draws no more samples once its majority is settled.

It is settled for certain when the verdicts still to come cannot take the lead away. It is settled
with a stated confidence when that is the probability that the leading verdict is the judge's more
frequent one of the two most frequent ones so far: the Beta criterion of Adaptive-Consistency
(Aggarwal et al. 2023, "Let's Sample Step by Step", arXiv 2305.11860, section 3.2), with a uniform
prior. With confidence 1 only certainty stops a vote.

Departure: samples are asked in rounds as large as the fewest that could settle the vote, so none is
drawn that one-by-one drawing would not draw, and rounds still batch. Samples that do not parse
count as drawn and do not vote.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rmr1_core.slots import Identity, Slot
from rmr1_core.values import EvalProtocol, Judgment, Verdict

PollKey = tuple[str, str, bool]
"""Benchmark, pair's id, and whether the chosen answer comes first."""


def settled(votes: Sequence[Verdict], most: int, confidence: float) -> bool:
    """Whether the majority of these votes will do for that of `most`."""
    lead, second = _top_two(votes)
    left = most - len(votes)
    return left <= 0 or lead - second > left or doubt(lead, second) <= 1 - confidence


def certain(votes: Sequence[Verdict], most: int) -> bool:
    """Whether `most` votes that begin with these have the same majority for certain."""
    lead, second = _top_two(votes)
    left = most - len(votes)
    return left <= 0 or lead - second > left


def doubt(lead: int, second: int) -> float:
    """The probability, given the votes for the two most frequent verdicts, that the second is
    really the more frequent one: I(1/2; lead + 1, second + 1), the regularized incomplete beta
    function, which for whole numbers is a sum of binomial coefficients."""
    trials = lead + second + 1
    return sum(math.comb(trials, k) for k in range(lead + 1, trials + 1)) / (1 << trials)


def to_ask(votes: Sequence[Verdict], most: int, confidence: float) -> int:
    """The fewest further samples that could settle the vote; 0 when it is settled."""
    (leader, _), *_ = [*Counter(_voting(votes)).most_common(1), (Verdict.A, 0)]
    more = 0
    while not settled([*votes, *[leader] * more], most, confidence):
        more += 1
    return more


def agreement(votes: Sequence[Verdict], most: int) -> float:
    """How probable it is that all of `most` samples have the majority of these: the further ones
    are taken to vote for one of the two most frequent verdicts (a Beta-binomial distribution)."""
    if certain(votes, most):
        return 1.0
    lead, second = _top_two(votes)
    left = most - len(votes)
    a, b = lead + 1, second + 1
    return math.fsum(
        math.comb(left, won) * math.exp(_log_beta(won + a, left - won + b) - _log_beta(a, b))
        for won in range(left + 1)
        if lead + won > second + left - won
    )


class Polls:
    """Of every pair in every order the votes, and which samples to draw next.

    It follows from the votes alone, so that going on after a stop asks what would have been asked.
    """

    def __init__(
        self, wanted: Iterable[Slot], protocol: EvalProtocol, cast: Mapping[Identity, Verdict]
    ) -> None:
        self._most, self._confidence = protocol.samples, protocol.confidence or 1.0
        self._polls: dict[PollKey, _Poll] = {}
        for slot in wanted:
            poll = self._polls.setdefault(slot.identity[:3], _Poll())
            poll.slots.append(slot)
            if slot.identity in cast:
                poll.votes[slot.sample] = cast[slot.identity]
        self.made = sum(len(poll.votes) for poll in self._polls.values())
        self.spared = 0
        """Samples that need not be drawn any more."""
        self._first = [slot for poll in self._polls.values() for slot in self._next(poll)]

    @property
    def lacking(self) -> int:
        """How many samples may still be drawn, at most."""
        return self._most * len(self._polls) - self.made - self.spared

    def first(self) -> list[Slot]:
        """The samples to begin with."""
        return self._first

    def add(self, judgment: Judgment) -> list[Slot]:
        """Count a vote; the samples to draw since it is known."""
        poll = self._polls[judgment.benchmark, judgment.pair_id, judgment.chosen_first]
        poll.votes[judgment.sample] = judgment.verdict
        self.made += 1
        return self._next(poll)

    def _next(self, poll: _Poll) -> list[Slot]:
        while all(sample in poll.votes for sample in range(poll.asked)):
            known = [poll.votes[sample] for sample in range(poll.asked)]
            more = to_ask(known, self._most, self._confidence)
            if not more:
                self.spared += self._most - poll.asked
                return []
            new = poll.slots[poll.asked : poll.asked + more]
            poll.asked += more
            if open_ := [slot for slot in new if slot.sample not in poll.votes]:
                return open_
        return []  # others of the round are under way


class _Poll:
    """One vote: its samples in order, those that were asked, and what they said."""

    __slots__ = ("asked", "slots", "votes")

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.votes: dict[int, Verdict] = {}
        self.asked = 0


def _voting(votes: Iterable[Verdict]) -> list[Verdict]:
    return [vote for vote in votes if vote is not Verdict.UNPARSED]


def _top_two(votes: Iterable[Verdict]) -> tuple[int, int]:
    """How many votes the most frequent verdict has, and the next one."""
    counts = [count for _, count in Counter(_voting(votes)).most_common(2)]
    first, second = [*counts, 0, 0][:2]
    return first, second


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
