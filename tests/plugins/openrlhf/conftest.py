"""Small models, data and stages for OpenRLHF."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from openrlhf_stages import DEEPSEEK, row, stage_task, write_rows

from rmr1_core import TrainingRow, TrainingTask
from rmr1_tiny.backbone import Tiny


@pytest.fixture(scope="session")
def rows() -> list[TrainingRow]:
    return [row(number, words=1 + number % 3) for number in range(24)]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory, rows: list[TrainingRow]) -> Path:
    """A model of one layer with its tokenizer, in the form of Qwen2."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    backbone = Tiny(
        name="tiny", model="", layers=1, hidden=16, heads=2, feed_forward=32, vocab_size=320
    )
    backbone.prepare(folder, seed=0, corpus=lambda: [r.completion for r in rows])
    return folder


@pytest.fixture(scope="session")
def thinking_folder(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """The same with a template like DeepSeek-R1's."""
    folder = tmp_path_factory.mktemp("thinking") / "model"
    copytree(tiny_folder, folder)
    (folder / "chat_template.jinja").write_text(DEEPSEEK)
    return folder


@pytest.fixture
def make_task(
    tmp_path: Path, tiny_folder: Path, rows: list[TrainingRow]
) -> Callable[..., TrainingTask]:
    """A stage on the rows above, in a folder of the test."""

    def make(**changes: Any) -> TrainingTask:
        data = write_rows(tmp_path / "data.jsonl", rows)
        output = tmp_path / "sft"
        output.mkdir(exist_ok=True)
        ours = {"model": str(tiny_folder), "data": str(data), "output": str(output), "seed": 0}
        return stage_task(**{**ours, **changes})

    return make
