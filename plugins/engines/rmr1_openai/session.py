"""The engine opened: requests are taken as places become free, answers come as they finish.

The iterator and the account live in the caller's thread, everything that waits in one event loop in
a thread of its own, and a queue leads back. Leaving early cancels what is under way.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType

import openai

from rmr1_core import Answer, Completion, EngineSession, LiveRequests, Request, RequestFailed
from rmr1_core.errors import EngineFailed, UsageError
from rmr1_openai import OpenAIEngine
from rmr1_openai.asking import Asked, Asker
from rmr1_openai.pricing import Account, price_of
from rmr1_openai.secret import Secret, key_in

_CLOSING_SECONDS = 10.0
_HOPELESS = 100
"""So many failed requests, and not one answer, mean that none will be answered."""


class OpenAISession(EngineSession):
    """One model behind some base URLs."""

    def __init__(self, engine: OpenAIEngine, model: str) -> None:
        if not model:
            raise UsageError("engine 'openai': say which model is asked: --model NAME")
        self._engine, self._model = engine, model
        self._secret = Secret(key_in(engine.api_key_env))
        price = price_of(engine.prices, model, needed=engine.max_cost > 0)
        self._priced = price is not None
        self._account = Account(price, engine.max_cost)
        self._counts: Counter[str] = Counter()

    @property
    def facts(self) -> Mapping[str, str]:
        """Who was asked, and what that took since this session began: the journal has it all."""
        counts = self._counts
        tokens = f"{counts['in']} tokens in ({counts['cached']} cached), {counts['out']} out"
        spent = f", ${self._account.spent:.4f} spent" if self._priced else ""
        return {
            "openai": openai.__version__,
            "model": self._model,
            "base URLs": ", ".join(self._engine.base_url),
            "since the last start": f"{tokens}, {counts['retries']} retries{spent}",
        }

    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request, each as soon as it is finished.

        Raises:
            EngineFailed: the endpoint cannot be used, or the money is spent.
        """
        waiting = _Waiting(iter(requests), self._account)
        try:
            with _Loop(Asker(self._engine, self._model, self._secret, self._account)) as loop:
                look = requests.LOOK_SECONDS if isinstance(requests, LiveRequests) else None
                yield from self._answers(waiting, loop, look)
        finally:
            self._account.abandon()
        if waiting.unaffordable is not None:
            raise EngineFailed(self._account.exhausted(waiting.unaffordable))

    def _answers(self, waiting: _Waiting, loop: _Loop, look: float | None) -> Iterator[Answer]:
        under_way = loop.ask(waiting.take(self._engine.max_concurrency))
        while under_way:
            finished = loop.finished(look)
            answers = [self._answer(asked) for asked in finished]
            failures = [a.result for a in finished if isinstance(a.result, EngineFailed)]
            failures += self._hopeless(finished)
            under_way -= len(finished)
            if not failures:  # free places do not wait for the caller
                under_way += loop.ask(waiting.take(self._engine.max_concurrency - under_way))
            yield from (answer for answer in answers if answer)
            if failures:
                raise failures[0]

    def _hopeless(self, finished: Sequence[Asked]) -> list[EngineFailed]:
        """The end of a session in which nothing succeeds; nothing where there is hope."""
        failed = [asked.result for asked in finished if isinstance(asked.result, RequestFailed)]
        if not failed or self._counts["answered"] or self._counts["failed"] < _HOPELESS:
            return []
        return [
            EngineFailed(
                f"none of {self._counts['failed']} requests was answered, the last because: "
                f"{failed[-1].error}; check --base-url and --model, and go on with: "
                "rmr1 bench --resume last"
            )
        ]

    def _answer(self, asked: Asked) -> Answer | None:
        self._counts["retries"] += asked.retries
        self._counts["failed"] += isinstance(asked.result, RequestFailed)
        self._counts["answered"] += isinstance(asked.result, Completion)
        completion = asked.result if isinstance(asked.result, Completion) else None
        completion = self._account.settle(asked.request, completion)
        if completion is not None:
            self._counts["in"] += completion.prompt_tokens
            self._counts["cached"] += completion.cached_tokens
            self._counts["out"] += completion.completion_tokens
            return Answer(id=asked.request.id, result=completion)
        if isinstance(asked.result, EngineFailed | Completion):
            return None
        return Answer(id=asked.request.id, result=asked.result)


class _Waiting:
    """The requests that are still to be asked, one of which may wait for money."""

    def __init__(self, requests: Iterator[Request], account: Account) -> None:
        self._requests, self._account = requests, account
        self._next: Request | None = None

    @property
    def unaffordable(self) -> Request | None:
        """The request that the account does not admit, if there is one."""
        return self._next

    def take(self, most: int) -> list[Request]:
        """As many as there are places and money for."""
        taken: list[Request] = []
        while len(taken) < most:
            self._next = self._next or next(self._requests, None)
            if self._next is None or not self._account.admits(self._next):
                break
            taken.append(self._next)
            self._next = None
        return taken


class _Loop:
    """An event loop in a thread; its results come out of a queue."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._results: queue.SimpleQueue[Asked | BaseException] = queue.SimpleQueue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready, self._is_open = threading.Event(), False
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run()), name="rmr1-openai", daemon=True
        )

    def __enter__(self) -> _Loop:
        self._thread.start()
        self._ready.wait()
        if not self._is_open:
            self.finished()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        with suppress(RuntimeError):  # it is over already
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(_CLOSING_SECONDS)

    def ask(self, requests: Sequence[Request]) -> int:
        """Start asking these; how many they are."""
        if requests:
            self._loop.call_soon_threadsafe(self._start, requests)
        return len(requests)

    def finished(self, wait: float | None = None) -> list[Asked]:
        """What has finished since the last time; waits for one, or at most so many seconds. What
        failed in the loop itself is raised."""
        results: list[Asked | BaseException] = []
        with suppress(queue.Empty):
            results.append(self._results.get(timeout=wait))
            while True:
                results.append(self._results.get_nowait())
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return [result for result in results if isinstance(result, Asked)]

    async def _run(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with self._asker:
                self._is_open = True
                self._ready.set()
                await self._over.wait()
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
        except Exception as error:  # which is told in the caller's thread
            self._results.put(error)
        finally:
            self._ready.set()

    def _start(self, requests: Sequence[Request]) -> None:
        for request in requests:
            task = self._loop.create_task(self._one(request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _one(self, request: Request) -> None:
        try:
            self._results.put(await self._asker.ask(request))
        except Exception as error:  # a bug, which is told in the caller's thread
            self._results.put(error)
