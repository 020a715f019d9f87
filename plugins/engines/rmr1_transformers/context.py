"""What a model remembers of the rows being decoded, with the library's own cache.

`LibraryContext` is right for any decoder-only model, whatever its layers are; `SlotContext` is the
fast one, for models in which every layer attends to everything.
"""

from __future__ import annotations

import abc
import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from transformers.cache_utils import DynamicCache

Prompts = Sequence[Sequence[int]]


class Context(abc.ABC):
    """The unfinished rows, in places 0 to n-1."""

    flexible: ClassVar[bool]
    """Whether rows may be admitted beside others, and be given several tokens in a step."""

    @abc.abstractmethod
    def admit(
        self, prompts: Prompts, sources: Sequence[int], limit: int
    ) -> tuple[list[int], torch.Tensor]:
        """Start row i after prompt `sources[i]`, at places after those of the rows already there.

        No row, old or new, will hold more than `limit` tokens. Returns which row stands at each
        new place, and the logits there, (rows, vocabulary).
        """

    @abc.abstractmethod
    def step(self, tokens: Prompts) -> torch.Tensor:
        """Append these tokens to each row; the logits after every one, (tokens, vocabulary)."""

    @abc.abstractmethod
    def keep(self, counts: Sequence[int]) -> None:
        """Of the tokens of the last step, keep only so many per row."""

    @abc.abstractmethod
    def drop(self, finished: Sequence[int]) -> list[int]:
        """Forget the rows at these places, and return which row now stands at each place."""


class LibraryContext(Context):
    """Any decoder-only model: a two-dimensional mask and the cache that the library chooses."""

    flexible = False

    def __init__(self, model: Any, pad: int) -> None:
        self._model, self._pad, self._device = model, pad, model.device
        self._takes_positions = "position_ids" in inspect.signature(model.forward).parameters

    def admit(
        self, prompts: Prompts, sources: Sequence[int], limit: int
    ) -> tuple[list[int], torch.Tensor]:
        """Read the prompts, padded on the left, and start the rows. No other rows may be there."""
        self._cache = DynamicCache(config=self._model.config)
        longest = max(map(len, prompts))
        padded = [[self._pad] * (longest - len(p)) + list(p) for p in prompts]
        lengths = torch.tensor([len(p) for p in prompts])
        real = torch.arange(longest)[None, :] >= (longest - lengths)[:, None]
        self._mask = real.long().to(self._device)
        positions = (self._mask.cumsum(1) - 1).clamp(min=0)
        self._positions = positions[:, -1]
        logits = self._forward(torch.tensor(padded, device=self._device), positions)
        order = list(range(len(sources)))
        if list(sources) != list(range(len(prompts))):
            logits = logits[self._select(sources)]
        return order, logits

    def step(self, tokens: Prompts) -> torch.Tensor:
        """Append a token to each row; the logits after it."""
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], 1)
        self._positions = self._positions + 1
        return self._forward(torch.tensor(tokens, device=self._device), self._positions[:, None])

    def keep(self, counts: Sequence[int]) -> None:
        """Every row has had one token, and keeps it."""

    def drop(self, finished: Sequence[int]) -> list[int]:
        """Forget the rows at these places, and return which row now stands at each place."""
        gone = set(finished)
        kept = [place for place in range(len(self._mask)) if place not in gone]
        if kept:
            self._select(kept)
        return kept

    def _select(self, rows: Sequence[int]) -> torch.Tensor:
        index = torch.tensor(rows, device=self._device)
        self._cache.reorder_cache(index)
        self._mask, self._positions = self._mask[index], self._positions[index]
        return index

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        extra = {"position_ids": positions} if self._takes_positions else {}
        logits: torch.Tensor = self._model(
            input_ids=ids,
            attention_mask=self._mask,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
            **extra,
        ).logits
        return logits[:, -1]
