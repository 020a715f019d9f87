"""Endpoints that run for one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from openai_endpoint import Endpoint, Script


@pytest.fixture
def serve() -> Iterator[Callable[[Script], Endpoint]]:
    """Start endpoints; they stop with the test."""
    running: list[Endpoint] = []

    def start(script: Script) -> Endpoint:
        running.append(Endpoint(script))
        return running[-1]

    yield start
    for endpoint in running:
        endpoint.close()


SURROUNDINGS = ("OPENAI_API_KEY", "OPENAI_CUSTOM_HEADERS", "OPENAI_ADMIN_KEY", "HTTP_PROXY",
                "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")  # fmt: skip


@pytest.fixture(autouse=True)
def nobodys_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests keeps their key, and their proxies out of it."""
    for name in SURROUNDINGS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
