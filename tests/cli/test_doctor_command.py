"""`rmr1 doctor prompt`, as one types it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from families import THINKING, deepseek_like, qwen_like

pytestmark = pytest.mark.slow
Cli = Callable[..., Any]


@pytest.fixture(autouse=True)
def nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMR1_ENVIRONMENTS", str(tmp_path / "none"))


def test_a_folder_without_a_network_is_shown_in_every_way(cli: Cli, tmp_path: Path) -> None:
    folder = qwen_like(tmp_path / "judge")
    done = cli("doctor", "prompt", "--backbone", str(folder), "--engine", "transformers")
    assert done.code == 0, done.err
    assert "looking in this Python" in done.err
    assert "tokens ask in SFT, in RL and in evaluation" in done.out
    assert "▶" in done.out


def test_what_differs_ends_with_1_a_sentence_and_a_diff(cli: Cli, tmp_path: Path) -> None:
    folder = deepseek_like(tmp_path / "judge")
    (folder / "chat_template.jinja").write_text("{{ bos_token }}" + THINKING)
    words = ("doctor", "prompt", "--backbone", str(folder), "--engine", "transformers")
    done = cli(*words, "--prompt", "compact", "--json")
    assert done.code == 1
    assert done.err.splitlines()[-1] == f"error: {done.json['problem']}"
    assert "a prompt has 2" in done.json["problem"]
    (sft,) = [view for view in done.json["views"] if view["way"] == "SFT"]
    assert sft["tokens"][0]["special"]
    assert [t["loss"] for t in sft["tokens"]].index(True) == sft["prompt_tokens"]


def test_the_first_row_of_a_dataset_can_be_looked_at(cli: Cli, tmp_path: Path) -> None:
    folder = qwen_like(tmp_path / "judge")
    words = ("doctor", "prompt", "--backbone", str(folder), "--engine", "transformers")
    done = cli(*words, "--dataset", "toy", "--json")
    assert done.code == 0, done.err
    shown = "".join(token["text"] for token in done.json["views"][0]["tokens"])
    assert "day?" not in shown
