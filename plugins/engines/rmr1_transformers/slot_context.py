"""The fast way to remember rows: slots, for models whose layers see everything.

What all prompts begin with is read once per run, what neighbours begin with once for them, and a
prompt once for all its samples. The place of a finished row is taken by the last row, and new rows
come after it, so that a step costs what the unfinished rows cost.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from rmr1_transformers.attention import PACKED
from rmr1_transformers.context import Context, Prompts
from rmr1_transformers.prefixes import common_length, stems
from rmr1_transformers.slots import Slots

_MIN_PREFIX = 16


def sees_everything(model: Any) -> bool:
    """Whether causal attention over all of a row is what every layer of the model does."""
    config = model.config
    own: str = config._attn_implementation
    odd = ("alibi", "attn_logit_softcapping", "attention_chunk_size")
    return (
        all(type(layer) is DynamicLayer for layer in DynamicCache(config=config).layers)
        and (own in ("sdpa", PACKED) or own.startswith("flash_attention"))
        and model._supports_attention_backend
        and "position_ids" in inspect.signature(model.forward).parameters
        and not any(getattr(config, name, None) for name in odd)
    )


class SlotContext(Context):
    """The unfinished rows of a model that `sees_everything`. `prompts` are those to come."""

    flexible = True

    def __init__(self, model: Any, prompts: Prompts) -> None:
        self._model = model
        self._slots = Slots(model)
        self._lengths: list[int] = []
        self._prefix = common_length(prompts)
        self._root: Slots | None = None
        if self._prefix >= _MIN_PREFIX and len(prompts) > 1:
            self._root = Slots(model)
            self._root.reserve(1, self._prefix, self._prefix)
            self._root.read(0, [0], [prompts[0][: self._prefix]])
        else:
            self._prefix = 0

    def admit(
        self, prompts: Prompts, sources: Sequence[int], limit: int
    ) -> tuple[list[int], torch.Tensor]:
        """Read each prompt into a slot, and copy it for those that continue it too."""
        base, count = len(self._lengths), len(prompts)
        width = max([*map(len, prompts), *self._lengths])
        self._slots.reserve(base + len(sources), width, limit)
        known = self._read_stems(prompts, base)
        rests = [prompt[start:] for prompt, start in zip(prompts, known, strict=True)]
        logits = self._slots.read(base, known, rests)
        leaders: dict[int, int] = {}
        followers = [
            row for row, source in enumerate(sources) if leaders.setdefault(source, row) != row
        ]
        chosen = list(range(count)) + [sources[row] for row in followers]
        if followers:
            from_ = [base + sources[row] for row in followers]
            to = list(range(base + count, base + len(chosen)))
            self._slots.take(self._slots, from_, to, max(map(len, prompts)))
            logits = logits[torch.tensor(chosen, device=logits.device)]
        self._lengths += [len(prompts[source]) for source in chosen]
        return [leaders[prompt] for prompt in range(count)] + followers, logits

    def step(self, tokens: Prompts) -> torch.Tensor:
        """Append these tokens to each row; the logits after every one, (tokens, vocabulary)."""
        return self._slots.append(0, self._lengths, tokens)

    def keep(self, counts: Sequence[int]) -> None:
        """Of the tokens of the last step, keep only so many per row."""
        self._lengths = [length + n for length, n in zip(self._lengths, counts, strict=True)]

    def drop(self, finished: Sequence[int]) -> list[int]:
        """Forget the rows at these places, and return which row now stands at each place."""
        gone = set(finished)
        count = len(self._lengths) - len(gone)
        order = list(range(count))
        to = [place for place in finished if place < count]
        from_ = [place for place in range(count, len(self._lengths)) if place not in gone]
        for new, old in zip(to, from_, strict=True):
            order[new] = old
        self._lengths = [self._lengths[place] for place in order]
        if to:
            width = max(self._lengths[place] for place in to)
            self._slots.take(self._slots, from_, to, width)
        return order

    def _read_stems(self, prompts: Prompts, base: int) -> list[int]:
        """Fill slots from `base` with what is known or shared of each prompt; how much that is."""
        known = [self._prefix] * len(prompts)
        if self._root is not None:
            places = range(base, base + len(prompts))
            self._slots.take(self._root, [0] * len(prompts), places, self._prefix)
        shared = stems(prompts, self._prefix)
        if not shared:
            return known
        longest = max(stem.length for stem in shared)
        scratch = Slots(self._model)
        scratch.reserve(len(shared), longest, longest)
        if self._root is not None:
            scratch.take(self._root, [0] * len(shared), range(len(shared)), self._prefix)
        beginnings = [prompts[stem.start][self._prefix : stem.length] for stem in shared]
        scratch.read(0, [self._prefix] * len(shared), beginnings)
        from_, to = [], []
        for number, stem in enumerate(shared):
            for place in range(stem.start, stem.stop):
                known[place] = stem.length
                from_.append(number)
                to.append(base + place)
        self._slots.take(scratch, from_, to, longest)
        return known
