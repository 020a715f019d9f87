"""Attention over rows of different lengths, when a forward pass gets their new tokens end to end.

A model reads (1, tokens): nothing is padded where most of its work is. Only here are the tokens
sorted into rows again, each of which sees its own keys and values in the slots. Few queries per row
are multiplied plainly, which on a CPU is two to five times as fast as
`scaled_dot_product_attention`; many go to that.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

PACKED = "rmr1_packed"
"""The name under which transformers knows `packed_attention`."""

LAYOUT: ContextVar[Layout] = ContextVar("LAYOUT")
"""The layout of the forward pass that is running."""

_FEW = 32


class Layout(NamedTuple):
    """Which row each token of a forward pass belongs to, and what it sees.

    The rows stand in neighbouring slots from `first`. `slots` and `columns`, both (tokens,), say
    where a token's keys and values go; `width` is how many columns are then in use. `ends` (rows,)
    are the tokens that are their rows' last. `pick`
    (rows * longest,) and `place` (tokens,) lead from tokens to rows and back; None where every row
    has as many. `mask` is added to scores, (rows, 1, longest, width); None: each token sees what
    precedes it and nothing else is there. `lines` is where tokens go in buffers, once computed.
    """

    first: int
    rows: int
    longest: int
    width: int
    slots: torch.Tensor
    columns: torch.Tensor
    ends: torch.Tensor
    pick: torch.Tensor | None
    place: torch.Tensor | None
    mask: torch.Tensor | None
    lines: dict[tuple[int, int], torch.Tensor]

    def last(self, dtype: torch.dtype) -> Layout:
        """The same with one query per row, that of its last token."""
        mask = _hiding(self.columns[self.ends, None], self.width, dtype)
        return self._replace(longest=1, pick=None, place=None, mask=mask)

    def spread(self, query: torch.Tensor) -> torch.Tensor:
        """From (1, heads, tokens, size) to (rows, heads, longest, size)."""
        if self.pick is None:
            heads, _, size = query.shape[1:]
            return query.view(heads, self.rows, self.longest, size).transpose(0, 1)
        _, heads, tokens, size = query.shape
        flat = query.transpose(1, 2).reshape(tokens, heads * size).index_select(0, self.pick)
        return flat.view(self.rows, self.longest, heads, size).transpose(1, 2)

    def packed(self, rows: torch.Tensor) -> torch.Tensor:
        """From (rows, heads, longest, size) to (1, tokens, heads, size)."""
        _, heads, _, size = rows.shape
        flat = rows.transpose(1, 2).reshape(-1, heads * size)
        if self.place is not None:
            flat = flat.index_select(0, self.place)
        return flat.view(1, -1, heads, size)

    def store(self, new: torch.Tensor, buffer: torch.Tensor) -> None:
        """Put (1, heads, tokens, size) into its places in (slots, heads, columns, size)."""
        _, heads, columns, size = buffer.shape
        flat = self.lines.get((heads, columns))
        if flat is None:  # the same for most layers
            lines = torch.arange(heads, device=new.device) + self.slots[:, None] * heads
            flat = (lines * columns + self.columns[:, None]).view(-1)
            self.lines[heads, columns] = flat
        buffer.view(-1, size).index_copy_(0, flat, new.transpose(1, 2).reshape(-1, size))


def layout(
    first: int,
    starts: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    dtype: torch.dtype,
    device: torch.device,
) -> Layout:
    """The layout where row i has `starts[i]` tokens already and gets `counts[i]` more."""
    rows, longest = len(counts), int(counts.max())
    width = int((starts + counts).max())
    row = np.repeat(np.arange(rows), counts)
    before = np.cumsum(counts) - counts
    within = np.arange(len(row)) - before[row]
    pick = place = mask = None
    if counts.min() < longest:
        pick = np.minimum(before[:, None] + np.arange(longest), len(row) - 1).reshape(-1)
        place = row * longest + within
    if longest <= _FEW or starts.any():
        own = torch.from_numpy(starts[:, None] + np.arange(longest)).to(device)
        mask = _hiding(own, width, dtype)

    def tensor(numbers: npt.NDArray[np.int64] | None) -> Any:
        return None if numbers is None else torch.from_numpy(numbers).to(device)

    return Layout(
        first,
        rows,
        longest,
        width,
        tensor(first + row),
        tensor(starts[row] + within),
        tensor(before + counts - 1),
        tensor(pick),
        tensor(place),
        mask,
        {},
    )


def _hiding(own: torch.Tensor, width: int, dtype: torch.dtype) -> torch.Tensor:
    """What to add to scores so that queries in columns `own`, (rows, longest), see no later one."""
    hidden = torch.arange(width, device=own.device) > own[:, None, :, None]
    mask = torch.zeros(hidden.shape, dtype=dtype, device=own.device)
    return mask.masked_fill_(hidden, torch.finfo(dtype).min)


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attention in transformers' interface: query (1, heads, tokens, size), keys of all rows."""
    del module, attention_mask, options
    return attended(LAYOUT.get(), query, key, value, scaling), None


def attended(
    here: Layout,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scaling: float | None,
) -> torch.Tensor:
    """What each query sees, (1, tokens, heads, size)."""
    heads, size, shared = query.shape[1], query.shape[3], key.shape[1]
    spread = here.spread(query)
    if here.longest > _FEW:
        written = scaled_dot_product_attention(
            spread,
            key,
            value,
            attn_mask=here.mask,
            is_causal=here.mask is None,
            scale=scaling,
            enable_gqa=heads != shared,
        )
        return here.packed(written)
    # query heads that share a key head are multiplied together
    grouped = spread.reshape(here.rows, shared, -1, size)
    grouped = grouped * (size**-0.5 if scaling is None else scaling)
    scores = torch.matmul(grouped, key.transpose(2, 3))
    if here.mask is not None:
        scores.view(here.rows, shared, -1, here.longest, here.width).add_(here.mask[:, None])
    weights = torch.softmax(scores, -1, dtype=torch.float32).to(value.dtype)
    written = torch.matmul(weights, value)
    return here.packed(written.view(here.rows, heads, here.longest, -1))


AttentionInterface.register(PACKED, packed_attention)
