"""Budgets a minute, on a clock that jumps."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

from openai_endpoint import Reply, ask, chat, request

from rmr1_openai.limits import Budget


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop that does not wait: its clock goes to the next event."""

    def __init__(self) -> None:
        self.now = 1000.0
        loop = self

        class Selector(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> Any:
                loop.now += timeout or 0
                return super().select(0)

        super().__init__(Selector())

    def time(self) -> float:
        return self.now


def seconds(work: Coroutine[Any, Any, None]) -> float:
    """How long something takes on that clock."""
    loop = JumpingLoop()
    try:
        loop.run_until_complete(work)
        return loop.now - 1000
    finally:
        loop.close()


async def take(budget: Budget, *amounts: float) -> None:
    await asyncio.gather(*(budget.take(amount) for amount in amounts))


def test_no_minute_has_more_than_its_budget_and_a_seconds_worth() -> None:
    assert 59 <= seconds(take(Budget(600), *[1] * 600)) <= 61
    assert 119 <= seconds(take(Budget(600), *[1] * 1200)) <= 121


def test_a_large_amount_is_owed() -> None:
    async def large_then_small() -> None:
        budget = Budget(60)
        await budget.take(30)
        await budget.take(1)

    assert 29 <= seconds(large_then_small()) <= 31


def test_what_was_not_used_is_there_for_the_next() -> None:
    async def half_used() -> None:
        budget = Budget(60)
        await budget.take(30)
        waiting = asyncio.create_task(budget.take(1))
        await asyncio.sleep(1)
        budget.give_back(30)
        await waiting

    assert 1 <= seconds(half_used()) <= 2


def test_a_quiet_minute_saves_nothing_up() -> None:
    async def after_a_rest() -> None:
        budget = Budget(60)
        await budget.take(1)
        await asyncio.sleep(600)
        await take(budget, *[1] * 10)

    assert seconds(after_a_rest()) >= 600 + 8


def test_nothing_waits_without_a_limit() -> None:
    assert seconds(take(Budget(0), *[1e9] * 1000)) == 0


def test_limits_are_heeded_and_corrected_by_what_was_used(serve: Any) -> None:
    """Ten answers of 8,192 tokens at most would take most of a minute; they are of 10 tokens."""
    endpoint = serve(lambda *_: Reply(chat(usage={"prompt_tokens": 5, "completion_tokens": 10})))
    asked = [request(n, max_new_tokens=8192) for n in range(10)]
    limits = {"tokens_per_minute": 100_000, "requests_per_minute": 60_000, "max_concurrency": 1}
    assert len(ask(endpoint.url, requests=asked, **limits)) == 10
