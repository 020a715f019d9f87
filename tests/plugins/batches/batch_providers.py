"""A server on the loopback that plays both providers' batch APIs, and misbehaves as a test says."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from rmr1_batches import BatchEngine
from rmr1_core import Answer, Message, Ref, Request, Sampling
from rmr1_core.lookup import resolve

KEY = "sk-test-3f9a8c71d2"


class Wrong(NamedTuple):
    """A request that fails in its batch."""

    status: int
    message: str


class Broken(NamedTuple):
    """What is sent in place of the reply; a status of 0 drops the connection."""

    status: int
    message: str = "no"


Judge = Callable[[str], str | Wrong | None]
"""The answer to a question; None for one that the results leave out."""


def echo(question: str) -> str:
    return f"<answer>[[A]]</answer> {question}"


class Batch:
    """A batch at the server. `polls` are left before it is over; then it is `ends`."""

    def __init__(self, name: str, requests: list[dict[str, Any]], polls: int, ends: str) -> None:
        self.name, self.requests, self.polls, self.ends = name, requests, polls, ends


class Provider:
    """A running server. `break_` is asked of every request before it is answered, with how often
    the same method and kind of path came before."""

    def __init__(self, judge: Judge = echo, polls: int = 2) -> None:
        self.judge, self.polls, self.ends = judge, polls, "completed"
        self.batches: dict[str, Batch] = {}
        self.files: dict[str, bytes] = {}
        self.headers: list[dict[str, str]] = []
        self.seen: Counter[str] = Counter()
        self.break_: Callable[[str, int], Broken | None] = lambda kind, number: None
        self.on_poll: Callable[[], None] = lambda: None
        self.on_create: Callable[[], None] = lambda: None
        self._ids = itertools.count()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer._serve(self)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:
                pass  # a client that went away

        self._server = Server(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.root}/v1"
        self._thread = threading.Thread(
            target=lambda: self._server.serve_forever(poll_interval=0.01), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def asked(self) -> list[dict[str, Any]]:
        """All requests of all batches."""
        return [request for batch in self.batches.values() for request in batch.requests]

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        parts = handler.path.removeprefix("/v1").strip("/").split("/")
        kind = self._kind(handler.command, parts)
        with self._lock:
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            broken = self.break_(kind, self.seen[kind])
            self.seen[kind] += 1
            reply: Any = None
            if broken is None or not broken.status:
                reply = self._reply(kind, parts, content, handler.headers["content-type"] or "")
        if kind == "poll":
            self.on_poll()
        if kind == "create":
            self.on_create()
        if broken is not None and not broken.status:
            handler.connection.shutdown(2)
            handler.close_connection = True
        elif broken is not None:
            self._send(handler, broken.status, {"error": {"message": broken.message}})
        elif reply is None:
            self._send(handler, 404, {"error": {"message": "no such thing"}})
        else:
            self._send(handler, 200, reply)

    @staticmethod
    def _kind(method: str, parts: list[str]) -> str:
        parts = parts[1:] if parts[0] == "messages" else parts
        match method, parts:
            case "POST", ["files"]:
                return "upload"
            case "POST", ["batches"]:
                return "create"
            case "GET", ["batches", _]:
                return "poll"
            case "GET", ["batches", _, "results"] | ["files", _, "content"]:
                return "results"
        return "other"

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, status: int, reply: Any) -> None:
        body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        handler.send_response(status)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _reply(self, kind: str, parts: list[str], content: bytes, form: str) -> Any:
        anthropic = parts[0] == "messages"
        if kind == "upload":
            return self._upload(content, form)
        if kind == "create":
            value = json.loads(content)
            if anthropic:
                requests = value["requests"]
            else:
                assert (value["endpoint"], value["completion_window"]) == (
                    "/v1/chat/completions",
                    "24h",
                )
                lines = self.files[value["input_file_id"]].splitlines()
                requests = [json.loads(line) for line in lines]
            name = f"batch_{next(self._ids)}"
            self.batches[name] = Batch(name, requests, self.polls, self.ends)
            return self._shown(self.batches[name], anthropic)
        if kind == "poll":
            batch = self.batches.get(parts[-1])
            if batch is None:
                return None
            batch.polls -= 1
            return self._shown(batch, anthropic)
        if kind == "results" and anthropic:
            return self._messages(self.batches[parts[2]])
        if kind == "results":
            name, _, which = parts[1].rpartition("-")
            return self._chats(self.batches[name])[which == "errors"]
        return None

    def _upload(self, content: bytes, form: str) -> Any:
        whole = BytesParser().parsebytes(f"content-type: {form}\n\n".encode() + content)
        fields = {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
            for part in whole.get_payload()  # type: ignore[union-attr]
        }
        assert fields["purpose"] == b"batch"  # type: ignore[union-attr]
        name = f"file-{next(self._ids)}"
        self.files[name] = fields["file"]  # type: ignore[assignment]
        return {"id": name}

    def _shown(self, batch: Batch, anthropic: bool) -> Any:
        over, total = batch.polls <= 0, len(batch.requests)
        if anthropic:
            results = f"{self.url}/messages/batches/{batch.name}/results"
            return {
                "id": batch.name,
                "processing_status": "ended" if over else "in_progress",
                "request_counts": {"succeeded": total if over else 0, "processing": total},
                "results_url": results if over else None,
            }
        files = over and batch.ends != "failed"
        return {
            "id": batch.name,
            "status": batch.ends if over else "in_progress",
            "request_counts": {"completed": total if over else 1, "failed": 0, "total": total},
            "output_file_id": f"{batch.name}-output" if files else None,
            "error_file_id": f"{batch.name}-errors" if files else None,
            "errors": {"data": [{"message": f"no quota for {KEY}."}]} if over else None,
        }

    def _chats(self, batch: Batch) -> tuple[bytes, bytes]:
        good, bad = [], []
        for number, asked in enumerate(batch.requests):
            result = self.judge(asked["body"]["messages"][-1]["content"])
            base = {"custom_id": asked["custom_id"], "error": None}
            if batch.ends in ("expired", "cancelled") and number:
                gone = {"code": f"batch_{batch.ends}", "message": "it was not done in time"}
                bad.append({**base, "response": None, "error": gone})
            elif isinstance(result, Wrong):
                error = {"error": {"message": result.message}}
                bad.append({**base, "response": {"status_code": result.status, "body": error}})
            elif result is not None:
                text, _ = _stopped(result, asked["body"].get("stop", []))
                message = {"role": "assistant", "content": text}
                usage = {"prompt_tokens": 100, "completion_tokens": 10}
                choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
                body = {"choices": choices, "usage": usage}
                good.append({**base, "response": {"status_code": 200, "body": body}})
        return _lines(reversed(good)), _lines(bad)

    def _messages(self, batch: Batch) -> bytes:
        found = []
        for number, asked in enumerate(batch.requests):
            result = self.judge(asked["params"]["messages"][-1]["content"])
            if batch.ends in ("expired", "cancelled") and number:
                said: Any = {"type": batch.ends.replace("ll", "l")}
            elif isinstance(result, Wrong):
                kind = {400: "invalid_request_error"}.get(result.status, "api_error")
                error = {"type": kind, "message": result.message}
                said = {"type": "errored", "error": {"type": "error", "error": error}}
            elif result is None:
                continue
            else:
                text, stop = _stopped(result, asked["params"].get("stop_sequences", []))
                message = {
                    "content": [{"type": "text", "text": text}],
                    "stop_reason": "stop_sequence" if stop else "end_turn",
                    "stop_sequence": stop,
                    "usage": {"input_tokens": 100, "output_tokens": 10},
                }
                said = {"type": "succeeded", "message": message}
            found.append({"custom_id": asked["custom_id"], "result": said})
        return _lines(reversed(found))


def _stopped(text: str, stops: list[str]) -> tuple[str, str | None]:
    """The text before its first stop string, and that one."""
    for stop in stops:
        if stop in text:
            return text.partition(stop)[0], stop
    return text, None


def _lines(values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def engine_at(api: str, url: str, **options: Any) -> BatchEngine:
    """An engine that does not wait long."""
    settings = {"model": "judge", "retry_seconds": 0.001, "poll_seconds": 0.001, **options}
    found: BatchEngine = resolve("engine", Ref(name=api, options={"base_url": url, **settings}))
    return found


def ask(api: str, url: str, requests: Any, **options: Any) -> list[Answer]:
    engine = engine_at(api, url, **options)
    with engine.open(engine.own_backbone()) as session:
        return list(session.generate(requests))


def request(number: int, **sampling: Any) -> Request:
    sampling = {"max_new_tokens": 50, "stop": ("</answer>",), **sampling}
    return Request(
        id=f"toy/pair {number}/ab",
        messages=(Message("system", "judge"), Message("user", f"question {number}")),
        sampling=Sampling(**sampling),
    )
