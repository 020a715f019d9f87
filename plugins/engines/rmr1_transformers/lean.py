"""The forward pass of plain decoders with fewer and cheaper operations, in single precision.

What a Llama layer does, it does in some fifty operations, each with memory of its own; written in
place and without the library's generality it is thirty. For small models on a CPU, where that is
what costs, and only for the architectures named here; the others run the library's own code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional
from transformers.cache_utils import DynamicLayer

from rmr1_transformers.attention import packed_attention

_PLAIN = {"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM"}


def is_plain(model: Any) -> bool:
    """Whether `logits` computes what this model does: known layers, without hooks or adapters."""
    return (
        type(model).__module__.startswith("transformers.models.")
        and type(model).__name__ in _PLAIN
        and model.dtype is torch.float32
        and model.device.type == "cpu"
        and model.config.hidden_act == "silu"
        and all(type(m) is torch.nn.Linear for n, m in model.named_modules() if n.endswith("proj"))
        and not any(
            m._forward_hooks or m._forward_pre_hooks or "forward" in vars(m)
            for m in model.modules()
        )
    )


def logits(
    model: Any,
    ids: torch.Tensor,
    positions: torch.Tensor,
    cache: Sequence[DynamicLayer],
    wanted: torch.Tensor | None,
) -> torch.Tensor:
    """Logits (wanted, vocabulary) of tokens (tokens,), all of them if None are chosen."""
    decoder = model.model
    hidden = decoder.embed_tokens(ids)
    cos, sin = decoder.rotary_emb(hidden[None], position_ids=positions[None])
    half = sin.shape[-1] // 2
    sin = torch.cat([-sin[..., :half], sin[..., half:]], -1)
    turn = cos[0, :, None], sin[0, :, None]
    for layer, kept in zip(decoder.layers, cache, strict=True):
        hidden = hidden + _attended(layer, _norm(hidden, layer.input_layernorm), turn, kept)
        mlp, normed = layer.mlp, _norm(hidden, layer.post_attention_layernorm)
        gate = functional.silu(mlp.gate_proj(normed), inplace=True)
        hidden += mlp.down_proj(gate.mul_(mlp.up_proj(normed)))
    if wanted is not None:
        hidden = hidden[wanted]
    scores: torch.Tensor = model.lm_head(_norm(hidden, decoder.norm))
    return scores


def _attended(
    layer: Any,
    normed: torch.Tensor,
    turn: tuple[torch.Tensor, torch.Tensor],
    kept: DynamicLayer,
) -> torch.Tensor:
    attention = layer.self_attn
    shape = (len(normed), -1, attention.head_dim)
    query = _turned(attention.q_proj(normed).view(shape), *turn).transpose(0, 1)[None]
    key = _turned(attention.k_proj(normed).view(shape), *turn).transpose(0, 1)[None]
    value = attention.v_proj(normed).view(shape).transpose(0, 1)[None]
    keys, values = kept.update(key, value)
    seen, _ = packed_attention(attention, query, keys, values, None, scaling=attention.scaling)
    result: torch.Tensor = attention.o_proj(seen.reshape(len(normed), -1))
    return result


def _turned(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions; `sin` has its sign in the first half."""
    half = heads.shape[-1] // 2
    swapped = torch.cat([heads[..., half:], heads[..., :half]], -1)
    return (heads * cos).addcmul_(swapped, sin)


def _norm(hidden: torch.Tensor, norm: Any) -> torch.Tensor:
    return functional.rms_norm(hidden, (hidden.shape[-1],), norm.weight, norm.variance_epsilon)
