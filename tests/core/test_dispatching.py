from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from rmr1_core import Answer, Completion, EngineSession, Message, Request, RequestFailed, Sampling
from rmr1_core.dispatching import Dispatcher
from rmr1_core.errors import EngineFailed, NotAnswered, UsageError
from rmr1_core.testing import ScriptedSession

GREEDY = Sampling(max_new_tokens=8)


def asked(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def echo(request: Request) -> str:
    return request.messages[-1].content


class Held(EngineSession):
    """Takes in what there is, and answers once it is let go; looks for more as it works."""

    def __init__(self) -> None:
        self.go, self.taken = threading.Event(), 0

    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        source, held = iter(requests), []
        while True:
            for request in source:
                held.append(request)
                self.taken += 1
            if self.go.is_set():
                break
            time.sleep(0.001)
        for request in reversed(held):
            completion = Completion(
                text=echo(request), finish_reason="stop", prompt_tokens=1, completion_tokens=1
            )
            yield Answer(id=request.id, result=completion)


def wait_until(holds: object) -> None:
    end = time.monotonic() + 10
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.001)


def test_every_one_of_many_threads_gets_its_own_answer() -> None:
    dispatcher = Dispatcher(ScriptedSession(echo))

    def one(number: int) -> str:
        return dispatcher.submit(asked(str(number)), GREEDY).result(10).text

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(one, range(500))) == [str(n) for n in range(500)]
    dispatcher.close()


def test_requests_join_others_that_are_under_way() -> None:
    session = Held()
    dispatcher = Dispatcher(session)
    first = dispatcher.submit(asked("first"), GREEDY)
    wait_until(lambda: session.taken == 1)
    second = dispatcher.submit(asked("second"), GREEDY)
    wait_until(lambda: session.taken == 2)
    assert dispatcher.queued == 2
    session.go.set()
    assert (first.result(10).text, second.result(10).text) == ("first", "second")
    dispatcher.close()
    assert dispatcher.queued == 0


def test_a_request_that_fails_for_good_is_the_only_one_to_fail() -> None:
    def write(request: Request) -> str | RequestFailed:
        return RequestFailed(error="too rude") if echo(request) == "rude" else "fine"

    dispatcher = Dispatcher(ScriptedSession(write))
    rude = dispatcher.submit(asked("rude"), GREEDY)
    polite = dispatcher.submit(asked("polite"), GREEDY)
    with pytest.raises(NotAnswered, match="too rude"):
        rude.result(10)
    assert polite.result(10).text == "fine"
    dispatcher.close()


@pytest.mark.parametrize("error", [UsageError("the key is refused"), ZeroDivisionError("bug")])
def test_an_engine_that_dies_is_told_to_all_who_wait_and_to_all_who_come(error: Exception) -> None:
    session = Held()

    def die(requests: Iterable[Request]) -> Iterator[Answer]:
        list(requests)
        session.go.wait(10)
        raise error
        yield

    session.generate = die  # type: ignore[method-assign]
    dispatcher = Dispatcher(session)
    waiting = [dispatcher.submit(asked(str(n)), GREEDY) for n in range(3)]
    session.go.set()
    for future in waiting:
        with pytest.raises(EngineFailed, match=str(error)):
            future.result(10)
    with pytest.raises(EngineFailed, match=str(error)):
        dispatcher.submit(asked("late"), GREEDY)
    assert dispatcher.failure is error
    dispatcher.close()


def test_an_engine_that_forgets_a_request_does_not_leave_it_waiting() -> None:
    session = ScriptedSession(echo)
    session.generate = lambda requests: iter(list(requests)[:0])  # type: ignore[method-assign]
    dispatcher = Dispatcher(session)
    with pytest.raises(EngineFailed, match="no answer"):
        dispatcher.submit(asked("hello"), GREEDY).result(10)
    dispatcher.close()


def test_a_cancelled_request_is_not_asked() -> None:
    session = Held()
    dispatcher = Dispatcher(session)
    session.go.set()
    first = dispatcher.submit(asked("first"), GREEDY)
    first.result(10)
    session.go.clear()
    blocker = dispatcher.submit(asked("blocker"), GREEDY)
    wait_until(lambda: session.taken == 2)
    with dispatcher._change:  # so that it cannot be taken before it is cancelled
        future = dispatcher.submit(asked("unwanted"), GREEDY)
        assert future.cancel()
    session.go.set()
    assert blocker.result(10).text == "blocker"
    dispatcher.close()
    assert session.taken == 2


def test_closing_answers_what_waits_and_refuses_what_comes() -> None:
    session = Held()
    dispatcher = Dispatcher(session)
    waiting = [dispatcher.submit(asked(str(n)), GREEDY) for n in range(5)]
    session.go.set()
    dispatcher.close()
    assert [future.result(0).text for future in waiting] == list("01234")
    with pytest.raises(EngineFailed, match="closed"):
        dispatcher.submit(asked("late"), GREEDY)
