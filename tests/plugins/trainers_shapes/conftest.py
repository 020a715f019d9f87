"""The routes for trainers on a loopback server, with a judge whose engine is a script."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from rmr1_core import Backbone, Judge, Request
from rmr1_core.assessing import JudgeParts
from rmr1_core.lookup import resolve
from rmr1_core.slots import protocol_of
from rmr1_core.testing import ScriptedEngine


def larger(request: Request) -> str:
    """Of answers that are `worth N`, the one with the larger number; the first of others."""
    first, second = ["1", "0", *re.findall(r"worth (\d+)", request.messages[-1].content)][-2:]
    return f"<answer>[[{'A' if int(first) > int(second) else 'B'}]]</answer>"


class Shapes:
    """A server with the routes, and what its judge was asked."""

    def __init__(self) -> None:
        from rmr1_reward_server.gathering import Gatherer, How
        from rmr1_reward_server.shapes import router

        self.groups: list[tuple[Any, list[str], Any]] = []
        self.judge = Judge.of(
            JudgeParts(
                engine=ScriptedEngine(name="script", write=larger),
                backbone=Backbone(name="nobody", model=""),
                strategy=resolve("prompt", "direct"),
            ),
            protocol_of(),
        )

        async def score(messages: Any, answers: Any, how: How) -> list[float]:
            self.groups.append((messages, list(answers), how))
            return await self.judge.ascore(messages, answers, **how._asdict())

        app, gatherer = FastAPI(), Gatherer(score)
        self.waiting: Callable[[], int] = lambda: gatherer.waiting
        app.include_router(router(score, gatherer))
        config = uvicorn.Config(app, port=0, log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

        @app.post("/v1/score")
        async def group(asked: dict[str, Any]) -> dict[str, list[float]]:
            how = How(references=tuple(asked.get("references", ())))
            return {"scores": await score(asked["messages"], asked["answers"], how)}

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self.judge.close()


@pytest.fixture
def shapes() -> Iterator[Shapes]:
    """A running server with the routes."""
    server = Shapes()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def nobodys_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests keeps their server and token out of them."""
    monkeypatch.delenv("RMR1_TOKEN", raising=False)
    monkeypatch.delenv("RMR1_URL", raising=False)
