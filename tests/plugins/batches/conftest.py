"""Providers that run for one test, and a data folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from batch_providers import KEY, Provider

SURROUNDINGS = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is remembered of batches is the test's, and so are the keys."""
    for name in SURROUNDINGS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


@pytest.fixture
def provide() -> Iterator[Callable[..., Provider]]:
    """Start providers; they stop with the test."""
    running: list[Provider] = []

    def start(*args: object) -> Provider:
        running.append(Provider(*args))  # type: ignore[arg-type]
        return running[-1]

    yield start
    for provider in running:
        provider.close()


@pytest.fixture(params=["openai-batch", "anthropic-batch"])
def api(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    return str(request.param)
