"""An environment of vLLM without vLLM, and the real one."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rmr1_core import Backbone, Message, Request, Sampling
from rmr1_core.lookup import with_options
from rmr1_vllm import ENGINE, VllmEngine

FAKE = Path(__file__).with_name("fake_vllm.py")
WRAPPER = """#!/bin/sh
# the environment's Python: starts the stand-in where ours would be started
case "$1" in
  *start.py) shift; exec {python} {fake} "$@" ;;
esac
export PYTHONPATH={site}
exec {python} "$@"
"""


class Fake:
    """What the stand-in is told, and what it noted."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._notes, self._monkeypatch = folder / "notes", monkeypatch
        self._notes.mkdir()
        site = folder / "with-vllm"
        site.mkdir()
        (site / "vllm.py").touch()
        wrapper = folder / "python"
        parts = {"python": sys.executable, "fake": FAKE, "site": site}
        wrapper.write_text(
            WRAPPER.format(**{name: shlex.quote(str(part)) for name, part in parts.items()})
        )
        wrapper.chmod(0o755)
        monkeypatch.setenv("RMR1_ENV_VLLM", str(wrapper))
        self.weights = folder / "weights"
        self.weights.mkdir()
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            (self.weights / name).touch()
        self.log = folder / "vllm.log"
        self.tell()

    def tell(self, **what: Any) -> None:
        told = {"notes": str(self._notes), **what}
        self._monkeypatch.setenv("FAKE", json.dumps(told))

    def noted(self, name: str) -> list[Any]:
        path = self._notes / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def engine(self, **options: Any) -> VllmEngine:
        made: VllmEngine = with_options("engine", ENGINE, {"log": str(self.log), **options})
        return made

    @property
    def backbone(self) -> Backbone:
        return Backbone(name="fake", model=str(self.weights))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    folder = tmp_path / "fake"
    folder.mkdir()
    return Fake(folder, monkeypatch)


def request(text: str, **sampling: Any) -> Request:
    return Request(
        id=f"id of {text}",
        messages=(Message("user", text),),
        sampling=Sampling(**{"max_new_tokens": 10, **sampling}),
    )


@pytest.fixture
def make_request() -> Callable[..., Request]:
    return request


@pytest.fixture(scope="session")
def real(managed_environment: Callable[[str], Any]) -> Any:
    """The real environment, as `locate` gives it."""
    return managed_environment("vllm")
