"""From padded batches to packed tokens and back, with the results of flash-attn 2.8."""

from __future__ import annotations

import torch
from einops import rearrange

__all__ = ["index_first_axis", "pad_input", "rearrange", "unpad_input"]


def index_first_axis(tensor: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """The rows (n, ...) at `indices` (m,): (m, ...)."""
    return tensor.index_select(0, indices)


def unpad_input(
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor,
    unused_mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int, torch.Tensor]:
    """Pack the unmasked tokens of (batch, length, ...).

    Returns the tokens (total, ...), their flat indices (total,), where each row begins and the
    last one ends (batch + 1,), the longest row's length, and the used tokens of each row (batch,).
    """
    kept = attention_mask if unused_mask is None else attention_mask + unused_mask
    lengths = kept.sum(dim=1, dtype=torch.int32)
    starts = torch.zeros(len(lengths) + 1, dtype=torch.int32, device=lengths.device)
    starts[1:] = lengths.cumsum(0)
    indices = kept.flatten().nonzero().squeeze(1)
    tokens = index_first_axis(hidden_states.flatten(0, 1), indices)
    used = attention_mask.sum(dim=1, dtype=torch.int32)
    return tokens, indices, starts, int(lengths.max()), used


def pad_input(
    hidden_states: torch.Tensor, indices: torch.Tensor, batch: int, seqlen: int
) -> torch.Tensor:
    """Put packed tokens (total, ...) back to their places: (batch, seqlen, ...), else zero."""
    padded = hidden_states.new_zeros(batch * seqlen, *hidden_states.shape[1:])
    return padded.index_copy(0, indices, hidden_states).unflatten(0, (batch, seqlen))
