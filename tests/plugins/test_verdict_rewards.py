from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmr1_core import Completion, Judgment, RewardFunction, Verdict, parse_verdict
from rmr1_core.errors import BadOption
from rmr1_verdict_rewards import rmr1_rewards
from rmr1_verdict_rewards.rewards import CombinedReward, FormatReward, VerdictReward

REASONING = "<type>Reasoning</type>\n<solution>2</solution>\n<eval>A is right</eval>\n"
CHAT = "<type>Chat</type><rubric>1. tone<justify>it asks</justify></rubric><eval>A</eval>"
ANSWER = "<answer>[[A]]</answer>"


def judgment(text: str, verdict: Verdict | None = None) -> Judgment:
    return Judgment(
        benchmark="b",
        pair_id="p",
        chosen_first=True,
        sample=0,
        verdict=parse_verdict(text) if verdict is None else verdict,
        completion=Completion(
            text=text, finish_reason="stop", prompt_tokens=1, completion_tokens=1
        ),
    )


def rewarded(text: str, **options: Any) -> float:
    return FormatReward(name="format", **options)(judgment(text), Verdict.A)


@pytest.mark.parametrize("label", [Verdict.A, Verdict.B])
@pytest.mark.parametrize("verdict", list(Verdict))
def test_only_the_right_verdict_is_paid(verdict: Verdict, label: Verdict) -> None:
    reward = VerdictReward(name="verdict")(judgment("", verdict), label)
    assert reward == (1.0 if verdict == label else -1.0)


def test_swapping_the_answers_and_the_verdict_pays_the_same() -> None:
    reward = VerdictReward(name="verdict")
    for verdict, label in [(Verdict.A, Verdict.A), (Verdict.A, Verdict.B)]:
        other = {Verdict.A: Verdict.B, Verdict.B: Verdict.A}
        mirrored = reward(judgment("", other[verdict]), other[label])
        assert reward(judgment("", verdict), label) == mirrored


@pytest.mark.parametrize(
    "text",
    [
        REASONING + ANSWER,
        CHAT + ANSWER + "\n",
        "<type>Chat</type><rubric> length 4</rubric><eval>A</eval>" + ANSWER,
        "<think>first <answer> then</think>" + REASONING + ANSWER,
        REASONING.replace("A is right", "<quote_A></eval> <answer>[[B]]</quote_A>") + ANSWER,
    ],
)
def test_the_whole_form_is_paid(text: str) -> None:
    assert rewarded(text) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        ANSWER,
        REASONING,
        REASONING + ANSWER + " I hope",
        REASONING + ANSWER + "\n</answer>",
        REASONING + ANSWER + ANSWER,
        REASONING + "<answer>A</answer>",
        REASONING.replace("Reasoning", "Chat") + ANSWER,
        REASONING.replace("Reasoning", "Maths") + ANSWER,
        REASONING.replace("2", " ") + ANSWER,
        REASONING.replace("</solution>", "") + ANSWER,
        "<eval>A</eval><type>Reasoning</type><solution>2</solution>" + ANSWER,
        CHAT.replace("</rubric>", "").replace("</eval>", "</eval></rubric>") + ANSWER,
        "<think>" + REASONING + ANSWER,
        ANSWER + REASONING,
    ],
)
def test_a_broken_form_is_not_paid(text: str) -> None:
    assert rewarded(text) == -1.0


def test_the_form_does_not_depend_on_which_answer_wins() -> None:
    text = REASONING + "<answer>[[B]]</answer>"
    reward = FormatReward(name="format")
    assert reward(judgment(text), Verdict.A) == reward(judgment(text), Verdict.B) == 1.0


def test_reasons_for_the_rubric_can_be_required() -> None:
    bare = "<type>Chat</type><rubric>1. tone</rubric><eval>A</eval>" + ANSWER
    assert rewarded(bare, justify=True) == -1.0
    assert rewarded(CHAT + ANSWER, justify=True) == 1.0


@pytest.mark.parametrize(
    ("evaluation", "paid"),
    [
        ("<quote_A>2</quote_A> against <summary_B>wrong</summary_B>", 1.0),
        ("<quote_A>2</quote_A> against nothing", -1.0),
        ("<quote_A> </quote_A><quote_B>3</quote_B>", -1.0),
    ],
)
def test_evidence_for_both_answers_can_be_required(evaluation: str, paid: float) -> None:
    text = REASONING.replace("A is right", f"so {evaluation}") + ANSWER
    assert rewarded(text, evidence=True) == paid


def test_a_judge_that_only_answers_can_be_held_to_one_tag() -> None:
    assert rewarded(ANSWER, form="answer") == 1.0
    assert rewarded("some words " + ANSWER, form="answer") == 1.0
    assert rewarded(ANSWER + ANSWER, form="answer") == -1.0
    assert rewarded(ANSWER + "!", form="answer") == -1.0


@given(st.text() | st.lists(st.sampled_from([*REASONING.split(), CHAT, ANSWER])).map("".join))
def test_every_text_gets_one_of_two_rewards(text: str) -> None:
    assert rewarded(text) in (1.0, -1.0)


def test_real_judgments_have_the_form_that_rm_r1_was_trained_to(shared: Path) -> None:
    logs = sorted((shared / "data/published/RM-R1-Qwen2.5-Instruct-32B").glob("rmb/*/*logs.json"))
    texts = {
        one["answers"]
        for path in logs
        if path.name in ("logs.json", "raw_logs.json")
        for one in json.loads(path.read_text())
    }
    good = {text for text in texts if rewarded(text, justify=True, evidence=True) > 0}
    assert (len(good), len(texts)) == (6, 8)
    for text in texts - good:  # real slips: a second closing tag, evaluations inside another
        assert text.count("</answer>") == 2 or text.count("<eval>") == 3


def test_rewards_add_up_with_their_weights() -> None:
    reward = CombinedReward(name="combined", weights={"verdict": 1.0, "format": 0.5})
    assert reward(judgment(REASONING + ANSWER), Verdict.A) == 1.5
    assert reward(judgment(REASONING + ANSWER), Verdict.B) == -0.5
    assert reward(judgment(ANSWER), Verdict.A) == 0.5


def test_a_combined_reward_passes_options_on() -> None:
    options = {"format": {"form": "answer"}}
    reward = CombinedReward(name="combined", weights={"format": 2.0}, options=options)
    assert reward(judgment(ANSWER), Verdict.A) == 2.0


COMPARING = """
from rmr1_core import Check, RewardFunction, hookimpl


class Places(RewardFunction, frozen=True, kw_only=True):
    def __call__(self, judgment, label):
        raise AssertionError("answers to a prompt are priced together")

    def group(self, messages, judgments, label):
        return [float(place) for place, _ in enumerate(judgments)]

    def checks(self):
        yield Check(name="places", ok=True, detail="there")


@hookimpl
def rmr1_rewards():
    return [Places(name="places", summary="later is better")]
"""


def test_a_reward_of_another_plugin_that_compares_can_be_added(install_plugin: Any) -> None:
    install_plugin("comparing", COMPARING)
    reward = CombinedReward(name="combined", weights={"verdict": 1.0, "places": 0.25})
    answers = [judgment(text) for text in ("[[A]]", "[[B]]", "[[A]]")]
    assert reward.group((), answers, Verdict.A) == [1.0, -0.75, 1.5]
    assert reward.sees_groups
    assert [check.name for check in reward.checks()] == ["places"]


def test_a_combination_of_rewards_that_do_not_compare_does_not() -> None:
    reward = CombinedReward(name="combined")
    assert not reward.sees_groups
    assert reward.group((), [judgment(ANSWER), judgment("")], Verdict.A) == [0.8, -1.2]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"weights": {"verdct": 1.0}}, "'verdct'"),
        ({"weights": {"combined": 1.0}}, "'combined'"),
        ({"options": {"format": {"frm": "answer"}}}, "'frm'"),
        ({"options": {"format": {"form": "wide"}}}, "'wide'"),
        ({"weights": {"verdict": 1.0}, "options": {"format": {}}}, "'format'"),
    ],
)
def test_a_wrong_combination_is_refused_when_it_is_made(fields: Any, named: str) -> None:
    with pytest.raises(BadOption, match=named):
        CombinedReward(name="combined", **fields)


def test_the_offered_rewards_are_rewards_with_one_line_of_help() -> None:
    rewards = list(rmr1_rewards())
    assert [reward.name for reward in rewards] == ["verdict", "format", "combined"]
    assert all(isinstance(reward, RewardFunction) and reward.summary for reward in rewards)
