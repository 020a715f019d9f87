"""Scripted reward servers that run for one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scripted_rewards import Reply, Server


@pytest.fixture
def reward_server() -> Iterator[Callable[..., Server]]:
    """Start servers; they stop with the test."""
    running: list[Server] = []

    def start(script: Callable[[Any, int], Reply], port: int = 0) -> Server:
        running.append(Server(script, port))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture(autouse=True)
def nobodys_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests keeps their token out of them."""
    monkeypatch.delenv("RMR1_TOKEN", raising=False)
