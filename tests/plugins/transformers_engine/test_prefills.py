"""Answers that begin with a given text."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rmr1_core import Answer, Backbone, Completion, Message, Request, Sampling

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from rmr1_transformers import TransformersEngine  # noqa: E402

ENGINE = TransformersEngine(name="transformers")


def request(prefill: str = "", **sampling: object) -> Request:
    limits = msgspec.convert({"max_new_tokens": 12, **sampling}, Sampling)
    return Request(
        id=prefill or "plain",
        messages=(Message("user", "why why"),),
        sampling=limits,
        prefill=prefill,
    )


def answered(folder: Path, *requests: Request) -> dict[str, Completion]:
    with ENGINE.open(Backbone(name="random", model=str(folder))) as session:
        answers: list[Answer] = list(session.generate(requests))
    found = {a.id: a.result for a in answers}
    return {id_: result for id_, result in found.items() if isinstance(result, Completion)}


def test_an_answer_goes_on_from_its_beginning_as_it_went_on_before(weights: Path) -> None:
    plain = answered(weights, request())["plain"]
    with ENGINE.open(Backbone(name="random", model=str(weights))) as session:
        (end,) = session.beginnings([plain.text], 4)
        begun = plain.text[:end]
        (answer,) = session.generate([request(begun)])
    again = answer.result
    assert isinstance(again, Completion)
    assert 0 < end < len(plain.text)
    assert again.text.startswith(begun)
    assert again.prompt_tokens == plain.prompt_tokens
    assert again.completion_tokens > 4


def test_what_is_given_counts_as_the_answer_s_and_not_as_the_prompt_s(weights: Path) -> None:
    found = answered(weights, request(), request("because of", max_new_tokens=2))
    tokenizer = transformers.AutoTokenizer.from_pretrained(weights)
    given = len(tokenizer("because of", add_special_tokens=False)["input_ids"])
    begun = found["because of"]
    assert begun.text.startswith("because of")
    assert given < begun.completion_tokens <= given + 2
    assert begun.prompt_tokens == found["plain"].prompt_tokens


def test_a_stop_string_in_the_beginning_stops_nothing(weights: Path) -> None:
    begun = answered(weights, request("a stop b", stop=("stop",), max_new_tokens=3))["a stop b"]
    assert begun.text.startswith("a stop b")


def test_beginnings_are_as_many_tokens_as_asked(weights: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(weights)
    text = "why question because äöü 12 because why"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    with ENGINE.open(Backbone(name="random", model=str(weights))) as session:
        for tokens in range(1, len(ids) + 2):
            (end,) = session.beginnings([text], tokens)
            again = tokenizer(text[:end], add_special_tokens=False)["input_ids"]
            assert tokens <= len(again) <= tokens + 2 or end == len(text)
        assert session.beginnings([text, ""], 99) == [len(text), 0]
