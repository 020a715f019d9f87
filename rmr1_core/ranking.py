"""From comparisons of two to an order of many, and to a number for each: tournaments.

A schedule is a generator: it yields rounds of pairs (i, j), and is sent for each pair the share of
it that i won, in [0, 1]; 0.5 is a tie. The matches of a round do not depend on one another, so they
can be judged at the same time.

Strengths are win rates, or the log-strengths of Bradley and Terry (1952), for which the odds that i
beats j are exp(θi - θj). Maximum likelihood puts an answer that won everything at infinity, so each
answer also plays `prior` virtual matches, half won, against one of average strength; that is the
Gamma prior of Caron and Doucet (2012) in another form, and keeps every group finite.
"""

from __future__ import annotations

import math
import random
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

Schedule = Generator[list[tuple[int, int]], list[float], None]
Method = Literal["round-robin", "swiss", "reference"]
Strength = Literal["bradley-terry", "win-rate"]

PRIOR = 1.0
"""Virtual matches of each answer in Bradley-Terry."""

_STEPS = 100
_CLOSE = 1e-10


class Match(NamedTuple):
    """A comparison of answers i and j, of which i won `share`."""

    i: int
    j: int
    share: float


def schedule(
    method: Method, count: int, *, references: int = 0, rounds: int | None = None, seed: int = 0
) -> Schedule:
    """The matches of `count` answers, then of `references` more to compare them with.

    "round-robin" compares every answer with every other one and every reference; "swiss" compares
    in `rounds` rounds those that did equally well so far; "reference" compares every answer with
    every reference, and no two answers.

    Raises:
        ValueError: there is nothing to compare.
    """
    if number_of_matches(method, count, references=references, rounds=rounds) < 1:
        needed = "a reference" if method == "reference" else "two answers, or one and a reference"
        raise ValueError(f"{method} needs {needed}")
    if method == "swiss":
        return _swiss(count + references, rounds or swiss_rounds(count + references), seed)
    return _at_once(method, count, references)


def number_of_matches(
    method: Method, count: int, *, references: int = 0, rounds: int | None = None
) -> int:
    """How many comparisons a tournament takes at most."""
    if method == "swiss":
        everybody = count + references
        most = everybody * (everybody - 1) // 2
        return min(most, (rounds or swiss_rounds(everybody)) * (everybody // 2))
    among = count * (count - 1) // 2 if method == "round-robin" else 0
    return among + count * references


def swiss_rounds(count: int) -> int:
    """Rounds after which a Swiss tournament has told the best from the rest, and one more."""
    return math.ceil(math.log2(count)) + 1 if count > 1 else 0


def strengths(
    count: int,
    matches: Iterable[Match],
    strength: Strength = "bradley-terry",
    *,
    anchors: Mapping[int, float] | None = None,
    prior: float = PRIOR,
) -> list[float]:
    """A number for each of `count` answers: the higher, the better.

    "win-rate" is the mean share of an answer's matches, in [0, 1], and 0.5 without any.
    "bradley-terry" is a log-strength with mean 0 over the group. `anchors` are answers whose
    log-strength is known: they stay at it, so numbers of groups that share them can be compared.

    Raises:
        ValueError: anchors go with Bradley-Terry only.
    """
    played = list(matches)
    if strength == "win-rate":
        if anchors:
            raise ValueError("anchors fix the scale of bradley-terry; win rates have none")
        return _win_rates(count, played)
    return _bradley_terry(count, played, dict(anchors or {}), prior)


def ranked(numbers: Sequence[float]) -> list[int]:
    """The places of the numbers, the highest first; equal ones in their order."""
    return sorted(range(len(numbers)), key=lambda place: -numbers[place])


def _at_once(method: Method, count: int, references: int) -> Schedule:
    pairs = [(i, count + k) for i in range(count) for k in range(references)]
    if method == "round-robin":
        pairs += [(i, j) for i in range(count) for j in range(i + 1, count)]
    yield pairs


def _swiss(count: int, rounds: int, seed: int) -> Schedule:
    lots = list(range(count))
    random.Random(seed).shuffle(lots)
    points = [0.0] * count
    met: set[tuple[int, int]] = set()
    rested: set[int] = set()
    for _ in range(rounds):
        waiting = sorted(lots, key=lambda i: -points[i])
        if len(waiting) % 2:
            out = next((i for i in reversed(waiting) if i not in rested), waiting[-1])
            rested.add(out)
            waiting.remove(out)
            points[out] += 0.5
        pairs = _not_met(waiting, met)
        if not pairs:
            return
        met |= {_key(i, j) for i, j in pairs}
        shares = yield pairs
        for (i, j), share in zip(pairs, shares, strict=True):
            points[i] += share
            points[j] += 1 - share


def _not_met(waiting: list[int], met: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbours in the table who have not met yet; who has met everybody left, rests."""
    pairs, left = [], list(waiting)
    while left:
        first = left.pop(0)
        other = next((i for i in left if _key(first, i) not in met), None)
        if other is not None:
            left.remove(other)
            pairs.append((first, other))
    return pairs


def _key(i: int, j: int) -> tuple[int, int]:
    return min(i, j), max(i, j)


def _win_rates(count: int, matches: Sequence[Match]) -> list[float]:
    won, played = [0.0] * count, [0] * count
    for i, j, share in matches:
        won[i] += share
        won[j] += 1 - share
        played[i] += 1
        played[j] += 1
    return [w / n if n else 0.5 for w, n in zip(won, played, strict=True)]


def _bradley_terry(
    count: int, matches: Sequence[Match], anchors: Mapping[int, float], prior: float
) -> list[float]:
    """The maximum of the likelihood with the virtual matches, which is concave, by Newton's
    method with halved steps."""
    import numpy as np

    centre = math.fsum(anchors.values()) / len(anchors) if anchors else 0.0
    theta = np.array([anchors.get(place, centre) for place in range(count)])
    free = np.array([place for place in range(count) if place not in anchors], dtype=int)
    played = _Played(matches, free, centre, prior)
    for _ in range(_STEPS if len(free) else 0):
        step, now, scale = played.step(theta), played.loss(theta), 1.0
        while played.loss(theta + scale * step) > now and scale > _CLOSE:
            scale /= 2
        theta = theta + scale * step
        if np.abs(scale * step).max() < _CLOSE:
            break
    if not anchors:
        theta = theta - theta.mean()
    return [float(value) for value in theta]


class _Played:
    """Matches as arrays: the negative log-likelihood of log-strengths, and the step to less."""

    def __init__(self, matches: Sequence[Match], free: Any, centre: float, prior: float) -> None:
        import numpy as np

        self._np, self._free, self._centre, self._prior = np, free, centre, prior
        self._i = np.array([match.i for match in matches], dtype=int)
        self._j = np.array([match.j for match in matches], dtype=int)
        self._share = np.array([match.share for match in matches], dtype=float)

    def loss(self, theta: Any) -> float:
        """What is made small: of the matches, and of the virtual ones."""
        np, share = self._np, self._share
        d, virtual = theta[self._i] - theta[self._j], theta[self._free] - self._centre
        likelihood = share * np.logaddexp(0, -d) + (1 - share) * np.logaddexp(0, d)
        pull = 0.5 * (np.logaddexp(0, -virtual) + np.logaddexp(0, virtual))
        return float(likelihood.sum() + self._prior * pull.sum())

    def step(self, theta: Any) -> Any:
        """Newton's step; 0 for those whose strength is known."""
        np, i, j, n = self._np, self._i, self._j, len(theta)
        p, q = self._logistic(theta[i] - theta[j]), self._logistic(theta - self._centre)
        gradient, hessian = self._prior * (0.5 - q), np.diag(self._prior * q * (1 - q))
        np.add.at(gradient, i, self._share - p)
        np.add.at(gradient, j, p - self._share)
        for one, other, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
            np.add.at(hessian, (one, other), sign * p * (1 - p))
        step = np.zeros(n)
        free = self._free
        step[free] = np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        return step

    def _logistic(self, x: Any) -> Any:
        return 1 / (1 + self._np.exp(-self._np.clip(x, -500, 500)))
