"""What a trainer sends as one text, taken apart: the turns of a rendered chat, and the answer.

OpenRLHF sends a prompt as its chat template rendered it, and a query, which is the prompt and the
answer after a round through the tokenizer, with the marks that end a turn.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from rmr1_core import Message

ENDS = (
    *("<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "<end_of_turn>", "</s>"),
    *("<|end|>", "<|return|>", "<|begin_of_text|>", "<eos>", "<pad>", "<｜end▁of▁sentence｜>"),
)
"""Marks that models put after an answer. What comes after the first is no part of it."""
_TAIL = 48
"""Characters at the end of a prompt, after which an answer is found where the tokenizer or a cut
changed the beginning."""


class _Template(NamedTuple):
    """How a family of models writes a turn, with its `role` and `content`, and how it opens the
    answer."""

    turn: re.Pattern[str]
    opening: re.Pattern[str]


_TEMPLATES = (
    _Template(  # ChatML: Qwen and many others
        re.compile(r"<\|im_start\|>(?P<role>\w+)\n(?P<content>.*?)<\|im_end\|>\n?", re.S),
        re.compile(r"<\|im_start\|>assistant\n(?:<think>\n*(?:</think>\n*)?)?\Z"),
    ),
    _Template(  # Llama 3
        re.compile(
            r"(?:<\|begin_of_text\|>)?<\|start_header_id\|>(?P<role>\w+)<\|end_header_id\|>\n\n"
            r"(?P<content>.*?)<\|eot_id\|>",
            re.S,
        ),
        re.compile(r"<\|start_header_id\|>assistant<\|end_header_id\|>\n\n\Z"),
    ),
    _Template(  # Gemma
        re.compile(
            r"(?:<bos>)?<start_of_turn>(?P<role>\w+)\n(?P<content>.*?)<end_of_turn>\n?", re.S
        ),
        re.compile(r"<start_of_turn>model\n\Z"),
    ),
)
_ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
}


def turns(prompt: str) -> tuple[Message, ...]:
    """The messages of a rendered chat; a text in no known template is one question.

    A template is known where its turns and the opening of the answer make up the whole text, and
    the last turn is the user's.
    """
    for template in _TEMPLATES:
        opening = template.opening.search(prompt)
        found = _turns(template.turn, prompt[: opening.start()]) if opening else ()
        if found and found[-1].role == "user":
            return found
    return (Message("user", prompt),)


def answer_of(query: str, prompt: str) -> str | None:
    """The answer that follows the prompt in a query; None if the prompt is not in it."""
    start = len(prompt) if query.startswith(prompt) else _after_tail(query, prompt)
    if start is None:
        return None
    answer = query[start:]
    ends = [place for mark in ENDS if (place := answer.find(mark)) >= 0]
    return answer[: min(ends, default=len(answer))].strip()


def _turns(pattern: re.Pattern[str], text: str) -> tuple[Message, ...]:
    messages, place = [], 0
    while match := pattern.match(text, place):
        role = _ROLES.get(match["role"])
        if role is None:
            return ()
        messages.append(Message(role, match["content"].strip("\n")))
        place = match.end()
    return tuple(messages) if place == len(text) else ()


def _after_tail(query: str, prompt: str) -> int | None:
    tail = prompt[-_TAIL:]
    place = query.find(tail) if tail else -1
    return None if place < 0 else place + len(tail)
