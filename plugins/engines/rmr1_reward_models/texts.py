"""A conversation with its answer, as the model's own chat template writes it, in tokens.

Ids are made from the template's text without any that the tokenizer would add by itself, so there
is exactly one beginning of the text: the template's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from rmr1_core import Message

Side = tuple[tuple[Message, ...], str]
"""A conversation, and one answer to it."""


class Text(NamedTuple):
    """Token ids of a conversation and its answer; those of the answer's turn begin at `start`."""

    ids: tuple[int, ...]
    start: int = 0


class Writer:
    """Writes conversations with a tokenizer's chat template."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._header = lru_cache(maxsize=64)(self._find_header)

    def whole(self, side: Side) -> Text | str:
        """The conversation with its answer, or why it cannot be written."""
        try:
            return Text(tuple(self._ids(self._written(side))))
        except Exception as error:  # the boundary to a foreign template
            return f"the model's chat template refuses the conversation: {error}"

    def with_start(self, side: Side) -> Text | str:
        """The same, with the place where the answer's own tokens begin.

        They are what the template writes after the header of the answer's turn. A token in which
        the end of the header and the beginning of the answer meet is the answer's.
        """
        try:
            text, header = self._written(side), self._header(side[0])
            if not text.startswith(header):
                return "the model's chat template writes this answer's turn unlike any other's"
            encoded = self.tokenizer(
                text, add_special_tokens=False, return_offsets_mapping=True, truncation=False
            )
        except Exception as error:  # the boundary to a foreign template
            return f"the model's chat template refuses the conversation: {error}"
        ids, spans = encoded["input_ids"], encoded["offset_mapping"]
        start = next((n for n, (_, end) in enumerate(spans) if end > len(header)), len(ids))
        if start == len(ids):
            return "the model's chat template leaves nothing of this answer to score"
        return Text(tuple(ids), max(start, 1))  # nothing precedes the first token, to predict it

    def _written(self, side: Side) -> str:
        prompt, answer = side
        turns = [{"role": m.role, "content": m.content} for m in prompt]
        turns.append({"role": "assistant", "content": answer})
        written: str = self.tokenizer.apply_chat_template(turns, tokenize=False)
        return written

    def _find_header(self, prompt: tuple[Message, ...]) -> str:
        """What precedes every answer to this prompt: what two that begin differently share."""
        first, second = (self._written((prompt, word)) for word in ("one", "two"))
        places = range(min(len(first), len(second)))
        return first[: next((n for n in places if first[n] != second[n]), len(places))]

    def _ids(self, text: str) -> Sequence[int]:
        ids: Sequence[int] = self.tokenizer(text, add_special_tokens=False, truncation=False)[
            "input_ids"
        ]
        return ids
