"""A tournament of answers as it goes on: which matches come next, and where the answers stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rmr1_core.decisions import Compared, Decision, Ranking
from rmr1_core.errors import UsageError
from rmr1_core.ranking import Match, Method, Schedule, Strength, ranked, schedule, strengths

Pairs = Sequence[tuple[int, int]]


class Tournament:
    """Answers, and references with their log-strengths, that are compared by a method.

    Raises:
        UsageError: there is nothing to compare, or too much was asked of win rates.
    """

    def __init__(
        self, answers: Sequence[str], references: Sequence[str] | Mapping[str, float],
        method: Method, strength: Strength, rounds: int | None, seed: int,
    ) -> None:  # fmt: skip
        known = references if isinstance(references, Mapping) else dict.fromkeys(references, 0.0)
        if isinstance(references, Mapping) and strength == "win-rate" and any(known.values()):
            raise UsageError("references have strengths with bradley-terry only, not with win-rate")
        self._answers, self._everybody = len(answers), [*answers, *known]
        self._strength = strength
        self._anchors = {len(answers) + k: value for k, value in enumerate(known.values())}
        self._played: list[Compared] = []
        try:
            self._schedule: Schedule = schedule(
                method, len(answers), references=len(known), rounds=rounds, seed=seed
            )
        except ValueError as error:
            raise UsageError(str(error)) from None

    def start(self) -> Pairs:
        """The first round."""
        return next(self._schedule)

    def texts(self, pair: tuple[int, int]) -> tuple[str, str]:
        """The two answers of a match."""
        return self._everybody[pair[0]], self._everybody[pair[1]]

    def went(self, pairs: Pairs, decisions: Sequence[Decision]) -> Pairs:
        """Hear how a round went; the next one, empty after the last."""
        for (i, j), decision in zip(pairs, decisions, strict=True):
            self._played.append(Compared(i=i, j=j, decision=decision))
        try:
            return self._schedule.send([decision.share for decision in decisions])
        except StopIteration:
            return []

    def ranking(self) -> Ranking:
        """Where the answers stand."""
        matches = [Match(m.i, m.j, m.decision.share) for m in self._played]
        anchors = self._anchors if self._strength == "bradley-terry" else None
        found = strengths(len(self._everybody), matches, self._strength, anchors=anchors)
        scores = found[: self._answers]
        return Ranking(
            order=tuple(ranked(scores)), scores=tuple(scores), matches=tuple(self._played)
        )
