"""Gemma as a judge: rows for two generations, and the prompt that the older one needs.

The chat template of Gemma 2 refuses a system message, and its context has 8,192 tokens. So its rows
come with a prompt strategy that puts the words of another one into the user's turn, and with short
answers. Gemma 3 takes 128 thousand tokens, and its template accepts a system message.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from rmr1_core import Backbone, Comparison, Message, Option, PromptStrategy, Verdict, hookimpl
from rmr1_core.lookup import resolve

CONTEXT = 8192
"""Tokens of Gemma 2's context, for prompt and answer together."""


class OneTurn(PromptStrategy, frozen=True, kw_only=True):
    """Another prompt strategy, its system message at the head of the user's first turn."""

    of: Annotated[str, Option(description="the prompt strategy whose words it uses")] = (
        "cor-instruct"
    )

    def render(self, comparison: Comparison) -> tuple[Message, ...]:
        """The other strategy's messages without a system message."""
        messages = self._other().render(comparison)
        system = "".join(f"{m.content}\n\n" for m in messages if m.role == "system")
        first, *rest = (message for message in messages if message.role != "system")
        return Message(first.role, system + first.content), *rest

    def parse(self, text: str) -> Verdict:
        """The verdict, as the other strategy reads it."""
        return self._other().parse(text)

    @property
    def stop(self) -> tuple[str, ...]:
        """What ends an answer to the other strategy."""
        return self._other().stop

    def _other(self) -> PromptStrategy:
        """Looked up when it is needed: while plugins say what they offer, no name is known."""
        strategy: PromptStrategy = resolve("prompt", self.of)
        return strategy


@hookimpl
def rmr1_prompts() -> Iterable[PromptStrategy]:
    """Offer the prompt of models that get no system message."""
    return [OneTurn(name="one-turn", summary="another prompt's words without a system message")]


@hookimpl
def rmr1_backbones() -> Iterable[Backbone]:
    """Offer the instruction-tuned models of both generations."""
    for size in (2, 9, 27):
        yield Backbone(
            name=f"gemma2-{size}b",
            summary=f"Gemma 2, instruction-tuned, {size} B parameters",
            model=f"google/gemma-2-{size}b-it",
            prompt="one-turn",
            max_new_tokens=CONTEXT // 4,
            presets={"verl-grpo": {"learning_rate": 1e-6}},
        )
    for size in (4, 12, 27):
        yield Backbone(
            name=f"gemma3-{size}b",
            summary=f"Gemma 3, instruction-tuned, {size} B parameters",
            model=f"google/gemma-3-{size}b-it",
            presets={"verl-grpo": {"learning_rate": 1e-6}},
        )
