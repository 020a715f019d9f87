"""What training options suit which family and size: the paper's, else those of its scripts.

Paper: arXiv 2505.02387, appendix G. Scripts: github.com/RM-R1-UIUC/RM-R1, `rm_r1/scripts`. Where
they differ, these are the paper's:

- Learning rates of distillation are 5e-6, 3e-6, 2e-6 by size in the paper; the scripts say 5e-6.
- vLLM gets 0.4 of a GPU's memory while it writes answers; the scripts for 7B say 0.5.

What all sizes share is in the recipes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers that depend on family and size. Learning rates are AdamW's highest.

    `nodes` are of 8 GPUs of 80 GB, for reinforcement; the scripts distil on one.
    """

    distillation: float | None
    reinforcement: float
    nodes: int


PAPER: Mapping[tuple[str, int], Size] = {
    ("instruct", 7): Size(distillation=5e-6, reinforcement=1e-6, nodes=1),
    ("instruct", 14): Size(distillation=3e-6, reinforcement=7e-7, nodes=2),
    ("instruct", 32): Size(distillation=2e-6, reinforcement=5e-7, nodes=4),
    ("reasoning", 7): Size(distillation=None, reinforcement=1e-6, nodes=1),
    ("reasoning", 14): Size(distillation=None, reinforcement=1e-6, nodes=2),
    ("reasoning", 32): Size(distillation=None, reinforcement=8e-7, nodes=4),
}
"""By family, and by billions of parameters."""


def presets(family: str, size: int) -> Mapping[str, Mapping[str, Any]]:
    """Trainer options, by trainer, for a family and a size in billions of parameters."""
    row = PAPER[family, size]
    found: dict[str, Mapping[str, Any]] = {}
    if row.distillation is not None:  # the paper does not distil into the reasoning models
        found["openrlhf-sft"] = {"learning_rate": row.distillation}
    found["verl-grpo"] = {"learning_rate": row.reinforcement, "nodes": row.nodes}
    return found
