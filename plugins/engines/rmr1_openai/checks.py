"""What options are refused: what must not reach a journal, and what cannot work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from rmr1_core.errors import UsageError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = {
    "messages": "the benchmark and the prompt say it",
    "system": "the benchmark and the prompt say it",
    "model": "say it with --model",
    "max_tokens": "say it with --max-new-tokens",
    "max_completion_tokens": "say it with --max-new-tokens",
    "n": "say it with -n",
    "stream": "answers are read whole",
}


def check_variable(engine: str, variable: str) -> None:
    """Raise UsageError for what is no variable's name; it may be the key, and is not repeated."""
    if not _VARIABLE.fullmatch(variable):
        raise UsageError(
            f"engine {engine!r}: --api-key-env takes the name of an environment variable, not a "
            "key; type: export MY_KEY=… and then --api-key-env MY_KEY"
        )


def check_extra(engine: str, extra: Mapping[str, Any]) -> None:
    """Raise UsageError for extra fields of a request that replace what is decided elsewhere."""
    for name, instead in _OURS.items():
        if name in extra:
            raise UsageError(
                f"engine {engine!r}: extra_body may not set {name!r}; leave it out: {instead}"
            )


def check_url(engine: str, url: str) -> None:
    """Raise UsageError for what is no base URL, without repeating what may be secret."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"engine {engine!r}: the base URL of {host} holds a user or a password, which would be "
            "recorded; leave it out, and put the key into an environment variable (--api-key-env)"
        )
    if host and ("?" in url or "#" in url):
        raise UsageError(
            f"engine {engine!r}: the base URL of {host} has a query, which may hold a key; give it "
            "without what follows the '?' or '#'"
        )
    odd = any(letter.isspace() or not letter.isprintable() or letter == "\\" for letter in url)
    if parts.scheme not in ("http", "https") or not host or odd:
        raise UsageError(
            f"engine {engine!r}: a base URL is like http://localhost:8000/v1; it begins with "
            "http:// or https:// and a host"
        )
    if parts.path.rstrip("/").endswith("/completions"):
        raise UsageError(
            f"engine {engine!r}: base URL {url!r} is that of one method; give the part before "
            "/chat/completions"
        )
