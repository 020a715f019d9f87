"""How much memory fine-tuning needs on each GPU, estimated from a model's shape.

With P parameters on N ranks, DeepSpeed keeps 2 P bytes of weights (2 P / N with ZeRO-3, and then up
to 2e9 bytes of gathered ones), 2 P bytes of gradients (2 P / N from ZeRO-2 on), and 12 P bytes of
Adam's states and single-precision weights (12 P / N from ZeRO-1 on; none with adam_offload, and
then 16 P bytes of the machines' memory). A pass over T tokens keeps, for each of L layers of width
h, 2 T h bytes with gradient checkpointing and one layer's insides, 2 T (8 h + 3 f) with a
feed-forward of width f; without it, the insides of all. Scores over V words take 12 T V bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rmr1_openrlhf.trainer import OpenRlhfSft

GIB = 1 << 30
HALF, STATES, OFFLOADED = 2, 12, 16
"""Bytes per parameter."""
GATHERED = 2e9
"""Bytes of weights that ZeRO-3 has at a time, at most: DeepSpeed's stage3_max_live_parameters."""
SCORES = 12
"""Bytes per token and word: half precision, single precision, and the gradient of each."""


class Shape(NamedTuple):
    """What a model's configuration says of its size; `context` is in tokens."""

    layers: int
    hidden: int
    feed_forward: int
    vocabulary: int
    context: int
    parameters: int


class Need(NamedTuple):
    """Bytes on each GPU, of a node's own memory, and on disk."""

    gpu: float
    node: float
    disk: float


def shape_of(model: str) -> Shape | None:
    """The shape of a model in a folder or in the hub's cache; None where it is not known."""
    path = Path(model) / "config.json"
    if not path.is_file():
        from huggingface_hub import try_to_load_from_cache

        cached = None if Path(model).is_absolute() else try_to_load_from_cache(model, path.name)
        if not isinstance(cached, str):
            return None
        path = Path(cached)
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError):
        return None


def need(trainer: OpenRlhfSft, shape: Shape) -> Need:
    """What these options need for a model of this shape."""
    count, ranks, stage = shape.parameters, trainer.ranks, trainer.zero_stage
    weights = HALF * count / (ranks if stage == 3 else 1)
    gathered = min(GATHERED, HALF * count) if stage == 3 else 0
    gradients = HALF * count / (ranks if stage >= 2 else 1)
    states = 0 if trainer.adam_offload else STATES * count / (ranks if stage else 1)
    offloaded = OFFLOADED * count / trainer.nodes if trainer.adam_offload else 0
    saved = (STATES + HALF) * count
    return Need(
        gpu=weights + gathered + gradients + states + _passing(trainer, shape),
        node=offloaded,
        disk=saved * 2 * (trainer.save_every > 0) + HALF * count,
    )


def _passing(trainer: OpenRlhfSft, shape: Shape) -> float:
    """Bytes that a forward and backward pass keeps, at its longest."""
    tokens = trainer.micro_batch_size * trainer.max_length
    inside = HALF * tokens * (8 * shape.hidden + 3 * shape.feed_forward)
    between = HALF * tokens * shape.hidden * shape.layers
    layers = between + inside if trainer.gradient_checkpointing else inside * shape.layers
    return layers + SCORES * tokens * shape.vocabulary


def _read(config: dict[str, Any]) -> Shape:
    """The shape of a decoder with gated feed-forward and grouped attention."""
    hidden, heads, layers = (
        config["hidden_size"], config["num_attention_heads"], config["num_hidden_layers"],
    )  # fmt: skip
    width = config.get("head_dim") or hidden // heads
    shared = config.get("num_key_value_heads") or heads
    feed_forward, words = config["intermediate_size"], config["vocab_size"]
    layer = 2 * hidden * width * (heads + shared) + 3 * hidden * feed_forward + 2 * hidden
    tied = config.get("tie_word_embeddings")
    return Shape(
        layers=layers,
        hidden=hidden,
        feed_forward=feed_forward,
        vocabulary=words,
        context=config["max_position_embeddings"],
        parameters=layers * layer + words * hidden * (1 if tied else 2) + hidden,
    )
