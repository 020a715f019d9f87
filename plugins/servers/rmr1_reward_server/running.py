"""The server's life: the engine is loaded, then requests are taken, until it is told to stop."""

from __future__ import annotations

import socket
import sys
from typing import Any

import uvicorn

from rmr1_core.errors import UsageError
from rmr1_core.judge import Judge
from rmr1_reward_server.app import Limits, application


class _Server(uvicorn.Server):  # type: ignore[misc]  # it comes without types
    """Refuses new requests as soon as it is told to stop, and finishes what is under way."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Told to stop; told again, at once."""
        self.config.app.state.serving.stopping = True
        super().handle_exit(sig, frame)


def run(judge: Judge, host: str, port: int, token: str, limits: Limits, stop_seconds: int) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        UsageError: the address cannot be listened on, or the engine cannot be opened.
    """
    with _listening(host, port) as listener, judge:
        config = uvicorn.Config(
            application(judge, token=token, limits=limits),
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=stop_seconds,
        )
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{port}"
        print(f"serving {judge.parts.backbone.name} at {address}, what can be asked: "
              f"{address}/docs", file=sys.stderr, flush=True)  # fmt: skip
        _Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    """The socket, before the weights are loaded: a taken port is said at once."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port"
        ) from None
    return listener
