from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from rmr1_core import recipes, train

Run = Callable[..., Path]


@pytest.fixture
def run(sample: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the sample's recipe in this process, and give its folder."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # whose picture takes longer than the rest

    def run(*ablations: str, **variants: object) -> Path:
        recipe = msgspec.structs.replace(recipes.choose("sample"), **variants)
        folder = train.start(tmp_path / "runs", recipe, ablations)
        train.execute(folder)
        return folder

    return run
