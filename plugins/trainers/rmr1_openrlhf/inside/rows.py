"""A training example as text and tokens: just what evaluation renders, then what is to be learned.

OpenRLHF takes a conversation without its answer and one with it from the chat template, and learns
what the second has more than the first. Two things go wrong there with templates that change an
answer of the past, as DeepSeek-R1's do (they drop its thoughts), or open one with `<think>`: what
is more is cut at a wrong place. For those, `agreeing` makes a template that writes the prompt as it
is, then the answer, and the token that ends it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_BEFORE = (
    "{%- if messages and messages[-1]['role'] == 'assistant' -%}"
    "{%- set rmr1_answer = messages[-1]['content'] + eos_token -%}"
    "{%- set messages = messages[:-1] -%}{%- set add_generation_prompt = true -%}"
    "{%- endif %}"
)
_AFTER = "{%- if rmr1_answer is defined -%}{{ rmr1_answer }}{%- endif -%}"


class Example(NamedTuple):
    """A row of training data. `prompt` and `answer` are lists of messages; there is one answer."""

    id: str
    source: str
    label: str
    prompt: list[dict[str, str]]
    answer: list[dict[str, str]]


class Counts(NamedTuple):
    """Token ids of a row, prompt and answer together, and how many of them are the prompt's."""

    ids: list[int]
    prompt: int


def read(path: Path) -> Iterator[Example]:
    """The rows that rmr1 wrote.

    Raises:
        ValueError: one cannot be used; it names file and row.
    """
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                messages = [{"role": m["role"], "content": m["content"]} for m in row["messages"]]
                answer = [{"role": "assistant", "content": row["completion"]}]
                yield Example(row["id"], row["source"], row["label"], messages, answer)
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path}, row {number}: {error!r}") from None


def agreeing(tokenizer: Any, example: Example) -> str:
    """A template under which OpenRLHF learns what evaluation asks; "" when the tokenizer's does."""
    prompt = as_text(tokenizer, example.prompt, asked=True)
    whole = as_text(tokenizer, example.prompt + example.answer, asked=False)
    wanted = prompt + example.answer[0]["content"] + tokenizer.eos_token
    if whole.rstrip("\n") == wanted.rstrip("\n"):
        return ""
    template: str = tokenizer.get_chat_template()
    return _BEFORE + template + _AFTER


def encode(tokenizer: Any, example: Example) -> Counts:
    """The tokens that evaluation would send and get for this row."""
    prompt = as_text(tokenizer, example.prompt, asked=True)
    whole = prompt + example.answer[0]["content"] + tokenizer.eos_token
    ids = tokenizer([prompt, whole], add_special_tokens=False)["input_ids"]
    return Counts(ids[1], len(ids[0]))


def as_text(tokenizer: Any, messages: Sequence[dict[str, str]], *, asked: bool) -> str:
    """A conversation as the model reads it; `asked`: up to where it is to answer."""
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=asked)
    return text


def tokenizer_of(model: str) -> Any:
    """The tokenizer of weights on the hub or in a folder.

    Raises:
        ValueError: it has no chat template or no token that ends an answer.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    if not tokenizer.chat_template:
        raise ValueError(f"the tokenizer of {model} has no chat template")
    if not tokenizer.eos_token:
        raise ValueError(f"the tokenizer of {model} has no token that ends an answer")
    return tokenizer
