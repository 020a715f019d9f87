"""Answers that begin with a given text: to tokens, back to text, and cut at a token."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any


def text_ids(tokenizer: Any, text: str) -> list[int]:
    """The tokens of a part of an answer."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def first_tokens(tokenizer: Any, text: str, tokens: int) -> int:
    """How many characters the first so many tokens of a text are; all where it has no more."""
    if tokenizer.is_fast:
        encoded = tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        offsets = encoded["offset_mapping"]
        return len(text) if len(offsets) <= tokens else max(end for _, end in offsets[:tokens])
    ids = text_ids(tokenizer, text)
    if len(ids) <= tokens:
        return len(text)
    alike = (a == b for a, b in zip(tokenizer.decode(ids[:tokens]), text, strict=False))
    return sum(takewhile(bool, alike))  # a character that is cut in two is not there


def text_after(tokenizer: Any, begun: Sequence[int], new: Sequence[int]) -> str:
    """The text of new tokens after others: some tokenizers write a text's first word without the
    space before it."""
    if not begun:
        text: str = tokenizer.decode(new, skip_special_tokens=True)
        return text
    whole: str = tokenizer.decode([*begun, *new], skip_special_tokens=True)
    return whole[len(tokenizer.decode(list(begun), skip_special_tokens=True)) :]
