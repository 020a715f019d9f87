"""An endpoint on the loopback that answers, and misbehaves, as a test says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from rmr1_core import Answer, Message, Request, Sampling
from rmr1_openai import OpenAIEngine

KEY = "sk-test-3f9a8c71d2"


class Reply(NamedTuple):
    """What the endpoint sends: JSON, or bytes as they are; `cut` closes in the middle of it."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = {}
    delay: float = 0.0
    cut: bool = False


class Asked(NamedTuple):
    """What the endpoint was sent. Names of headers are in lower case; `at` is in seconds."""

    path: str
    headers: Mapping[str, str]
    body: Any
    at: float


Script = Callable[[Asked, int], Reply]
"""The reply to what was asked; the number counts how often the same body came before."""


def chat(content: Any = "hello", finish: Any = "stop", **choice: Any) -> dict[str, Any]:
    """A chat completion. `message`, `usage` and what a choice has besides can be given."""
    message = {"role": "assistant", "content": content, **choice.pop("message", {})}
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 40},
    }
    usage = choice.pop("usage", usage)
    return {
        "id": "1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, **choice}],
        **({} if usage is None else {"usage": usage}),
    }


def failure(message: str = "no", **fields: Any) -> dict[str, Any]:
    """The body of an error response."""
    return {"error": {"message": message, **fields}}


class Endpoint:
    """A running server. `asked` grows; `most_at_once` is how many requests overlapped."""

    def __init__(self, script: Script) -> None:
        self.asked: list[Asked] = []
        self.most_at_once = self._at_once = 0
        self._seen: dict[str, int] = {}
        self._lock = threading.Lock()
        self._script = script
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer._answer(self)

            do_GET = do_CONNECT = do_POST  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:
                pass  # a client that went away

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(
            target=lambda: self._server.serve_forever(poll_interval=0.01), daemon=True
        )
        self._thread.start()

    @property
    def bodies(self) -> list[Any]:
        """The bodies of all chat requests so far."""
        return [asked.body for asked in self.asked if asked.path.endswith("/chat/completions")]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        body = json.loads(content) if content else None
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(handler.path, headers, body, time.monotonic())
        with self._lock:
            number = self._seen.get(key := f"{handler.path} {content!r}", 0)
            self._seen[key] = number + 1
            self.asked.append(asked)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self._send(handler, self._script(asked, number))
        finally:
            with self._lock:
                self._at_once -= 1

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        time.sleep(reply.delay)
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        handler.send_response(reply.status)
        for name, value in {"content-type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        if reply.cut:
            handler.wfile.write(body[: len(body) // 2])
            handler.wfile.flush()
            handler.connection.shutdown(2)
            handler.close_connection = True
            return
        handler.wfile.write(body)


def ask(*urls: str, requests: Any, **options: Any) -> list[Answer]:
    engine = engine_at(*urls, **options)
    with engine.open(engine.own_backbone()) as session:
        return list(session.generate(requests))


def engine_at(*urls: str, **options: Any) -> OpenAIEngine:
    """An engine that does not wait long before it asks again."""
    settings = {"model": "judge", "retry_seconds": 0.001, "timeout_seconds": 20.0, **options}
    return OpenAIEngine(name="openai", base_url=urls, **settings)


def request(
    number: int = 0, text: str = "", *, stop: tuple[str, ...] = ("</answer>",), **sampling: Any
) -> Request:
    sampling = {"max_new_tokens": 50, "stop": stop, **sampling}
    content = text or f"question {number}"
    return Request(
        id=str(number),
        messages=(Message("system", "judge"), Message("user", content)),
        sampling=Sampling(**sampling),
    )
