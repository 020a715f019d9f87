"""A worker and a server that need no vLLM: what the tests put in the environment's place.

python fake_vllm.py               speaks the worker's protocol, as $FAKE says
python fake_vllm.py serve FLAGS   answers GET /health, as $FAKE says
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FAKE: dict[str, Any] = json.loads(os.environ.get("FAKE", "{}"))
QUIET_SECONDS = 0.15
"""So long nothing comes when the other side waits for an answer."""


def say(**message: Any) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def note(name: str, value: Any) -> None:
    if "notes" in FAKE:
        with (Path(FAKE["notes"]) / name).open("a") as file:
            file.write(json.dumps(value) + "\n")


def worker() -> None:
    lines = Lines()
    note("setup", json.loads(lines.one()))
    note("pids", os.getpid())
    if FAKE.get("child"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        note("pids", child.pid)
    if "refuse" in FAKE:
        say(kind="refused", why=FAKE["refuse"])
        sys.exit(2)
    say(kind="loading", step="pretending")
    if "garbage" in FAKE:
        os.write(1, FAKE["garbage"].encode() + b"\n")
    say(kind="ready", facts={"vllm": "fake"}, running=FAKE.get("running", 4))
    answered, waiting = 0, []
    while True:
        new = [json.loads(line) for line in lines.all(wait=not waiting)]
        for message in new:
            note("heard", message)
        for message in new:
            if message["kind"] == "cut":
                say(kind="beginning", number=message["number"], characters=message["tokens"])
        waiting += [message for message in new if message["kind"] == "ask"]
        if not new and not waiting:
            return
        if FAKE.get("hold") and new:
            continue  # until nothing more comes
        note("waiting", len(waiting))
        for message in waiting:
            if answered == FAKE.get("die_after"):
                die()
            answer(message)
            answered += 1
        waiting = []


def answer(message: dict[str, Any]) -> None:
    text = message["messages"][-1][1]
    if text == "refuse me":
        say(kind="declined", number=message["number"], why="too rude")
        return
    say(
        kind="wrote",
        number=message["number"],
        text=f"echo {text}",
        finish_reason="prompt_too_long" if text == "long" else "stop",
        prompt_tokens=7,
        completion_tokens=3,
        cached_tokens=5,
    )


def die() -> None:
    match FAKE["death"]:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "say":
            say(kind="failed", why="RuntimeError: said by itself")
            sys.exit(1)
        case text:
            print(text, file=sys.stderr, flush=True)
            os._exit(1)


class Lines:
    """Lines of standard input."""

    def __init__(self) -> None:
        self._begun = b""
        self._whole: list[bytes] = []

    def one(self) -> bytes:
        while not self._whole:
            self._read()
        return self._whole.pop(0)

    def all(self, wait: bool) -> list[bytes]:
        if not self._whole and (wait or select.select([0], [], [], QUIET_SECONDS)[0]):
            self._read()
        whole, self._whole = self._whole, []
        return whole

    def _read(self) -> None:
        chunk = os.read(0, 1 << 16)
        if not chunk:
            note("ended", True)
            sys.exit(0)
        *lines, self._begun = (self._begun + chunk).split(b"\n")
        self._whole += lines


def serve(flags: list[str]) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer

    note("pids", os.getpid())
    note("flags", flags)
    if "death" in FAKE:
        die()

    class Handler(BaseHTTPRequestHandler):
        asked = 0

        def do_GET(self) -> None:
            Handler.asked += 1
            self.send_response(200 if Handler.asked > 1 else 503)
            self.end_headers()

    port = int(flags[flags.index("--port") + 1])
    server = HTTPServer(("127.0.0.1", port), Handler)
    deadline = time.monotonic() + 30
    server.timeout = 0.5
    while time.monotonic() < deadline:
        server.handle_request()


if __name__ == "__main__":
    serve(sys.argv[2:]) if sys.argv[1:2] == ["serve"] else worker()
