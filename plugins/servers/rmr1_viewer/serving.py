"""The page's server, in a thread of its own while a block lasts."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from rmr1_core.errors import Rmr1Error, UsageError
from rmr1_viewer.app import application
from rmr1_viewer.index import Index
from rmr1_viewer.watching import Watch

START_SECONDS = 20


@contextmanager
def served(
    folders: Sequence[Path] = (),
    runs_dir: Path | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str = "",
) -> Iterator[str]:
    """Show runs, or all that are kept, as long as the block lasts; yields the page's address.

    Raises:
        UsageError: the port is taken, or the host is not this machine's.
    """
    with (
        tempfile.TemporaryDirectory(prefix="rmr1-view-") as folder,
        _listening(host, port) as listener,
        Watch(Index(Path(folder) / "index.sqlite"), folders, runs_dir) as watch,
    ):
        config = uvicorn.Config(
            application(watch, token), log_level="warning", access_log=False, lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="viewer page", daemon=True
        )
        thread.start()
        try:
            _wait(server, thread)
            name = f"[{host}]" if ":" in host else host
            yield f"http://{name}:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(timeout=START_SECONDS)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"cannot listen on {host} port {port}: {error}; "
                "leave out --port to take a free one: rmr1 view"
            ) from None
        yield listener


def _wait(server: uvicorn.Server, thread: threading.Thread) -> None:
    until = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise Rmr1Error("the page's server did not start; try again: rmr1 view")
        time.sleep(0.01)
