"""Requests to a provider's API, with waits and second attempts, and without the key in any error.

What would be paid twice is not sent twice: where a connection is lost after a batch was sent, the
command stops, as nobody knows whether the batch was made.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Any
from urllib.parse import urlsplit

import httpx2

from rmr1_batches import BatchEngine
from rmr1_core.errors import EngineFailed, UsageError
from rmr1_openai.failures import Again, Problem, meaning, refused_key
from rmr1_openai.secret import Secret

_LONGEST_WAIT = 60.0
_MOST_DOUBLINGS = 20
_GONE = 404
_KEY_REFUSED = (401, 403, 407)
_LEFT_BEHIND = (500, 502, 504, 524)
"""What may be answered although the batch was made."""
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_PROXIES = "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR"


class Gone(EngineFailed):
    """404: the provider does not know of it, or there is no such API."""


class Calls:
    """Asks one base URL; a context manager that closes its connections."""

    def __init__(self, engine: BatchEngine, secret: Secret, headers: Mapping[str, str]) -> None:
        self.url, self.secret = engine.base_url.rstrip("/"), secret
        self._engine = engine
        try:
            self._client = httpx2.Client(
                headers=dict(headers), timeout=httpx2.Timeout(engine.timeout_seconds, connect=20.0)
            )
        except (ValueError, OSError, ImportError):  # which may hold a proxy's password
            raise UsageError(
                f"the environment keeps engine {engine.name!r} from asking {self.url}; set right "
                f"or unset what of these is set: {_PROXIES}"
            ) from None

    def __enter__(self) -> Calls:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._client.close()

    def json(self, method: str, path: str, *, once: bool = False, **content: Any) -> dict[str, Any]:
        """The JSON object that a request is answered with. `once`: not sent again where it may
        have had its effect.

        Raises:
            Gone: 404. EngineFailed: the API cannot be used.
        """
        raw = self._again(lambda: self._whole(method, path, content), once=once)
        try:
            value = json.loads(raw.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise EngineFailed(
                f"{self.url}{path} answers with something that is not JSON; check --base-url"
            )
        return value

    @contextmanager
    def lines(self, path: str) -> Iterator[Iterator[bytes]]:
        """The lines of a file, once all of it is here; `path` may be a URL of the same server.

        Raises:
            Gone: 404. EngineFailed: the API cannot be used.
        """
        with tempfile.TemporaryFile() as file:
            self._again(lambda: self._download(path, file), once=False)
            file.seek(0)
            yield (line for line in file if line.strip())

    def _whole(self, method: str, path: str, content: Mapping[str, Any]) -> bytes:
        response = self._client.request(method, self._address(path), **content)
        self._check(response)
        return bytes(response.content)

    def _download(self, path: str, file: IO[bytes]) -> None:
        file.seek(0)
        file.truncate()
        with self._client.stream("GET", self._address(path)) as response:
            if response.status_code >= 300:
                response.read()
            self._check(response)
            for piece in response.iter_bytes():
                file.write(piece)

    def _address(self, path: str) -> str:
        """The URL, which is never one of another server: the key is sent there."""
        here, there = urlsplit(self.url), urlsplit(path)
        if not there.scheme:
            return self.url + path
        if (there.scheme, there.netloc) != (here.scheme, here.netloc):
            raise EngineFailed(
                f"{self.url} keeps the results elsewhere, where the key is not sent: "
                f"{self.secret.sentence(there.netloc, 100)}; check --base-url"
            )
        return path

    def _again(self, call: Callable[[], Any], *, once: bool) -> Any:
        retries = 0
        while True:
            try:
                return call()
            except httpx2.HTTPError as error:
                words = self.secret.sentence(str(error), 200) or type(error).__name__
                unsent = isinstance(error, _UNSENT)
                again = Again(("no connection: " if unsent else "dropped: ") + words)
                lost = not unsent
            except httpx2.InvalidURL:
                raise EngineFailed(f"{self.url} is no URL; check --base-url") from None
            except _Trouble as trouble:
                again, lost = trouble.again, trouble.lost
            if once and lost:
                raise EngineFailed(
                    f"a batch was sent to {self.url} and not confirmed ({again.why}); it may have "
                    "been made all the same: look at the provider's list of batches, and go on "
                    "with: rmr1 bench --resume last"
                )
            if retries >= self._engine.max_retries:
                raise EngineFailed(
                    f"{self.url} gives no answer, in the last of {retries + 1} attempts: "
                    f"{again.why}; batches that were sent go on, join them with: "
                    "rmr1 bench --resume last"
                )
            wait = again.after or self._engine.retry_seconds * 2 ** min(retries, _MOST_DOUBLINGS)
            time.sleep(min(wait, max(again.after or 0, _LONGEST_WAIT)) * random.uniform(1, 1.25))
            retries += 1

    def _check(self, response: httpx2.Response) -> None:
        """Raise what a response that is no success means."""
        status = response.status_code
        if status < 300:
            return
        try:
            body = json.loads(response.content.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            body = {}
        problem = Problem.said(status, response.headers, body, self.secret)
        said = f"{problem.message} ({status})"
        if status in _KEY_REFUSED:
            has_key = bool(self.secret.reveal())
            raise refused_key(self.url, self._engine.api_key_env, problem, has_key=has_key)
        if status == _GONE:
            path = urlsplit(str(response.url)).path
            raise Gone(
                f"there is nothing at {path} of {self.url}: {said}; check the URL, which usually "
                "ends with /v1: --base-url"
            )
        meant = meaning(problem, "max_tokens")
        if isinstance(meant, EngineFailed):
            raise meant
        if isinstance(meant, Again):
            raise _Trouble(meant, lost=status in _LEFT_BEHIND)
        raise EngineFailed(f"{self.url} refuses the batch: {said}; see what it takes: rmr1 show "
                           f"engines/{self._engine.name}")  # fmt: skip


class _Trouble(Exception):
    """A response after which to ask again. `lost`: the request may have had its effect."""

    def __init__(self, again: Again, *, lost: bool) -> None:
        self.again, self.lost = again, lost
