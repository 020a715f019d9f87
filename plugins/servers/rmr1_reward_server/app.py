"""The reward server: comparisons, rankings and scores of a judge over HTTP.

What is too much at a time is refused with 429, so that clients wait instead of timing out; requests
that wait for the rest of their group do not count. Everything but `/health` needs the token where
there is one.
"""

from __future__ import annotations

import asyncio
import hmac
import html
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from rmr1_core.conversations import conversation
from rmr1_core.errors import NotAnswered, Rmr1Error, UsageError
from rmr1_core.judge import Judge
from rmr1_reward_server.bodies import Compare, Compared, Rank, Ranked, Scores
from rmr1_reward_server.gathering import Conversation, Gatherer, How
from rmr1_reward_server.measures import Measures
from rmr1_reward_server.presence import while_there
from rmr1_reward_server.shapes import router

RETRY_SECONDS = 1
_OPEN_PATHS = ("/health",)


class Limits(NamedTuple):
    """What the server takes: requests that are judged at a time, bytes of one request's body, and
    seconds for one."""

    queue: int = 256
    body_bytes: int = 16 << 20
    seconds: float = 600.0


class Serving:
    """A judge with what is asked of it now."""

    def __init__(self, judge: Judge, limits: Limits) -> None:
        self.judge, self.limits, self.measures = judge, limits, Measures()
        self.under_way = 0
        self.stopping = False

    async def judged(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What the judge gives, within the limits.

        Raises:
            HTTPException: 429 when too much is asked, 503 when the engine is gone or the server
                stops, 504 after too long, 422 for what cannot be judged, 502 when it failed.
        """
        if self.stopping or self.under_way >= self.limits.queue:
            work.close()
            if self.stopping:
                raise HTTPException(503, "the server is stopping")
            self.measures.refused.inc()
            wait = {"Retry-After": str(RETRY_SECONDS)}
            raise HTTPException(429, "too many requests are under way; ask again later", wait)
        self.under_way += 1
        self.measures.under_way.set(self.under_way)
        try:
            return await asyncio.wait_for(work, self.limits.seconds)
        except TimeoutError:
            raise HTTPException(504, f"not judged within {self.limits.seconds:g} s") from None
        except UsageError as error:
            raise HTTPException(422, str(error)) from None
        except NotAnswered as error:
            raise HTTPException(502, str(error)) from None
        except Rmr1Error as error:
            raise HTTPException(503, str(error)) from None
        finally:
            self.under_way -= 1
            self.measures.under_way.set(self.under_way)

    async def rank(self, messages: Conversation | str | Sequence[Any], answers: Sequence[str],
                   how: How | dict[str, Any]) -> Any:  # fmt: skip
        """A ranking, counted."""
        options = how._asdict() if isinstance(how, How) else how
        ranking = await self.judged(self.judge.arank(messages, answers, **options))
        for match in ranking.matches:
            self.measures.count(match.decision)
        return ranking


def application(judge: Judge, *, token: str = "", limits: Limits = Limits()) -> FastAPI:  # noqa: B008
    """The server's application, whose judge is open already."""
    serving = Serving(judge, limits)
    app = FastAPI(
        title="rmr1 reward server",
        description="A pairwise judge as comparisons, rankings, and scalar rewards.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.serving = serving
    _guard(app, serving, token)
    _judging_routes(app, serving)
    _state_routes(app, serving)

    async def score(messages: Conversation, answers: Sequence[str], how: How) -> Sequence[float]:
        scores: Sequence[float] = (await serving.rank(messages, answers, how)).scores
        return scores

    app.include_router(router(score, Gatherer(score)))
    return app


def _judging_routes(app: FastAPI, serving: Serving) -> None:
    @app.post("/v1/compare", tags=["judging"])
    async def compare(asked: Compare, request: Request) -> Compared:
        """Which of two answers is better, with what the judge wrote."""
        messages = _conversation(asked.messages)
        work = serving.judged(serving.judge.acompare(messages, asked.a, asked.b))
        decision = await while_there(request, work)
        serving.measures.count(decision)
        return Compared.of(decision)

    @app.post("/v1/rank", tags=["judging"])
    async def rank(asked: Rank, request: Request) -> Ranked:
        """In what order answers to one conversation stand."""
        work = serving.rank(_conversation(asked.messages), asked.answers, asked.how())
        return Ranked.of(await while_there(request, work))

    @app.post("/v1/score", tags=["judging"])
    async def score(asked: Rank, request: Request) -> Scores:
        """A scalar reward for each answer to one conversation, the higher the better."""
        work = serving.rank(_conversation(asked.messages), asked.answers, asked.how())
        ranking = await while_there(request, work)
        return Scores(scores=list(ranking.scores), comparisons=len(ranking.matches))


def _state_routes(app: FastAPI, serving: Serving) -> None:
    @app.get("/health", tags=["state"])
    async def health() -> dict[str, str]:
        """Whether the server runs."""
        return {"status": "ok", "judge": serving.judge.parts.backbone.name}

    @app.get("/ready", tags=["state"])
    async def ready() -> dict[str, str]:
        """Whether it can judge; 503 when its engine is gone, or when it stops."""
        failure = serving.judge.open().failure
        if failure is not None or serving.stopping:
            raise HTTPException(503, str(failure or "the server is stopping"))
        return {"status": "ready"}

    @app.get("/metrics", tags=["state"])
    async def metrics() -> Response:
        """What was asked and judged, for Prometheus."""
        text = generate_latest(serving.measures.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        """What can be asked; `/openapi.json` has all of it."""
        return HTMLResponse(_page(app.openapi()))


def _guard(app: FastAPI, serving: Serving, token: str) -> None:
    """Refuse who has no token and what is too long, and measure the rest."""

    @app.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        path = request.url.path
        if token and path not in _OPEN_PATHS and not _knows(request, token):
            detail = "send the server's token: Authorization: Bearer …"
            return JSONResponse({"detail": detail}, 401, {"WWW-Authenticate": "Bearer"})
        length = request.headers.get("content-length", "")
        if request.method == "POST" and not length.isdigit():
            return JSONResponse({"detail": "say how long the body is: Content-Length"}, 411)
        if length and int(length) > serving.limits.body_bytes:
            most = serving.limits.body_bytes
            return JSONResponse({"detail": f"a request may have {most:,} bytes at most"}, 413)
        with serving.measures.timed(path) as outcome:
            response = await go_on(request)
            outcome.append(response.status_code)
        return response


def _knows(request: Request, token: str) -> bool:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode())


def _conversation(messages: str | list[dict[str, str]]) -> Conversation:
    try:
        return conversation(messages)
    except UsageError as error:
        raise HTTPException(422, str(error)) from None


def _page(schema: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(method.upper())}</td><td><code>{html.escape(path)}</code></td>"
        f"<td>{html.escape(route.get('description', ''))}</td></tr>"
        for path, methods in schema["paths"].items()
        for method, route in methods.items()
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
        'content="width=device-width"><title>rmr1 reward server</title><style>:root{color-scheme:'
        "light dark}body{font:16px system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "td{padding:.4rem .8rem .4rem 0;vertical-align:top}</style><h1>rmr1 reward server</h1>"
        "<p>Requests and answers in full: <a href=openapi.json>openapi.json</a></p>"
        f"<table>{rows}</table></html>"
    )
