from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, cast

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


COMPARING = """
import time

from rmr1_core import RewardFunction, hookimpl

class Ranks(RewardFunction, frozen=True, kw_only=True):
    def __call__(self, judgment, label):
        raise AssertionError("answers to a prompt are priced together")

    def group(self, messages, judgments, label):
        if messages[0].content == "slow":
            time.sleep(0.5)
        assert messages[0].content != "bad", "no such prompt"
        lengths = sorted(len(judgment.completion.text) for judgment in judgments)
        return [float(lengths.index(len(j.completion.text))) for j in judgments]

@hookimpl
def rmr1_rewards():
    return [Ranks(name="ranks", summary="longer is better")]
"""


def settings(folder: Path, name: str, python: str = sys.executable, *, groups: float = 0.0) -> str:
    rewarding = folder / "rewarding.json"
    recipe = {"prompt": {"name": "compact"}, "reward": {"name": name}, "groups": groups > 0}
    rewarding.write_text(json.dumps(recipe))
    file = folder / "reward.json"
    told = {
        "python": python,
        "rewarding": str(rewarding),
        "cause": str(folder / "reward-error.txt"),
        "tallies": str(folder / "tallies"),
        "group_seconds": groups,
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


def ask_all(file: str, size: int, *asked: tuple[str, int, str]) -> list[Any]:
    """As veRL does with all answers of a step: (prompt, place, text), in this order."""

    async def all_at_once() -> list[Any]:
        calls = (
            reward.compute_group_score(
                data_source="toy",
                solution_str=text,
                ground_truth="B",
                extra_info={"rmr1_step": 2, "rmr1_group": told(prompt, place)},
                settings=file,
            )
            for prompt, place, text in asked
        )
        return await asyncio.gather(*calls, return_exceptions=True)

    def told(prompt: str, place: int) -> dict[str, Any]:
        messages = [{"role": "user", "content": prompt}]
        return {"key": f"uid of {prompt}", "place": place, "size": size, "messages": messages}

    return asyncio.run(all_at_once())


def test_answers_wait_for_the_others_to_their_prompt_and_are_priced_together(
    tmp_path: Path, install_plugin: Any
) -> None:
    install_plugin("comparing", COMPARING)
    file = settings(tmp_path, "ranks", groups=30.0)
    asked = [("slow", 1, "ccc"), ("one", 1, "[[B]]"), ("one", 0, "a"), ("slow", 0, "dddd")]
    paid = ask_all(file, 2, *asked)
    assert [one["score"] for one in paid] == [0.0, 1.0, 0.0, 1.0]
    assert [one["acc"] for one in paid] == [0, 1, 0, 0]
    (tally,) = (tmp_path / "tallies").glob("*.jsonl")
    assert len(tally.read_text().splitlines()) == 4


def test_a_group_that_cannot_be_priced_fails_whole_and_leaves_its_cause(
    tmp_path: Path, install_plugin: Any
) -> None:
    install_plugin("comparing", COMPARING)
    file = settings(tmp_path, "ranks", groups=30.0)
    bad, good, worse, fine = ask_all(
        file, 2, ("bad", 0, "a"), ("one", 0, "a"), ("bad", 1, "b"), ("one", 1, "bb")
    )
    assert [type(bad), type(worse)] == [reward.RewardFailed] * 2
    assert (good["score"], fine["score"]) == (0.0, 1.0)
    assert "no such prompt" in (tmp_path / "reward-error.txt").read_text()


def test_a_group_that_stays_incomplete_is_given_up_with_a_sentence(tmp_path: Path) -> None:
    (alone,) = ask_all(settings(tmp_path, "verdict", groups=0.2), 3, ("one", 2, "a"))
    assert "no reward in 0.2 s; 1 of the 3 answers to a prompt were there" in str(alone)
    assert str(alone) == (tmp_path / "reward-error.txt").read_text()


@pytest.mark.parametrize("python", [sys.executable, "/bin/true"])
def test_a_reward_of_groups_that_cannot_begin_leaves_its_cause(tmp_path: Path, python: str) -> None:
    file = settings(tmp_path, "verdct", python, groups=30.0)
    for _ in range(2):  # it is told to those that come later, too
        (alone,) = ask_all(file, 1, ("one", 0, "a"))
        assert isinstance(alone, reward.RewardFailed)
        assert "no reward named 'verdct'" in str(alone) or "process ended" in str(alone)


def test_verl_that_does_not_say_which_answers_belong_together_is_refused(tmp_path: Path) -> None:
    asked = reward.compute_group_score("toy", "a", "B", {}, settings=settings(
        tmp_path, "verdict", groups=1.0
    ))  # fmt: skip
    with pytest.raises(reward.RewardFailed, match=r"trainer\.use_v1"):
        asyncio.run(cast("Any", asked))
