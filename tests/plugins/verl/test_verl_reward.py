from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from rmr1_verl.inside import reward

FAILING = """
from rmr1_core import RewardFunction, hookimpl

class Failing(RewardFunction, frozen=True, kw_only=True):
    def __call__(self, judgment, label):
        rubric = {}
        return rubric["weight"]

@hookimpl
def rmr1_rewards():
    return [Failing(name="failing", summary="always raises")]
"""


def settings(folder: Path, name: str, python: str = sys.executable) -> str:
    rewarding = folder / "rewarding.json"
    rewarding.write_text(json.dumps({"prompt": {"name": "compact"}, "reward": {"name": name}}))
    file = folder / "reward.json"
    told = {
        "python": python,
        "rewarding": str(rewarding),
        "cause": str(folder / "reward-error.txt"),
        "tallies": str(folder / "tallies"),
    }
    file.write_text(json.dumps(told))
    return str(file)


def ask(file: str, text: str, label: str, step: int = 4) -> dict[str, Any]:
    """As veRL does."""
    lengths = {"prompt_tokens": 50, "completion_tokens": 9, "finish_reason": "stop"}
    info = {"id": "row 1", "rmr1_lengths": lengths, "rmr1_step": step}
    return reward.compute_score(
        data_source="toy",
        solution_str=text,
        ground_truth=label,
        extra_info=info,
        settings=file,
        reward_router_address=None,
    )


def test_verl_is_told_the_recipes_reward_and_how_the_answer_was_read(tmp_path: Path) -> None:
    file = settings(tmp_path, "verdict")
    right = ask(file, "<answer>[[B]]</answer>", "B")
    assert right == {"score": 1.0, "acc": 1, "unparsed": 0, "tokens": 9}
    lost = ask(file, "both are fine", "B", step=5)
    assert lost == {"score": -1.0, "acc": 0, "unparsed": 1, "tokens": 9}
    (tally,) = (tmp_path / "tallies").glob("*.jsonl")
    assert [json.loads(line) for line in tally.read_text().splitlines()] == [
        {"step": 4, "right": 1, "score": 1.0, "unparsed": 0, "tokens": 9},
        {"step": 5, "right": 0, "score": -1.0, "unparsed": 1, "tokens": 9},
    ]


def test_a_reward_that_raises_leaves_its_traceback_and_raises(
    tmp_path: Path, install_plugin: Any
) -> None:
    install_plugin("failing", FAILING)
    with pytest.raises(reward.RewardFailed, match="KeyError: 'weight'"):
        ask(settings(tmp_path, "failing"), "<answer>[[B]]</answer>", "B")
    cause = (tmp_path / "reward-error.txt").read_text()
    assert 'return rubric["weight"]' in cause
    assert cause.splitlines()[-1].startswith("rmr1_core.errors.PluginFailed: ")
    assert "raised KeyError('weight')" in cause


def test_a_reward_that_is_not_there_leaves_its_cause(tmp_path: Path) -> None:
    with pytest.raises(reward.RewardFailed, match="no reward named 'verdct'"):
        ask(settings(tmp_path, "verdct"), "<answer>[[B]]</answer>", "B")


def test_a_process_that_ends_is_told(tmp_path: Path) -> None:
    with pytest.raises(reward.RewardFailed, match="reward's process ended"):
        ask(settings(tmp_path, "verdict", python="/bin/true"), "text", "A")
