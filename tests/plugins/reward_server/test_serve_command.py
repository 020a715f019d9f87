"""`rmr1 serve`, as one types it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("sample")


def command(*options: str) -> list[str]:
    judge = ("--backbone", "nobody", "--engine", "scripted", "--prompt", "plain")
    return [sys.executable, "-m", "rmr1_core", "serve", *judge, *options]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def ask(url: str, body: object = None) -> dict[str, object]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        said: dict[str, object] = json.load(answer)
        return said


def test_it_serves_until_it_is_terminated_and_ends_well(tmp_path: Path) -> None:
    port = free_port()
    with subprocess.Popen(
        command("--port", str(port)), cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            assert f"http://127.0.0.1:{port}/docs" in process.stderr.readline()
            end = time.monotonic() + 20
            while time.monotonic() < end:
                try:
                    ask(f"http://127.0.0.1:{port}/ready")
                    break
                except OSError:
                    time.sleep(0.05)
            said = ask(
                f"http://127.0.0.1:{port}/v1/score", {"messages": "?", "answers": ["a", "b"]}
            )
            assert len(said["scores"]) == 2  # type: ignore[arg-type]
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) in (0, -signal.SIGTERM)
        finally:
            process.kill()


def test_elsewhere_than_on_this_machine_a_token_is_needed() -> None:
    done = subprocess.run(command("--host", "0.0.0.0"), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "a token is needed" in done.stderr
    assert "RMR1_TOKEN" in done.stderr


def test_a_port_that_is_taken_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        done = subprocess.run(command("--port", port), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"error: cannot listen on 127.0.0.1 port {port}")
