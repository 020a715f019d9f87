"""Budgets a minute, on a clock that jumps."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any

from openai_endpoint import Reply, ask, chat, failure, request

from rmr1_openai.limits import Budget, Rates


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


def test_what_waits_for_tokens_saves_up_no_requests() -> None:
    """A request of a minute's tokens is followed by small ones at their own rate, not at once."""

    async def large_then_small() -> None:
        rates, sent = Rates(60, 6000), []

        async def send() -> None:
            sent.append(asyncio.get_running_loop().time())

        await asyncio.gather(*(rates.passed(tokens, send) for tokens in [6000, *[1] * 60]))
        assert all(later - earlier >= 0.9 for earlier, later in pairwise(sent[1:]))

    seconds(large_then_small())


def test_what_a_server_does_not_count_is_estimated(serve: Any) -> None:
    """Else a limit of tokens would be none, where the server counts nothing."""
    endpoint = serve(lambda *_: Reply(chat("y" * 4000, usage=None)))
    asked = [request(n, text=f"{n}" + "x" * 399, max_new_tokens=1000) for n in range(4)]
    ask(endpoint.url, requests=asked, tokens_per_minute=120_000, max_concurrency=1)
    first, *_, last = (seen.at for seen in endpoint.asked)
    assert last - first >= (3 * 1100 - 2000) / 2000


def test_a_server_that_wants_to_rest_gets_nothing_that_waited_for_the_limit(serve: Any) -> None:
    def script(_: Any, number: int) -> Reply:
        busy = len(endpoint.asked) == 1 and not number
        return Reply(failure("busy"), 429, {"retry-after-ms": "1500"}) if busy else Reply(chat())

    endpoint = serve(script)
    asked = [request(n) for n in range(2)]
    answers = ask(endpoint.url, requests=asked, requests_per_minute=60)
    first, *others = (seen.at for seen in endpoint.asked)
    assert len(answers) == len(others) == 2
    assert all(at - first >= 1.4 for at in others)
