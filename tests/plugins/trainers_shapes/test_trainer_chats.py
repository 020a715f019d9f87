"""A rendered chat is taken apart again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmr1_core import Message
from rmr1_core.testing import HOSTILE_TEXTS
from rmr1_reward_server.chats import answer_of, turns

CHATML = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n2 + 2?<|im_end|>\n"
LLAMA = (
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhello<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
GEMMA = "<bos><start_of_turn>user\nhello<end_of_turn>\n<start_of_turn>model\n"
plain = st.text(st.characters(exclude_characters="<>|\n\r", exclude_categories=("Cs",)))


def test_a_chat_in_chatml_is_its_messages():
    found = turns(CHATML + "<|im_start|>assistant\n")
    assert found == (Message("system", "Be brief."), Message("user", "2 + 2?"))


@pytest.mark.parametrize("prompt", [LLAMA, GEMMA])
def test_chats_of_llama_and_gemma_are_their_messages(prompt):
    assert turns(prompt) == (Message("user", "hello"),)


def test_an_opening_that_begins_or_skips_thoughts_is_no_turn():
    for opening in ("<think>\n", "<think>\n\n</think>\n\n"):
        assert len(turns(CHATML + "<|im_start|>assistant\n" + opening)) == 2


def test_a_text_in_no_known_template_is_one_question():
    for text in ("Human: hello\n\nAssistant:", CHATML, CHATML + "and more"):
        assert turns(text) == (Message("user", text),)


@given(st.lists(st.tuples(plain, plain), min_size=1, max_size=4), plain)
def test_every_conversation_in_chatml_comes_back(exchanges, last):
    turn = "<|im_start|>{}\n{}<|im_end|>\n"
    text = "".join(turn.format("user", a) + turn.format("assistant", b) for a, b in exchanges)
    found = turns(text + turn.format("user", last) + "<|im_start|>assistant\n")
    expected = [m for a, b in exchanges for m in (Message("user", a), Message("assistant", b))]
    assert list(found) == [*expected, Message("user", last)]


def test_an_answer_is_what_follows_the_prompt_up_to_the_first_mark():
    assert answer_of("Q: hi A: hello <|im_end|><pad>", "Q: hi A:") == "hello"


def test_an_answer_is_found_after_a_prompt_that_the_tokenizer_changed():
    prompt = "a long story " * 20 + "what happens?"
    assert answer_of("<s>" + prompt[50:] + " nothing</s>", prompt) == "nothing"


def test_a_query_without_its_prompt_has_no_answer():
    assert answer_of("something else", "Q: hi A:") is None


@given(st.text(), st.text())
def test_any_texts_are_read(query, prompt):
    turns(prompt)
    found = answer_of(prompt + query, prompt)
    assert found is not None
    assert found in query


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_texts_are_read(text):
    assert turns(text) == (Message("user", text),)
    assert answer_of(text, "prompt") is None
