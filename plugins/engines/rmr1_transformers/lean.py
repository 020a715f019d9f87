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

from rmr1_transformers.attention import Layout, attended

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
    model: Any, ids: torch.Tensor, here: Layout, cache: Sequence[DynamicLayer], *, last: bool
) -> torch.Tensor:
    """Logits (tokens, vocabulary) after tokens (tokens,), or after the last of each row only."""
    decoder = model.model
    hidden = decoder.embed_tokens(ids)
    cos, sin = decoder.rotary_emb(hidden[None], position_ids=here.columns[None])
    half = sin.shape[-1] // 2
    sin = torch.cat([-sin[..., :half], sin[..., half:]], -1)
    turn = cos[0, :, None], sin[0, :, None]
    final = len(cache) - 1 if last else None
    for number, (layer, kept) in enumerate(zip(decoder.layers, cache, strict=True)):
        normed = _norm(hidden, layer.input_layernorm)
        keys, values = _stored(layer.self_attn, normed, turn, kept)
        if number == final:  # what comes now concerns each token alone
            hidden, normed = hidden[here.ends], normed[here.ends]
            turn = turn[0][here.ends], turn[1][here.ends]
            here = here.last(hidden.dtype)
        query = _turned(layer.self_attn.q_proj(normed), *turn)
        seen = attended(here, query, keys, values, layer.self_attn.scaling)
        hidden = hidden + layer.self_attn.o_proj(seen.reshape(len(normed), -1))
        mlp, normed = layer.mlp, _norm(hidden, layer.post_attention_layernorm)
        gate = functional.silu(mlp.gate_proj(normed), inplace=True)
        hidden += mlp.down_proj(gate.mul_(mlp.up_proj(normed)))
    scores: torch.Tensor = model.lm_head(_norm(hidden, decoder.norm))
    return scores


def _stored(
    attention: Any, normed: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor], kept: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values of all rows, those of these tokens among them."""
    value = attention.v_proj(normed).view(len(normed), -1, attention.head_dim)
    key = _turned(attention.k_proj(normed), *turn)
    stored: tuple[torch.Tensor, torch.Tensor] = kept.update(key, value.transpose(0, 1)[None])
    return stored


def _turned(flat: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """From (tokens, heads * size) to (1, heads, tokens, size), turned by the tokens' positions.

    `sin` has its sign in the first half.
    """
    heads = flat.view(len(flat), -1, cos.shape[-1])
    half = heads.shape[-1] // 2
    swapped = torch.cat([heads[..., half:], heads[..., :half]], -1)
    turned = (heads * cos).addcmul_(swapped, sin)
    return turned.transpose(0, 1)[None]


def _norm(hidden: torch.Tensor, norm: Any) -> torch.Tensor:
    return functional.rms_norm(hidden, (hidden.shape[-1],), norm.weight, norm.variance_epsilon)
