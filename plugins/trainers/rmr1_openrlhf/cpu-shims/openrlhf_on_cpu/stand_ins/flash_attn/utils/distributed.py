"""Gathering that gradients flow back through."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: torch.Tensor, group: Any) -> torch.Tensor:
        ctx.group = group
        whole = own.new_empty(own.shape[0] * dist.get_world_size(group), *own.shape[1:])
        dist.all_gather_into_tensor(whole, own.contiguous(), group=group)
        return whole

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        ranks = dist.get_world_size(ctx.group)
        own = gradient.new_empty(gradient.shape[0] // ranks, *gradient.shape[1:])
        dist.reduce_scatter_tensor(own, gradient.contiguous(), group=ctx.group)
        return own, None


def all_gather(own: torch.Tensor, group: Any) -> torch.Tensor:
    """Every rank's rows (n, ...), one after the other: (ranks * n, ...)."""
    return _AllGather.apply(own, group)
