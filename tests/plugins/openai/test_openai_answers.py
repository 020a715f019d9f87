"""What an engine makes of the bodies that servers send."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_endpoint import Endpoint, Reply, ask, chat, request

from rmr1_core import Verdict, parse_verdict
from rmr1_openai.answers import Asked, Malformed, completion_of

Serve = Callable[..., Endpoint]


def read(body: Any, *, max_new_tokens: int = 50, **asked: Any) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return completion_of(
        content, Asked(**{"stop": ("</answer>",), "limit": max_new_tokens, **asked})
    )


def text_of(*args: Any, **fields: Any) -> str:
    text: str = read(chat(*args, **fields)).text
    return text


def test_text_and_tokens_are_those_of_the_server() -> None:
    completion = read(chat("so it is", usage={"prompt_tokens": 7, "completion_tokens": 3}))
    assert completion.text == "so it is"
    assert completion.finish_reason == "stop"
    assert (completion.prompt_tokens, completion.completion_tokens) == (7, 3)
    assert completion.cached_tokens == 0


def test_cached_tokens_are_counted() -> None:
    assert read(chat()).cached_tokens == 40
    assert read(chat(usage={"prompt_tokens": 9, "prompt_cache_hit_tokens": 5})).cached_tokens == 5


@pytest.mark.parametrize(
    "usage", [None, [], {}, {"prompt_tokens": None, "completion_tokens": "12"},
              {"prompt_tokens": -4, "prompt_tokens_details": 3}, {"prompt_tokens": True}],
)  # fmt: skip
def test_a_server_that_counts_nothing_gives_zeros(usage: Any) -> None:
    completion = read(chat("x", usage=usage))
    assert completion.text == "x"
    assert (completion.prompt_tokens, completion.completion_tokens) == (0, 0)


@pytest.mark.parametrize(
    ("said", "meant"),
    [("stop", "stop"), ("length", "length"), ("max_tokens", "length"), ("content_filter", "length"),
     ("tool_calls", "stop"), ("eos_token", "stop"), (None, "stop"), (7, "stop")],
)  # fmt: skip
def test_finish_reasons(said: Any, meant: str) -> None:
    assert read(chat("x", said)).finish_reason == meant


def test_an_unknown_finish_reason_at_the_limit_is_a_cut() -> None:
    assert read(chat("x", "done"), max_new_tokens=10).finish_reason == "length"
    assert read(chat("x", "done"), max_new_tokens=11).finish_reason == "stop"


@pytest.mark.parametrize("content", [None, [], "", 3, {"a": 1}])
def test_no_content_is_an_empty_answer(content: Any) -> None:
    assert read(chat(content)).text == ""


def test_a_call_of_a_tool_is_an_answer_without_a_verdict() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "[[A]]"}}
    body = chat(None, "tool_calls", message={"tool_calls": [call]})
    assert parse_verdict(read(body).text) is Verdict.UNPARSED


def test_a_refusal_is_the_answer() -> None:
    assert text_of(None, message={"refusal": "I will not judge"}) == "I will not judge"


def test_content_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "image"}, "x", {"text": "two"}]
    assert text_of(parts) == "one two"


# thoughts


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_a_thought_that_comes_apart_is_put_in_front(field: str) -> None:
    text = text_of("<answer>[[B]]</answer>", message={field: "\nfirst [[A]]\n"})
    assert text == "<think>\nfirst [[A]]\n</think>\n\n<answer>[[B]]</answer>"
    assert parse_verdict(text) is Verdict.B


def test_a_thought_without_an_answer_stays_open() -> None:
    text = text_of(None, "length", message={"reasoning": "I lean to <answer>[[A]]</answer>"})
    assert text == "<think>\nI lean to <answer>[[A]]</answer>"
    assert parse_verdict(text) is Verdict.UNPARSED


# stop strings


def test_a_stop_string_that_the_server_names_is_put_back() -> None:
    assert text_of("<answer>[[A]]", stop_reason="</answer>") == "<answer>[[A]]</answer>"
    assert text_of("<answer>[[A]]", matched_stop="</answer>") == "<answer>[[A]]</answer>"


def test_a_stop_string_that_the_server_kept_is_not_put_back_twice() -> None:
    kept = "<answer>[[A]]</answer>"
    assert text_of(kept, stop_reason="</answer>") == kept
    assert text_of(kept) == kept


@pytest.mark.parametrize("reason", [None, 151645, "<|im_end|>"])
def test_nothing_is_put_back_where_the_server_says_what_else_ended_it(reason: Any) -> None:
    assert text_of("<answer>[[A]]", stop_reason=reason) == "<answer>[[A]]"


def test_an_open_tag_is_closed_where_the_server_never_says_what_stopped_it() -> None:
    assert text_of("so <answer>[[A]]") == "so <answer>[[A]]</answer>"


@pytest.mark.parametrize("finish", ["length", "content_filter", "max_tokens"])
@pytest.mark.parametrize("fields", [{}, {"stop_reason": "</answer>"}])
def test_an_answer_that_was_cut_off_is_not_finished(finish: str, fields: Any) -> None:
    assert text_of("so <answer>[[A]]", finish, **fields) == "so <answer>[[A]]"


def test_an_answer_as_long_as_allowed_is_not_finished_whatever_the_server_says() -> None:
    assert read(chat("so <answer>[[A]]"), max_new_tokens=10).text == "so <answer>[[A]]"


def test_no_tag_is_closed_that_is_not_open() -> None:
    assert text_of("no tag") == "no tag"
    assert read(chat("no tag"), stop=("STOP",)).text == "no tag"


def test_nothing_is_put_back_that_the_server_was_not_told_to_leave_out() -> None:
    assert read(chat("so <answer>[[A]]"), stop_sent=False).text == "so <answer>[[A]]"
    rambling = chat("<answer>[[A]]</answer> or so")
    assert read(rambling, stop_sent=False).text == "<answer>[[A]]</answer>"


def test_what_follows_a_stop_string_is_cut_off() -> None:
    completion = read(chat("<answer>[[A]]</answer> or <answer>[[B]]</answer>", "length"))
    assert completion.text == "<answer>[[A]]</answer>"
    assert completion.finish_reason == "stop"


@given(st.text("<>/answer[]AB ", max_size=40), st.sampled_from(["length", "content_filter"]))
def test_no_cut_answer_gets_a_verdict_that_its_text_has_not(text: str, finish: str) -> None:
    completion = read(chat(text, finish, stop_reason="</answer>"))
    assert completion.text == text or "</answer>" in text


# bodies that are none


@pytest.mark.parametrize(
    ("body", "problem"),
    [(b"", "not JSON"), (b"{", "not JSON"), (b"<html>", "not JSON"), (b"\xff\xfe", "not JSON"),
     (b"[" * 100_000, "not JSON"), ([], "expected 'object'"), ({}, "choices"), ("x", "expected"),
     ({"choices": []}, "no choices"), ({"choices": None}, "choices"), ({"choices": [3]}, "choices"),
     ({"choices": [{}]}, "message"), ({"choices": [{"message": None}]}, "message"),
     ({"error": {"message": "overloaded"}}, "an error: overloaded"), ({"error": 3}, "no message"),
     (chat("x", "error"), "'error'")],
)  # fmt: skip
def test_what_is_no_chat_completion_says_why(body: Any, problem: str) -> None:
    with pytest.raises(Malformed, match=problem):
        read(body)


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    body = json.dumps(chat("a?b")).replace("a?b", "a\\ud800b").encode()
    assert read(body).text == "a?b"


def test_bytes_that_are_no_text_do_not_spoil_the_rest() -> None:
    body = json.dumps(chat("good? [[A]]")).encode().replace(b"?", b"\xff")
    assert read(body).text == "good\N{REPLACEMENT CHARACTER} [[A]]"


def test_absurd_counts_fit_a_journal() -> None:
    completion = read(json.dumps(chat("x")).replace("100", "1e300").encode())
    assert completion.prompt_tokens == 2**53


def test_a_huge_body_is_read(serve: Serve) -> None:
    text = "word " * 2_000_000
    endpoint = serve(lambda *_: Reply(chat(text)))
    (answer,) = ask(endpoint.url, requests=[request()])
    assert answer.result.text == text
