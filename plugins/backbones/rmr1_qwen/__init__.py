"""The backbones of the RM-R1 paper: Qwen2.5-Instruct, DeepSeek-R1-Distill-Qwen, and RM-R1 itself.

The paper lets a judge write up to 50,000 tokens, which is more than Qwen2.5's context of 32,768;
the limits here end the rare answer that never ends much earlier, and truncated answers are
counted beside every score. `rmr1 bench --max-new-tokens` sets another limit.

Each released RM-R1 checkpoint knows one exact wording of its prompt. It judges with any, and best
with its own: `rmr1 prompts learn` derives that from the published training data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rmr1_core import Backbone, hookimpl

SIZES = (7, 14, 32)
"""Billions of parameters."""

_INSTRUCT_TOKENS = 8192
_REASONING_TOKENS = 16_384


@hookimpl
def rmr1_backbones() -> Iterable[Backbone]:
    """Offer three families in three sizes, trained and untrained."""
    return [*_untrained(), *_released()]


def _untrained() -> Iterator[Backbone]:
    """What the paper trains, with its training options by size."""
    from rmr1_qwen.presets import presets

    for size in SIZES:
        yield Backbone(
            name=f"qwen{size}b",
            summary=f"Qwen2.5-Instruct, {size} B parameters",
            model=f"Qwen/Qwen2.5-{size}B-Instruct",
            max_new_tokens=_INSTRUCT_TOKENS,
            presets=presets("instruct", size),
        )
    for size in SIZES:
        yield Backbone(
            name=f"deepseek{size}b",
            summary=f"DeepSeek-R1-Distill-Qwen, {size} B parameters",
            model=f"deepseek-ai/DeepSeek-R1-Distill-Qwen-{size}B",
            family="reasoning",
            max_new_tokens=_REASONING_TOKENS,
            presets=presets("reasoning", size),
        )


def _released() -> Iterator[Backbone]:
    """What the paper's authors publish."""
    wording = "knows one wording of its prompt: rmr1 prompts learn"
    for size in SIZES:
        yield Backbone(
            name=f"rm-r1-qwen{size}b",
            summary=f"RM-R1 from Qwen2.5-Instruct, {size} B; {wording}",
            model=f"gaotang/RM-R1-Qwen2.5-Instruct-{size}B",
            max_new_tokens=_INSTRUCT_TOKENS,
        )
    for size in SIZES:
        yield Backbone(
            name=f"rm-r1-deepseek{size}b",
            summary=f"RM-R1 from DeepSeek-R1-Distill-Qwen, {size} B; {wording}",
            model=f"gaotang/RM-R1-DeepSeek-Distilled-Qwen-{size}B",
            family="reasoning",
            max_new_tokens=_REASONING_TOKENS,
        )
