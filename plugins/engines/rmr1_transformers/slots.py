"""Slots: where rows keep their keys and values, written in place and copied between.

A row's tokens stand at the left of its slot, so slots may be of any length beside each other, be
given to another row, or be copied where rows begin alike. What is right of a row's length is
hidden by the layout, and overwritten when the row grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from rmr1_transformers import lean
from rmr1_transformers.attention import LAYOUT, PACKED, layout

_ROOM = 64
PORTIONS = {"cpu": 1024, "cuda": 16_384}


class SlotLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values, (slots, heads, columns, size), zeros where nothing is yet."""

    def __init__(self) -> None:
        super().__init__()
        self._shape = 0, 0

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store (1, heads, tokens, size) as the layout says, and return its rows' whole slots."""
        here = LAYOUT.get()
        if not self.is_initialized:
            self.start(keys, values)
        part = slice(here.first, here.first + here.rows)
        for buffer, new in ((self.keys, keys), (self.values, values)):
            here.store(new, buffer)
        return self.keys[part, :, : here.width], self.values[part, :, : here.width]

    def start(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Make room for what looks like this."""
        slots, columns = self._shape
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
        self.keys, self.values = (
            like.new_zeros(slots, like.shape[1], columns, like.shape[3]) for like in (keys, values)
        )

    def resize(self, slots: int, columns: int) -> None:
        """Have so many slots and columns; what lies beyond them is lost."""
        self._shape = slots, columns
        if self.is_initialized:
            before = self.keys, self.values
            self.start(*before)
            for new, old in zip((self.keys, self.values), before, strict=True):
                part = old[:slots, :, :columns]
                new[: part.shape[0], :, : part.shape[2]] = part

    def take(self, other: SlotLayer, from_: torch.Tensor, to: torch.Tensor, width: int) -> None:
        """Copy the first columns of slots of another layer, or of this one."""
        if not self.is_initialized:
            self.start(other.keys, other.values)
        for mine, theirs in ((self.keys, other.keys), (self.values, other.values)):
            mine[:, :, :width].index_copy_(0, to, theirs[:, :, :width].index_select(0, from_))


class Slots:
    """Slots of all layers."""

    def __init__(self, model: Any) -> None:
        self._model, self._slots, self._columns, self._limit = model, 0, 0, 0
        self.cache = DynamicCache(config=model.config)
        self._layers = [SlotLayer() for _ in self.cache.layers]
        self.cache.layers = self._layers
        self._plain = lean.is_plain(model)

    def reserve(self, slots: int, width: int, limit: int) -> None:
        """Have so many slots, with columns for rows of this width, which grow to this limit."""
        self._limit = limit
        if slots > self._slots or width > self._columns or limit < self._columns:
            self._slots = max(slots, self._slots) if limit >= self._columns else slots
            self._columns = min(width + max(_ROOM, width // 4), limit)
            for layer in self._layers:
                layer.resize(self._slots, self._columns)

    def take(self, other: Slots, from_: Sequence[int], to: Sequence[int], width: int) -> None:
        """Copy the first columns of other slots."""
        device = self._model.device
        source, target = torch.tensor(from_, device=device), torch.tensor(to, device=device)
        for mine, theirs in zip(self._layers, other._layers, strict=True):
            mine.take(theirs, source, target, width)

    def read(
        self, first: int, starts: Sequence[int], segments: Sequence[Sequence[int]]
    ) -> torch.Tensor:
        """Append to rows in slots from `first`; the logits after each row's last token.

        Read in portions, which bounds the memory that reading takes.
        """
        most = PORTIONS.get(self._model.device.type, PORTIONS["cuda"])
        logits, begin, tokens = [], 0, 0
        for place, segment in enumerate(segments):
            if place > begin and tokens + len(segment) > most:
                part = slice(begin, place)
                logits.append(self.append(first + begin, starts[part], segments[part], last=True))
                begin, tokens = place, 0
            tokens += len(segment)
        logits.append(self.append(first + begin, starts[begin:], segments[begin:], last=True))
        return torch.cat(logits)

    def append(
        self,
        first: int,
        starts: Sequence[int],
        segments: Sequence[Sequence[int]],
        *,
        last: bool = False,
    ) -> torch.Tensor:
        """Append to rows in slots from `first`; the logits after every token, or the last only."""
        device = self._model.device
        begin = np.asarray(starts, dtype=np.int64)
        counts = np.fromiter(map(len, segments), dtype=np.int64, count=len(segments))
        here = layout(first, begin, counts, self._model.dtype, device)
        self.reserve(self._slots, here.width, self._limit)
        ids = torch.tensor(list(chain.from_iterable(segments)), device=device)
        token = LAYOUT.set(here)
        try:
            if self._plain:
                return lean.logits(self._model, ids, here, self._layers, last=last)
            return self._by_library(ids, here.columns, here.ends if last else None)
        finally:
            LAYOUT.reset(token)

    def _by_library(
        self, ids: torch.Tensor, positions: torch.Tensor, wanted: torch.Tensor | None
    ) -> torch.Tensor:
        config = self._model.config
        loaded_with, config._attn_implementation = config._attn_implementation, PACKED
        try:
            logits: torch.Tensor = self._model(
                input_ids=ids[None],
                position_ids=positions[None],
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=0 if wanted is None else wanted,
            ).logits
        finally:
            config._attn_implementation = loaded_with
        return logits[0]
