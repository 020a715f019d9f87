"""How much memory GRPO needs on each GPU, estimated from a model's shape.

Per GPU, with P parameters spread over N GPUs: weights, gradients and Adam's two moments are
16 P / N bytes in single precision, of which 12 P / N go to the CPU with `offload`. The reference
model, 4 P / N, waits in the CPU's memory. A pass over T tokens keeps 2 T h L bytes between its L
layers of width h, and 3 times 4 T V bytes of scores over V words, and gathers one layer at a time.
vLLM holds 2 P / TP bytes of weights and a cache of keys and values, of 4 L K d bytes for each token
(K heads of width d), and sleeps during updates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rmr1_verl.trainer import VerlGrpo

GIB = 1 << 30
WEIGHT, GRADIENT, ADAM, HALF = 4, 4, 8, 2
"""Bytes per parameter."""


@dataclass(frozen=True)
class Shape:
    """What a model's `config.json` says of its size."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_width: int
    feed_forward: int
    vocabulary: int
    context: int
    tied: bool

    @classmethod
    def read(cls, model: str) -> Shape | None:
        """The shape of a model in a folder or in the hub's cache; None where it is not known."""
        path = Path(model) / "config.json"
        if not path.is_file():
            from huggingface_hub import try_to_load_from_cache

            on_the_hub = model and not Path(model).is_absolute()
            cached = try_to_load_from_cache(model, "config.json") if on_the_hub else None
            if not isinstance(cached, str):
                return None
            path = Path(cached)
        try:
            return cls.of(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError):
            return None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Shape:
        """The shape in a configuration of transformers. Raises KeyError for another kind of
        model."""
        heads, hidden = config["num_attention_heads"], config["hidden_size"]
        return cls(
            layers=config["num_hidden_layers"],
            hidden=hidden,
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_width=config.get("head_dim") or hidden // heads,
            feed_forward=config["intermediate_size"],
            vocabulary=config["vocab_size"],
            context=config["max_position_embeddings"],
            tied=bool(config.get("tie_word_embeddings")),
        )

    @property
    def parameters(self) -> int:
        """Weights of a decoder with gated feed-forward and grouped attention."""
        attention = 2 * self.hidden * self.head_width * (self.heads + self.kv_heads)
        layer = attention + 3 * self.hidden * self.feed_forward + 2 * self.hidden
        words = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return self.layers * layer + words + self.hidden

    @property
    def cache_per_token(self) -> int:
        """Bytes of keys and values of one token, in half precision."""
        return 2 * HALF * self.layers * self.kv_heads * self.head_width


@dataclass(frozen=True)
class Need:
    """Bytes per GPU, at rest and at the two moments that need most; and on disk."""

    states: float
    update: float
    engine_weights: float
    one_answer: float
    disk: float


def need(trainer: VerlGrpo, shape: Shape) -> Need:
    """What these options need for a model of this shape."""
    gpus = trainer.nodes * max(1, trainer.gpus_per_node)
    count, tokens = shape.parameters, trainer.micro_batch_tokens
    states = (WEIGHT + GRADIENT + ADAM) * count / gpus
    layer = count / shape.layers * HALF
    passes = HALF * tokens * shape.hidden * shape.layers + 3 * 4 * tokens * shape.vocabulary
    resident = GRADIENT * count / gpus if trainer.offload else states
    length = trainer.max_prompt_length + trainer.max_response_length
    return Need(
        states=resident,
        update=states + layer + passes,
        engine_weights=HALF * count / trainer.tensor_parallel_size,
        one_answer=shape.cache_per_token * length / trainer.tensor_parallel_size,
        disk=(WEIGHT + ADAM) * count * (trainer.keep_checkpoints + 1) + HALF * count,
    )
