from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmr1_core import Example, Message, Pair
from rmr1_core.correcting import correction
from rmr1_core.lookup import resolve
from rmr1_core.slots import Slot
from rmr1_core.testing import HOSTILE_TEXTS, example_pair
from rmr1_core.trace_filters import Limits, TraceFilters, asked_tags

CHAT = (
    "<type>Chat</type>\n<rubric>1. Kindness (100%)<justify>It is a greeting.</justify></rubric>\n"
    "<eval>A says <quote_A>good answer</quote_A>, B is bad.</eval>\n<answer>[[A]]</answer>"
)
REASONING = (
    "<type>Reasoning</type><solution>4</solution><eval>A has 4.</eval><answer>[[A]]</answer>"
)
ROW = Example(pair=example_pair(0), chosen_first=True)


def filters(prompt: str = "cor-instruct", **limits: Any) -> TraceFilters:
    return TraceFilters(resolve("prompt", prompt), Limits(**limits))


def reason(trace: str, row: Example = ROW, prompt: str = "cor-instruct", **limits: Any) -> str:
    rejection = filters(prompt, **limits).rejection(row, trace)
    return rejection.reason if rejection else ""


def of_domain(domain: str) -> Example:
    return Example(pair=example_pair(0, tags={"domain": domain}), chosen_first=True)


def test_what_is_complete_is_read_off_the_wording_of_the_prompt() -> None:
    whole = {"type", "solution", "rubric", "justify", "eval", "answer"}
    assert asked_tags(resolve("prompt", "cor-instruct")) == whole
    assert asked_tags(resolve("prompt", "cor-uncategorized")) == whole - {"type", "solution"}
    for name in ("cor-reasoning", "pairwise", "direct"):
        assert asked_tags(resolve("prompt", name)) == {"answer"}
    assert asked_tags(resolve("prompt", "compact")) == set()


@pytest.mark.parametrize("trace", [CHAT, REASONING])
def test_a_whole_trace_passes(trace: str) -> None:
    assert reason(trace) == ""


@pytest.mark.parametrize(
    "lacking",
    [
        CHAT.replace("<type>Chat</type>", ""),
        CHAT.replace("Chat", "Poetry"),
        CHAT.replace("<justify>It is a greeting.</justify>", ""),
        CHAT.replace("</rubric>", ""),
        CHAT.partition("<eval>")[0] + "<answer>[[A]]</answer>",
        CHAT.removesuffix("<answer>[[A]]</answer>") + "[[A]]",
        CHAT + " That is all.",
        REASONING.replace("4</sol", "</sol"),
        REASONING.replace("<solution>4</solution>", ""),
        "<answer>[[A]]</answer>",
        "<eval>A.</eval>" + REASONING.replace("<eval>A has 4.</eval>", ""),
    ],
)
def test_a_trace_that_lacks_a_part_of_its_form_is_incomplete(lacking: str) -> None:
    assert reason(lacking) == "incomplete form"


@pytest.mark.parametrize(("domain", "found"), [("math", "incomplete form"), ("chat", "")])
def test_mathematics_and_code_are_no_chat(domain: str, found: str) -> None:
    assert reason(CHAT, of_domain(domain)) == found
    assert reason(REASONING, of_domain(domain)) == ""


def test_a_prompt_that_asks_for_the_verdict_alone_needs_nothing_else() -> None:
    thought = "<think>A is good.</think>\n<answer>[[A]]</answer>"
    assert reason(thought, prompt="cor-reasoning") == ""
    assert filters("cor-reasoning").trace_of(thought) == thought
    assert filters().trace_of(f"<think>Hm.</think>\n{CHAT}\n") == CHAT
    assert reason("A is better. [[A]]", prompt="compact") == ""


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("good answer 0", ""),
        ("“good\n answer”", ""),
        ("good … 0", ""),
        ("answer … good", "quote not in the answer"),
        ("bad answer", "quote not in the answer"),
        (" ", "quote not in the answer"),
        ("Good answer", "quote not in the answer"),
    ],
)
def test_quotations_must_be_in_their_answer(quote: str, found: str) -> None:
    assert reason(CHAT.replace("good answer", quote)) == found


def test_a_quotation_is_looked_for_in_the_answer_that_was_shown_under_its_letter() -> None:
    swapped = Example(pair=ROW.pair, chosen_first=False)
    assert reason(CHAT, swapped) == "quote not in the answer"
    assert reason(CHAT.replace("good answer", "bad answer"), swapped) == ""
    assert reason(CHAT.replace("</quote_A>", "")) == "quote not in the answer"


@pytest.mark.parametrize(
    "words",
    [
        "I was told that A is better.",
        "We have been informed of it.",
        "As you said, A wins.",
        "The correct verdict is A.",
        "The given label is A.",
        "By the ground truth, A wins.",
        "My earlier evaluation was wrong.",
        "The flawed judgment missed this.",
        "The verdict was given.",
        "I am asked to prefer response A.",
        "Knowing that [[A]] wins, I look for reasons.",
    ],
)
def test_words_that_tell_of_a_given_verdict_are_a_leak(words: str) -> None:
    assert reason(CHAT.replace("B is bad.", words)) == "leaked label"
    assert reason(f"<think>{words}</think><answer>[[A]]</answer>", prompt="cor-reasoning") == (
        "leaked label"
    )


@pytest.mark.parametrize(
    "words",
    [
        "As the user stated, a greeting is wanted.",
        "Given that response A is correct, it wins.",
        "The original answer is kept by A, and the label of the axis is right.",
        "The user asked to choose a colour.",
    ],
)
def test_what_a_judge_may_say_is_no_leak(words: str) -> None:
    assert reason(CHAT.replace("B is bad.", words)) == ""


def test_words_of_the_conversation_are_no_leak() -> None:
    pair = example_pair(0, prompt=(Message("user", "What is a ground truth?"),))
    leaky = CHAT.replace("B is bad.", "Ground truth is explained by A.")
    assert reason(leaky, Example(pair=pair, chosen_first=True)) == ""
    assert reason(leaky) == "leaked label"


def test_lengths_have_limits() -> None:
    assert reason(CHAT, min_length=len(CHAT), max_length=len(CHAT)) == ""
    assert reason(CHAT, min_length=len(CHAT) + 1) == "too short"
    assert reason(CHAT, max_length=len(CHAT) - 1) == "too long"


def test_lengths_are_in_tokens_where_somebody_counts_them() -> None:
    counted = TraceFilters(
        resolve("prompt", "cor-instruct"),
        Limits(max_length=5),
        lambda texts: [len(text.split()) for text in texts],
    )
    assert counted.rejection(ROW, CHAT) == ("too long", f"{len(CHAT.split())} tokens")


@given(
    text=st.text() | st.sampled_from(HOSTILE_TEXTS),
    prompt=st.sampled_from(["cor-instruct", "direct", "compact"]),
)
def test_any_text_is_kept_or_rejected_with_a_reason(text: str, prompt: str) -> None:
    found = filters(prompt)
    rejection = found.rejection(ROW, found.trace_of(text))
    assert rejection is None or rejection.reason
    assert rejection is not None or prompt != "cor-instruct"


# what a corrector is asked


@pytest.mark.parametrize("prompt", ["cor-instruct", "cor-reasoning", "compact"])
def test_a_corrector_is_asked_as_the_judge_and_told_the_verdict(prompt: str) -> None:
    strategy = resolve("prompt", prompt)
    flawed = "===== {slot} <answer>[[B]]</answer> ========="
    pair: Pair = ROW.pair
    messages = correction(strategy, Slot("x", pair, False, 0), flawed)
    asked = strategy.render(pair.comparison(False))
    assert messages[:-1] == asked[:-1]
    content = messages[-1].content
    assert content.startswith(asked[-1].content)
    assert "The right verdict is [[B]]." in content
    fence = "=" * 10
    assert f"{fence} FLAWED ANSWER {fence}\n{flawed}\n{fence} END OF THE FLAWED" in content
