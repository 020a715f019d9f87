"""What a failed attempt means: ask again, give this request up, or stop at once.

Everything that a server wrote passes through `Secret.sentence`, as some servers repeat the key.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NamedTuple

from rmr1_core import RequestFailed
from rmr1_core.errors import EngineFailed
from rmr1_openai.secret import Secret

LONGEST_WAIT = 600.0
"""Seconds; a server that wants more ends the run, to be resumed."""
LONGEST_MESSAGE = 300
_MOST_NAMES = 20
_UNREACHED = ("ClientConnector", "ConnectionTimeout", "ClientProxyConnection")
"""What the names of aiohttp's errors begin with that come before anything is sent."""
_AGAIN = (408, 409, 425, 429)
_LEFT_BEHIND = (504, 524)
"""A gateway waits no longer; what is behind it may write on, and charge for it."""
_CONTEXT = re.compile(
    r"maximum context length|context_length_exceeded|context (length|window|size)|"
    r"at most \d+ completion tokens|(prompt|input) is too long|too many (input )?tokens|"
    r"exceeds? .{0,40}max_model_len|fewer output tokens",
    re.IGNORECASE,
)
_LIMIT = re.compile(r"maximum context length is (\d+)", re.IGNORECASE)
_MOST = re.compile(
    r"(?:at most|cannot be greater than [a-z_=]*) ?(\d+)(?: completion tokens|\.)", re.IGNORECASE
)
_PROMPT = re.compile(r"(\d+) (?:input tokens|(?:tokens )?in the messages)", re.IGNORECASE)
_UNCOUNTED = re.compile(r"(at least|upper bound for) (\d+) input tokens", re.IGNORECASE)
"""vLLM stops counting a prompt where it and the answer that is asked for do not fit."""
_UNSUPPORTED = re.compile(
    r"unsupported|not support|unrecognized|unknown|extra inputs", re.IGNORECASE
)
SAMPLING_FIELDS = ("temperature", "top_p", "seed", "stop")


class Again(NamedTuple):
    """Ask once more, after `after` seconds if the server says so. `busy`: nothing else should go
    to this URL meanwhile either. `lost`: the server may charge for what was not received.
    `down`: the server could not be reached."""

    why: str
    after: float | None = None
    busy: bool = False
    lost: bool = False
    down: bool = False


class Fewer(NamedTuple):
    """Prompt and answer do not fit together; ask for so many tokens. Not positive: never fits.
    None: for fewer, nobody knows how many."""

    tokens: int | None


class OtherField(NamedTuple):
    """The token limit has another name at this server."""

    refused: str
    name: str


class Withheld(NamedTuple):
    """A content filter refused the prompt."""


Failure = Again | Fewer | OtherField | Withheld | RequestFailed | EngineFailed


class Problem(NamedTuple):
    """An error response: status, headers by lower-case name, and what the server says of it."""

    status: int
    headers: Mapping[str, str]
    message: str
    code: str
    param: str

    @classmethod
    def of(cls, error: Any, secret: Secret) -> Problem:
        """From the client's `APIStatusError`."""
        return cls.said(error.status_code, error.response.headers, error.body, secret)

    @classmethod
    def said(cls, status: int, headers: Mapping[str, str], body: Any, secret: Secret) -> Problem:
        """From the parts of a response, its body decoded."""
        body = body if isinstance(body, Mapping) else {}
        inner = body.get("error", body)
        inner = inner if isinstance(inner, Mapping) else {"message": inner}
        said = inner.get("message") or inner.get("detail") or body.get("detail") or ""
        message = secret.sentence(str(said), LONGEST_MESSAGE) or _phrase(status)
        return cls(
            status,
            headers,
            message.rstrip("."),
            " ".join(str(inner.get(name) or "") for name in ("code", "type")),
            str(inner.get("param") or ""),
        )


def meaning(problem: Problem, field: str) -> Failure:
    """What an error response means; `field` is the name of the token limit that was sent.

    401, 403, 404 and 407 are not decided here, as their sentences need to know more.
    """
    status, words = problem.status, f"{problem.code} {problem.message}"
    said = f"{problem.message} ({status})"
    if "insufficient_quota" in words or status == HTTPStatus.PAYMENT_REQUIRED:
        return EngineFailed(
            f"the account is used up: {said}; add credit and go on with: rmr1 bench --resume last"
        )
    if status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        after = retry_after(problem.headers)
        if after is not None and after > LONGEST_WAIT:
            return EngineFailed(
                f"the endpoint asks to wait {after:,.0f} seconds: {said}; go on later with: "
                "rmr1 bench --resume last"
            )
        busy = status in (429, 503) and (
            after is not None or status == HTTPStatus.TOO_MANY_REQUESTS
        )
        return Again(said, after, busy=busy, lost=status in _LEFT_BEHIND)
    if "content_filter" in problem.code:
        return Withheld()
    if _CONTEXT.search(words):
        return Fewer(_room(problem.message))
    return _unsupported(problem, field) or RequestFailed(error=f"the endpoint refuses it: {said}")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, from its headers; None where it does not say.

    Source: RFC 9110, section 10.2.3, and the `retry-after-ms` that some servers send.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if not math.isnan(seconds):
            return max(0.0, seconds)
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
        date = date if date.tzinfo else date.replace(tzinfo=UTC)  # asctime's form says no zone
        return max(0.0, date.timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def refused_key(url: str, variable: str, problem: Problem, *, has_key: bool) -> EngineFailed:
    """401, 403 or 407: where to put a key, or a proxy's password."""
    said = f"{problem.message} ({problem.status})"
    if problem.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return EngineFailed(f"the proxy wants a password: {said}; say it in HTTP_PROXY")
    if not has_key:
        return EngineFailed(
            f"{url} wants a key: {said}; put it into the environment: export {variable}=…, or name "
            "the variable that holds it with --api-key-env"
        )
    return EngineFailed(
        f"{url} refuses the key in ${variable}: {said}; set another one: export {variable}=…, or "
        "name the variable that holds it with --api-key-env"
    )


def not_served(url: str, model: str, problem: Problem, served: Sequence[str]) -> EngineFailed:
    """404: another model, or another URL."""
    said = f"{problem.message} ({problem.status})"
    if not served or model in served:
        return EngineFailed(
            f"there is nothing at {url}/chat/completions: {said}; check the URL, which usually "
            "ends with /v1: --base-url"
        )
    more = f" and {len(served) - _MOST_NAMES} more" if len(served) > _MOST_NAMES else ""
    return EngineFailed(
        f"{url} does not serve the model {model!r}: {said}; name one that it serves with --model: "
        f"{', '.join(served[:_MOST_NAMES])}{more}"
    )


def refused_field(refused: str, other: str) -> EngineFailed:
    """The token limit's name is not taken."""
    return EngineFailed(
        f"the endpoint does not take {refused!r}; give the limit of an answer another name: "
        f"--token-limit {other}"
    )


def unconnected(error: BaseException) -> Again:
    """Whether the server could not be reached, or went away with the request."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) and cause not in causes:
        causes.append(cause)
    for cause in causes:
        name = type(cause).__name__
        if name == "ClientHttpProxyError":
            return Again(f"the proxy refuses it ({getattr(cause, 'status', 0)})", down=True)
        if name.startswith(_UNREACHED):
            to = " to the proxy" if "Proxy" in name else ""
            root = next((c for c in causes if isinstance(c, OSError) and c.strerror), error)
            return Again(f"no connection{to}: {getattr(root, 'strerror', 0) or root}", down=True)
    return Again("the connection was dropped", lost=True)


def _room(message: str) -> int | None:
    """Tokens that are left for an answer, where the message says so or names context and prompt;
    None where the prompt was not counted to its end."""
    most = _MOST.search(message)
    if most:
        return int(most[1])
    limit, uncounted = _LIMIT.search(message), _UNCOUNTED.search(message)
    if limit and uncounted and int(uncounted[2]) < int(limit[1]):
        return None
    prompt = _PROMPT.search(message)
    return int(limit[1]) - int(prompt[1]) if limit and prompt else 0


def _unsupported(problem: Problem, field: str) -> Failure | None:
    """A parameter that this model does not take."""
    if not _UNSUPPORTED.search(f"{problem.code} {problem.message}"):
        return None
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[field]
    named = problem.param or problem.message
    if re.search(rf"\b{field}\b", named):
        return OtherField(field, other)
    for name in SAMPLING_FIELDS:
        if re.search(rf"\b{name}\b", named):
            return EngineFailed(
                f"the model does not take {name!r}: {problem.message} ({problem.status}); leave it "
                f"out with: --omit {name}"
            )
    return None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no message"
