"""A client for each base URL, with what the environment says of proxies and certificates.

The client's own retries are off: ours may go to another URL, are counted, and know what a malformed
answer is.
"""

from __future__ import annotations

import urllib.request
from urllib.parse import urlsplit

import httpx2
import openai

from rmr1_core.errors import UsageError
from rmr1_openai.secret import Secret

CONNECT_SECONDS = 20.0


def client_at(url: str, secret: Secret, most: int) -> openai.AsyncOpenAI:
    """A client with at most so many connections; it connects to nothing yet.

    Raises:
        UsageError: the environment names a proxy or certificates that cannot be used.
    """
    _check_proxy(url)
    key, limits = secret.reveal(), httpx2.Limits(
        max_connections=most, max_keepalive_connections=most
    )  # fmt: skip
    try:
        return openai.AsyncOpenAI(
            base_url=url,
            api_key=key or "none",
            # said here, or else OPENAI_CUSTOM_HEADERS may replace it
            default_headers={"Authorization": f"Bearer {key}"} if key else None,
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
            http_client=openai.DefaultAioHttpClient(limits=limits),
        )
    except (ValueError, OSError):  # which may hold a proxy's password
        raise UsageError(
            f"the environment keeps engine 'openai' from asking {url}; set right or unset what of "
            "these is set: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE, "
            "SSL_CERT_DIR"
        ) from None


def _check_proxy(url: str) -> None:
    """Raise UsageError for a proxy that speaks something else than HTTP."""
    parts, proxies = urlsplit(url), urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    scheme, colon, _ = proxy.partition("://")
    if colon and scheme not in ("http", "https"):
        host = parts.hostname or ""
        if not urllib.request.proxy_bypass(host):
            raise UsageError(
                f"engine 'openai' cannot use a proxy of the kind {scheme}://; name an HTTP proxy "
                f"in {parts.scheme.upper()}_PROXY, or ask without one: export NO_PROXY={host}"
            )
