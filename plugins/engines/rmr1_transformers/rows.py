"""A row: one sample of one prompt, from what is asked for to what was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from rmr1_transformers.drafts import Drafts
from rmr1_transformers.stopping import StopStrings


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How to decode a batch.

    `eos` are the token ids that end a row, `stop` the strings that do. `temperature` 0 is greedy.
    `seed` makes the seeds of rows that have none of their own. `pad` is any valid token id.
    """

    max_new_tokens: int
    eos: frozenset[int]
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: StopStrings | None = None
    pad: int = 0


class Row(NamedTuple):
    """One sample to draw: which prompt it continues, and where it must end."""

    prompt: int
    copy: int
    seed: int
    max_new_tokens: int


class Finished(NamedTuple):
    """A finished row: the `copy`-th sample of prompt number `prompt`.

    `tokens` are the new ones only, the final end-of-sequence token included if there was one.
    """

    prompt: int
    copy: int
    tokens: list[int]
    finish_reason: Literal["stop", "length"]


class Live:
    """A row being written: its new tokens so far, of which the model has read all but the last."""

    __slots__ = ("prompt", "row", "tokens")

    def __init__(self, row: Row, prompt: Sequence[int]) -> None:
        self.row, self.prompt = row, prompt
        self.tokens: list[int] = []

    def fed(self, drafts: Drafts, most: int) -> list[int]:
        """The last token, and guesses at those to follow."""
        most = min(most, self.row.max_new_tokens - len(self.tokens) - 1)
        tail = self.tokens if len(self.tokens) > 2 else [*self.prompt[-3:], *self.tokens]
        return [self.tokens[-1], *drafts.after(tail, most)]
