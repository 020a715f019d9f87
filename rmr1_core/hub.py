"""Without a network the hub's cache still works, and what is not in it fails at once.

The hub's own client tries again for half a minute per file before it gives up.
"""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

OFFLINE = "HF_HUB_OFFLINE"
TIMEOUT_SECONDS = 3.0


def prefer_cache_when_unreachable() -> None:
    """Switch the hub's client to its cache when the hub cannot be reached.

    To be called before `huggingface_hub` is imported, which reads the switch then. A user's own
    setting and a proxy are left alone.
    """
    proxied = any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"))
    if OFFLINE not in os.environ and not proxied and not reachable():
        os.environ[OFFLINE] = "1"


def endpoint() -> str:
    """Where the hub is, as its client has it."""
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def reachable() -> bool:
    """Whether the hub can be connected to, without a proxy, within three seconds."""
    at = urlsplit(endpoint())
    port = at.port or (80 if at.scheme == "http" else 443)
    try:
        socket.create_connection((at.hostname or "", port), TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True
