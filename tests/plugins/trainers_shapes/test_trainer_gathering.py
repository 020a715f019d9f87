"""Answers that come one by one are scored with the others to their conversation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmr1_core import Message
from rmr1_reward_server.gathering import Alone, Gatherer, How

HELLO, BYE = (Message("user", "hello"),), (Message("user", "bye"),)


class Lengths:
    """Scores answers by their length, and keeps what was asked."""

    def __init__(self, *, seconds: float = 0.0) -> None:
        self.asked: list[list[str]] = []
        self.cancelled = 0
        self._seconds = seconds

    async def __call__(self, messages: Any, answers: Any, how: How) -> list[float]:
        self.asked.append(list(answers))
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return [float(len(answer)) for answer in answers]


def one(gatherer: Gatherer, answer: str, *, size: int, messages: Any = HELLO, wait: float = 60.0):
    how = How()
    return asyncio.ensure_future(gatherer.scored(messages, answer, how, size=size, wait=wait))


def test_a_group_that_is_full_is_scored_at_once():
    async def work(score: Lengths) -> list[Any]:
        gatherer = Gatherer(score)
        return await asyncio.gather(*(one(gatherer, "x" * n, size=3) for n in (1, 2, 3)))

    score = Lengths()
    assert asyncio.run(work(score)) == [(1.0, 3), (2.0, 3), (3.0, 3)]
    assert score.asked == [["x", "xx", "xxx"]]


def test_a_group_that_stays_incomplete_is_scored_after_a_while():
    async def work(score: Lengths) -> list[Any]:
        gatherer = Gatherer(score)
        return await asyncio.gather(*(one(gatherer, "x" * n, size=8, wait=0.01) for n in (1, 2)))

    assert asyncio.run(work(Lengths())) == [(1.0, 2), (2.0, 2)]


def test_an_answer_that_stays_alone_has_no_score():
    async def work() -> None:
        await one(Gatherer(Lengths()), "x", size=8, wait=0.01)

    with pytest.raises(Alone, match="came alone"):
        asyncio.run(work())


def test_equal_answers_are_compared_once_and_have_the_same_score():
    async def work(score: Lengths) -> list[Any]:
        gatherer = Gatherer(score)
        return await asyncio.gather(*(one(gatherer, x, size=3) for x in ("a", "bb", "a")))

    score = Lengths()
    assert asyncio.run(work(score)) == [(1.0, 3), (2.0, 3), (1.0, 3)]
    assert score.asked == [["a", "bb"]]


def test_answers_that_are_all_equal_need_no_judge():
    async def work(score: Lengths) -> list[Any]:
        gatherer = Gatherer(score)
        return await asyncio.gather(*(one(gatherer, "same", size=2) for _ in range(2)))

    score = Lengths()
    assert asyncio.run(work(score)) == [(0.0, 2), (0.0, 2)]
    assert score.asked == []


def test_who_goes_away_leaves_the_group():
    async def work(score: Lengths) -> list[Any]:
        gatherer = Gatherer(score)
        gone, first = one(gatherer, "gone", size=2), one(gatherer, "x", size=3)
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        assert gatherer.waiting == 1
        rest = [one(gatherer, "x" * n, size=3) for n in (2, 3)]
        return await asyncio.gather(first, *rest)

    score = Lengths()
    assert len(asyncio.run(work(score))) == 3
    assert score.asked == [["x", "xx", "xxx"]]


def test_a_group_that_nobody_waits_for_is_no_longer_judged():
    async def work(score: Lengths) -> None:
        gatherer = Gatherer(score)
        all_of_them = [one(gatherer, "x" * n, size=2) for n in (1, 2)]
        await asyncio.sleep(0.01)
        for member in all_of_them:
            member.cancel()
        await asyncio.gather(*all_of_them, return_exceptions=True)
        await asyncio.sleep(0.01)
        assert gatherer.waiting == 0

    score = Lengths(seconds=60.0)
    asyncio.run(work(score))
    assert score.cancelled == 1


def test_what_the_judge_raises_is_raised_to_everybody_who_waits():
    async def fails(*_: Any) -> list[float]:
        raise RuntimeError("no judge")

    async def work() -> list[Any]:
        gatherer = Gatherer(fails)
        coming = (one(gatherer, "x" * n, size=2) for n in (1, 2))
        return await asyncio.gather(*coming, return_exceptions=True)

    assert [str(error) for error in asyncio.run(work())] == ["no judge", "no judge"]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=30), st.integers(2, 5))
def test_nobody_is_lost_and_groups_never_mix_conversations(arrivals, size):
    async def work(score: Lengths) -> list[Any]:
        gatherer = Gatherer(score)
        coming = [
            one(gatherer, f"{'h' if hello else 'b'}{'x' * n}", size=size, wait=0.002,
                messages=HELLO if hello else BYE)
            for hello, n in arrivals
        ]  # fmt: skip
        return await asyncio.gather(*coming, return_exceptions=True)

    score = Lengths()
    found = asyncio.run(work(score))
    assert len(found) == len(arrivals)
    assert all(isinstance(x, Alone) or x.group <= size for x in found)
    assert all(len({answer[0] for answer in group}) == 1 for group in score.asked)
