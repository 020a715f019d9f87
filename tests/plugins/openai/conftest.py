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


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests keeps their key."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
