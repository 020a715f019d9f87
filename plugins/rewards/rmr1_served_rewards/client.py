"""Asks a reward server, and asks again while it is busy or on its way back.

A server that is full answers 429 and says in Retry-After when to come back; one that is being
started again refuses connections for a while. Both are waited for, `patience` seconds in all. What
it refuses otherwise, asking again would not change.
"""

from __future__ import annotations

import email.utils
import http.client
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from rmr1_core.errors import EngineFailed, UsageError
from rmr1_core.keys import looks_like_a_key

TOKEN = "RMR1_TOKEN"
FIRST_WAIT, LONGEST_WAIT = 0.25, 30.0
"""Seconds between two attempts."""
LONGEST_SAID = 300
_START = "start it with: rmr1 serve --backbone NAME"
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class Refused(EngineFailed):
    """The server answered, and will not answer otherwise."""


class Unanswered(NamedTuple):
    """Why an attempt failed, and after how many seconds the server wants the next."""

    why: str
    wait: float | None = None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token is for the server that was named."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Client(NamedTuple):
    """A reward server at `url`. An attempt takes at most `timeout` seconds, all of them together
    hardly more than `patience` and one attempt."""

    url: str
    timeout: float
    patience: float

    def post(self, path: str, body: object) -> Any:
        """What the server answers, decoded.

        Raises:
            EngineFailed: it is not there, or did not answer in time.
            Refused: it answers with an error, or with what is no JSON.
            UsageError: the token is none.
        """
        request = self._request(path, msgspec.json.encode(body))
        deadline = time.monotonic() + self.patience
        for wait in _waits():
            answer = self._attempt(request)
            if not isinstance(answer, Unanswered):
                return answer
            pause = wait if answer.wait is None else answer.wait
            if time.monotonic() + pause > deadline:
                raise EngineFailed(self._sentence(answer.why))
            time.sleep(pause)
        raise AssertionError("waits never end")

    def get(self, path: str) -> Any:
        """The same without a body, asked once."""
        answer = self._attempt(self._request(path, None))
        if isinstance(answer, Unanswered):
            raise EngineFailed(self._sentence(answer.why))
        return answer

    def _request(self, path: str, body: bytes | None) -> urllib.request.Request:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token := os.environ.get(TOKEN, "").strip():
            if not looks_like_a_key(token):
                raise UsageError(f"{TOKEN} holds what no token does; set it: export {TOKEN}=…")
            headers["Authorization"] = f"Bearer {token}"
        return urllib.request.Request(self.url.rstrip("/") + path, body, headers)

    def _attempt(self, request: urllib.request.Request) -> Any:
        try:
            with self._opener().open(request, timeout=self.timeout) as response:
                return msgspec.json.decode(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return self._unanswered(error)
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", error)
            return Unanswered(f"does not answer ({_line(str(cause) or repr(cause))})")
        except msgspec.DecodeError as error:
            raise Refused(f"what answers at {self.url} is no reward server: {error}") from None

    def _opener(self) -> urllib.request.OpenerDirector:
        local = urlsplit(self.url).hostname in _LOOPBACK
        proxies = [urllib.request.ProxyHandler({})] if local else []
        return urllib.request.build_opener(_NoRedirects, *proxies)

    def _unanswered(self, error: urllib.error.HTTPError) -> Unanswered:
        try:
            said = _line(error.read(1 << 16).decode("utf-8", "replace"))
        except (OSError, http.client.HTTPException):
            said = ""
        if error.code in (401, 403):
            raise Refused(
                f"the reward server at {self.url} wants its token ({error.code}); "
                f"set it with: export {TOKEN}=…"
            )
        if error.code not in _BUSY:
            raise Refused(
                f"the reward server at {self.url} refused to score ({error.code}: {said}); "
                "see: rmr1 show rewards/served"
            )
        return Unanswered(f"answers only {error.code} ({said})", retry_after(error.headers))

    def _sentence(self, why: str) -> str:
        return f"the reward server at {self.url} {why}; {_START}"


def retry_after(headers: Any) -> float | None:
    """The seconds that a server asks to wait; None where it does not say."""
    said = (headers.get("Retry-After") or "").strip()
    if said.isascii() and said.isdecimal():
        return float(said[:9])
    try:
        at = email.utils.parsedate_to_datetime(said)
    except ValueError:
        return None
    return max(0.0, at.timestamp() - time.time())


def _waits() -> Iterator[float]:
    """Longer and longer, and not in step with other clients."""
    wait = FIRST_WAIT
    while True:
        yield wait * random.uniform(0.5, 1.0)
        wait = min(2 * wait, LONGEST_WAIT)


def _line(said: str) -> str:
    shown = "".join(x if x.isprintable() else "?" for x in " ".join(said.split()))
    return shown[:LONGEST_SAID]
