"""The web application: the page's files and what it asks. It changes nothing.

Who may ask: with a token, whoever has it; without one, this machine, and only under its own name,
so that no other site's page can reach it by a name that leads here.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from contextlib import closing
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from rmr1_viewer import queries
from rmr1_viewer.watching import Watch

COOKIE = "rmr1_viewer"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
LOCAL = {"127.0.0.1", "localhost", "[::1]"}
Next = Callable[[Request], Awaitable[Response]]


def application(watch: Watch, token: str = "") -> FastAPI:
    """The application over what is watched; "" is no token, for this machine alone."""
    app = FastAPI(title="rmr1 view", docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def guard(request: Request, call_next: Next) -> Response:
        response = _refusal(request, token) or await call_next(request)
        response.headers.update(HEADERS)
        return response

    @app.get("/api/runs")
    def runs() -> Response:
        return _json({"indexing": watch.indexing, "version": watch.version, "runs": watch.runs})

    @app.get("/api/subsets")
    def subsets(run: str, evaluation: str) -> Response:
        with closing(watch.index.connect()) as database:
            return _json(queries.subsets(database, run, evaluation))

    @app.get("/api/list")
    def listed(request: Request) -> Response:
        with closing(watch.index.connect()) as database:
            return _json(queries.listed(database, dict(request.query_params)))

    @app.get("/api/pair")
    def pair(run: str, evaluation: str, benchmark: str, pair: str) -> Response:
        with closing(watch.index.connect()) as database:
            found = queries.shown(database, run, evaluation, benchmark, pair)
        return _json({"error": "no such pair"}, 404) if found is None else _json(found)

    @app.get("/")
    @app.get("/page/{name}")
    def page(name: str = "index.html") -> Response:
        file = resources.files("rmr1_viewer") / "page" / name
        kind = TYPES.get(name.rpartition(".")[2])
        if kind is None or "/" in name or not file.is_file():
            return PlainTextResponse("not found", 404)
        return Response(file.read_bytes(), media_type=kind)

    return app


def _refusal(request: Request, token: str) -> Response | None:
    """The answer to who may not ask; with the right token in the address, it moves to a cookie."""
    if not token:
        host = request.headers.get("host", "").rpartition(":")
        name = host[0] if host[1] and host[2].isdigit() else "".join(host)
        if name in LOCAL:
            return None
        return PlainTextResponse("this page is for this machine alone", 403)
    if _same(request.cookies.get(COOKIE, ""), token):
        return None
    if _same(request.query_params.get("token", ""), token):
        moved = RedirectResponse("/", 303)
        moved.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return moved
    return PlainTextResponse("open the address that rmr1 view printed, with its token", 401)


def _same(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(), token.encode())


def _json(value: Any, status: int = 200) -> Response:
    return Response(queries.encode(value), status, media_type="application/json")
