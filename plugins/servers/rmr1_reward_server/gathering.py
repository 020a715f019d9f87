"""Answers that come one by one, brought together with the others to the same conversation.

Trainers such as OpenRLHF and veRL ask for the reward of one answer at a time. A judge compares, so
answers wait here until as many as the trainer samples of a prompt are there, or for some seconds,
and are then scored as one group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from rmr1_core import Message
from rmr1_core.ranking import Method, Strength

LEVEL = {"bradley-terry": 0.0, "win-rate": 0.5}
"""The score of equal answers that there is nothing else to compare with."""


class How(NamedTuple):
    """How answers are scored; see `Judge.rank`."""

    method: Method = "round-robin"
    strength: Strength = "bradley-terry"
    references: tuple[str, ...] = ()
    rounds: int | None = None


class Alone(ValueError):
    """An answer came alone, and there is nothing to compare it with."""


Conversation = tuple[Message, ...]
Score = Callable[[Conversation, Sequence[str], How], Awaitable[Sequence[float]]]


class Scored(NamedTuple):
    """The score of an answer, and how many answers its group had."""

    score: float
    group: int


async def score_group(
    score: Score, messages: Conversation, answers: Sequence[str], how: How
) -> list[float]:
    """The scores of answers to one conversation; equal answers are compared once, and get the same.

    Raises:
        Alone: there is one answer, and no reference.
    """
    different = list(dict.fromkeys(answers))
    if len(answers) == 1 and not how.references:
        raise Alone(
            "an answer came alone, and a judge compares: send the answers to a prompt together, "
            "say how many come one by one (group=8), or give a reference"
        )
    if len(different) == 1 and not how.references:
        return [LEVEL[how.strength]] * len(answers)
    found = dict(zip(different, await score(messages, different, how), strict=True))
    return [found[answer] for answer in answers]


class _Group:
    """Who waits for the scores of answers to one conversation."""

    def __init__(self) -> None:
        self.members: list[tuple[str, asyncio.Future[Scored]]] = []
        self.timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None


class Gatherer:
    """Scores answers in the groups in which they come. To be used within one event loop."""

    def __init__(self, score: Score) -> None:
        self._score = score
        self._open: dict[tuple[Conversation, How, int], _Group] = {}

    @property
    def waiting(self) -> int:
        """How many answers wait for the rest of their group."""
        return sum(len(group.members) for group in self._open.values())

    async def scored(
        self, messages: Conversation, answer: str, how: How, *, size: int, wait: float
    ) -> Scored:
        """The score of an answer among `size`, or among those that came within `wait` seconds of
        the first. Cancelling it takes the answer out; a group that nobody waits for is not scored.

        Raises:
            Alone: no other answer came, and there is no reference. And what the judge raises.
        """
        key = (messages, how, size)
        loop = asyncio.get_running_loop()
        group = self._open.get(key)
        if group is None:
            group = self._open[key] = _Group()
            group.timer = loop.call_later(wait, self._begin, key)
        member: tuple[str, asyncio.Future[Scored]] = (answer, loop.create_future())
        group.members.append(member)
        if len(group.members) >= size:
            self._begin(key)
        try:
            return await member[1]
        except asyncio.CancelledError:
            self._left(key, group, member)
            raise

    def _begin(self, key: tuple[Conversation, How, int]) -> None:
        group = self._open.pop(key)
        if group.timer is not None:
            group.timer.cancel()
        group.task = asyncio.ensure_future(self._work(key, group))

    async def _work(self, key: tuple[Conversation, How, int], group: _Group) -> None:
        messages, how, _ = key
        answers = [answer for answer, _ in group.members]
        futures = [future for _, future in group.members]
        try:
            scores = await score_group(self._score, messages, answers, how)
        except asyncio.CancelledError:
            for future in futures:
                future.cancel()
            raise
        except Exception as error:
            for future in futures:
                if not future.done():
                    future.set_exception(error)
            return
        for future, score in zip(futures, scores, strict=True):
            if not future.done():
                future.set_result(Scored(score, len(answers)))

    def _left(
        self,
        key: tuple[Conversation, How, int],
        group: _Group,
        member: tuple[str, asyncio.Future[Scored]],
    ) -> None:
        if self._open.get(key) is group:
            group.members.remove(member)
            if not group.members:
                del self._open[key]
                if group.timer is not None:
                    group.timer.cancel()
        elif group.task is not None and all(future.done() for _, future in group.members):
            group.task.cancel()
