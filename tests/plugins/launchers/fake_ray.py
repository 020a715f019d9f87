"""A Ray cluster's job API as a server on loopback: it says of jobs what a test wrote down."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeRay:
    """What it is asked, and what it says. `statuses` are told one by one, the last one again and
    again."""

    def __init__(self) -> None:
        self.statuses: list[dict[str, Any]] = [{"status": "SUCCEEDED"}]
        self.submitted: list[dict[str, Any]] = []
        self.stopped: list[str] = []
        self.tokens: list[str | None] = []
        self.refusal: tuple[int, str] | None = None
        self.interrupts = False  # Ctrl-C while a job is being submitted
        self.known: set[str] = set()
        self.logs = ""
        self.address = ""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        job = path.removeprefix("/api/jobs/").partition("/")[0]
        match method, path:
            case _, _ if self.refusal is not None:
                return self.refusal
            case "POST", "/api/jobs/":
                self.submitted.append(json.loads(body))
                self.known.add(self.submitted[-1]["submission_id"])
                if self.interrupts:
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(0.3)
                return 200, {"submission_id": self.submitted[-1]["submission_id"]}
            case "GET", "/api/version":
                return 200, {"ray_version": "2.60.0"}
            case "POST", _:
                self.stopped.append(job)
                self.statuses = [{"status": "STOPPED"}]
                return 200, {"stopped": True}
            case "GET", _ if path.endswith("/logs"):
                return 200, {"logs": self.logs}
            case _ if job not in self.known:
                return 404, f"Job {job} does not exist"
        return 200, self.statuses[0] if len(self.statuses) == 1 else self.statuses.pop(0)


@contextmanager
def serving() -> Iterator[FakeRay]:
    """A cluster on a free port."""
    ray = FakeRay()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            ray.tokens.append(self.headers.get("Authorization"))
            status, answer = ray.answer(self.command, self.path, self.rfile.read(length))
            content = answer if isinstance(answer, str) else json.dumps(answer)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content.encode())

        do_GET = do_POST = handle_any  # noqa: N815

        def log_message(self, *words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ray.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield ray
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
