"""Requests of many threads and coroutines, asked of one engine that works on them together.

An engine answers what one iterator gives it. Here one thread drives the engine, with an iterator
that new requests come to while others are answered, so whoever asks shares the engine's batches.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from rmr1_core.components import EngineSession, LiveRequests
from rmr1_core.errors import EngineFailed, NotAnswered, Rmr1Error
from rmr1_core.values import Comparison, Completion, Message, Request, RequestFailed, Sampling


class _Asked(NamedTuple):
    request: Request
    future: Future[Completion]


class Dispatcher:
    """Drives an engine's session until it is closed; the session stays its owner's to close.

    All methods may be called from any thread.
    """

    def __init__(self, session: EngineSession) -> None:
        self._session = session
        self._numbers = itertools.count()
        self._waiting: deque[_Asked] = deque()
        self._under_way: dict[str, _Asked] = {}
        self._change = threading.Condition()
        self._closed = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="rmr1-dispatcher", daemon=True)
        self._thread.start()

    def submit(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        comparison: Comparison | None = None,
    ) -> Future[Completion]:
        """Ask; the future has the completion, or raises why there is none.

        Cancelling the future while it waits drops the request. One that is under way is answered,
        and its answer thrown away.

        Raises:
            EngineFailed: the engine is gone, or closed. The future may raise it, too, and
                NotAnswered for this one request.
        """
        future: Future[Completion] = Future()
        with self._change:
            if self._failure is not None:
                raise _again(self._failure)
            if self._closed:
                raise EngineFailed("the engine is closed")
            request = Request(
                id=str(next(self._numbers)),
                messages=tuple(messages),
                sampling=sampling,
                comparison=comparison,
            )
            self._waiting.append(_Asked(request, future))
            self._change.notify_all()
        return future

    @property
    def queued(self) -> int:
        """How many requests wait or are under way."""
        with self._change:
            return len(self._waiting) + len(self._under_way)

    @property
    def failure(self) -> BaseException | None:
        """Why the engine is gone; None while it works."""
        return self._failure

    def close(self, *, finish: bool = True) -> None:
        """Take no more requests, and end the thread: after all is answered, or with what waits
        cancelled. What is under way is waited for in any case."""
        with self._change:
            self._closed = True
            dropped = [] if finish else [*self._waiting]
            if not finish:
                self._waiting.clear()
            self._change.notify_all()
        for asked in dropped:
            asked.future.cancel()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _work(self) -> None:
        while self._is_needed():
            try:
                for answer in self._session.generate(_Live(self)):
                    with self._change:
                        asked = self._under_way.pop(answer.id, None)
                    if asked is not None:
                        _settle(asked.future, answer.result)
                self._fail_rest(EngineFailed("the engine gave no answer"))
            except BaseException as error:  # whoever waits has to hear of it
                self._end(error)

    def _is_needed(self) -> bool:
        """Wait until there is something to ask; whether there is."""
        with self._change:
            while not self._waiting and not self._closed:
                self._change.wait()
            return bool(self._waiting)

    def next_request(self) -> Request | None:
        """The next request to ask, if any waits; for the engine's iterator."""
        with self._change:
            while self._waiting:
                asked = self._waiting.popleft()
                if asked.future.set_running_or_notify_cancel():
                    self._under_way[asked.request.id] = asked
                    return asked.request
        return None

    def _fail_rest(self, error: Exception) -> None:
        """Nobody is left waiting for an answer that an engine forgot."""
        with self._change:
            left = [*self._under_way.values()]
            self._under_way.clear()
        for asked in left:
            asked.future.set_exception(error)

    def _end(self, error: BaseException) -> None:
        with self._change:
            self._failure, self._closed = error, True
            waiting = [*self._waiting]
            self._waiting.clear()
        for asked in waiting:
            if asked.future.set_running_or_notify_cancel():
                asked.future.set_exception(_again(error))
        self._fail_rest(_again(error))


class _Live(LiveRequests):
    """What waits now, and what comes while the engine works."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def __next__(self) -> Request:
        request = self._dispatcher.next_request()
        if request is None:
            raise StopIteration
        return request


def _settle(future: Future[Completion], result: Completion | RequestFailed) -> None:
    if isinstance(result, RequestFailed):
        future.set_exception(NotAnswered(result.error))
    else:
        future.set_result(result)


def _again(error: BaseException) -> Exception:
    """The failure, for one of those who wait: an exception of its own, with a traceback of its own.

    One of the project's is told as it is; all else is a bug, and keeps its cause.
    """
    if isinstance(error, Rmr1Error):
        return EngineFailed(str(error))
    failed = EngineFailed(f"the engine ended with {error!r}")
    failed.__cause__ = error
    return failed


async def all_of(coming: Iterable[Any]) -> list[Any]:
    """What all coroutines give; when one fails, the others are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in coming]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
