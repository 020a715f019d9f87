"""A reward server that answers, and misbehaves, as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """What it sends: JSON, or bytes as they are."""

    body: Any
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class Server:
    """Listens while a test runs. `asked` grows: path, headers in lower case, body."""

    def __init__(self, script: Callable[[Any, int], Reply], port: int = 0) -> None:
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        outer, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("content-length") or 0))
                body = json.loads(content) if content else None
                headers = {name.lower(): value for name, value in self.headers.items()}
                with lock:
                    outer.asked.append((self.path, headers, body))
                    number = len(outer.asked)
                reply = script(body, number)
                said = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body)
                self.send_response(reply.status)
                for name, value in reply.headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said if isinstance(said, bytes) else said.encode())

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        class Listening(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

        self._server = Listening(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=lambda: self._server.serve_forever(poll_interval=0.01), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
