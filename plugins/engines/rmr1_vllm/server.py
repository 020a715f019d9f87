"""vLLM's server in the environment: planned first, then started, watched and stopped.

It runs in the foreground of its command. It is healthy when it says so itself over HTTP.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rmr1_core import Backbone
from rmr1_core.environments import locate
from rmr1_core.errors import EngineFailed, UsageError
from rmr1_core.hub import prefer_cache_when_unreachable
from rmr1_core.processes import running
from rmr1_vllm.arguments import engine_arguments, server_flags, weights
from rmr1_vllm.causes import doing, true_error
from rmr1_vllm.session import START, log_file
from rmr1_vllm.status import Status

if TYPE_CHECKING:
    from rmr1_vllm import VllmEngine

KEY_VARIABLE = "VLLM_API_KEY"
_POLL_SECONDS = 0.5


class Server(NamedTuple):
    """A server to start: `name` is what clients call the model, `log` "" a temporary file."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    host: str
    port: int
    name: str
    model: str
    log: str
    key: bool

    @property
    def url(self) -> str:
        """Where clients on this machine find the API."""
        return f"http://{_authority(self.reached, self.port)}/v1"

    @property
    def reached(self) -> str:
        """The address by which this machine reaches it."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)

    def bench(self) -> str:
        """The command that evaluates what is served."""
        argv = ["rmr1", "bench", "rm-bench", "--engine", "openai"]
        argv += ["--base-url", self.url, "--model", self.name]
        argv += ["--api-key-env", KEY_VARIABLE] if self.key else []
        return shlex.join(argv)

    def shell(self) -> str:
        """The command that starts it, as one types it."""
        variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in self.env.items())
        return f"{variables} {shlex.join(self.argv)}".strip()

    def plain(self) -> dict[str, Any]:
        """What a script needs to know; the key is not in it."""
        return {
            "url": self.url,
            "model": self.name,
            "log": self.log,
            "command": list(self.argv),
            "env": dict(self.env),
            "bench": self.bench(),
        }


def plan(engine: VllmEngine, backbone: Backbone, *, host: str, port: int, name: str) -> Server:
    """What to start. A free port is looked for where none is given.

    Raises:
        UsageError: the environment is missing, the port is taken, others could reach the server
            and there is no key, or what was given cannot work.
    """
    key = bool(os.environ.get(KEY_VARIABLE))
    if not key and not _loopback(host):
        raise UsageError(
            f"--host {host} can be reached by others, and the server would ask for no key; set "
            f"one first: export {KEY_VARIABLE}=…"
        )
    model = weights(backbone)
    located = locate(engine.environment)
    port = _free_port(host, port)
    flags = ["--model", model, "--served-model-name", name, "--host", host, "--port", str(port)]
    if not Path(model).is_dir():
        flags += ["--revision", backbone.revision]
    argv = (str(located.python), str(START), "serve", *flags)
    argv += tuple(server_flags(engine_arguments(engine)))
    return Server(argv, located.env, host, port, name, model, engine.log, key)


@contextmanager
def serving(server: Server) -> Iterator[tuple[Server, Callable[[], None]]]:
    """Start the server and wait until it is healthy; the block gets it with its log's path, and a
    function that waits for its end. It and its children end with the block.

    Raises:
        EngineFailed: it died; the error says why and where its log is.
    """
    if not Path(server.model).is_dir():
        prefer_cache_when_unreachable()
    with log_file(server.log) as log, _started(server, log) as (process, since):
        status = Status(f"starting {server.name} with vLLM")
        try:
            while not _healthy(server):
                _check(process, log, since)
                status.show(doing(log, since))
                _wait(process, _POLL_SECONDS)
        except BaseException:
            status.clear()
            raise
        status.done("ready")

        def wait() -> None:
            process.wait()
            _check(process, log, since)

        yield server._replace(log=str(log)), wait


@contextmanager
def _started(server: Server, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    since = log.stat().st_size
    with running(server.argv, env=server.env, log=log) as process:
        yield process, since


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _check(process: subprocess.Popen[bytes], log: Path, since: int) -> None:
    code = process.poll()
    if code is not None:
        why = true_error(log, code, since=since).rstrip(".")
        raise EngineFailed(f"the vLLM server ended: {why}; its whole log is {log}")


def _healthy(server: Server) -> bool:
    connection = http.client.HTTPConnection(server.reached, server.port, timeout=_POLL_SECONDS)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _free_port(host: str, port: int) -> int:
    """The port, or a free one; taken now, it would be reported by vLLM after half a minute."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            found: int = probe.getsockname()[1]
            return found
    except OSError as error:
        raise UsageError(
            f"cannot listen on {_authority(host, port)}: {error.strerror}; choose another --port, "
            "or leave it out for a free one"
        ) from error


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
