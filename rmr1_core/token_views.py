"""One example's tokens in one way and place, and where two such views differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import unified_diff
from typing import Literal

import msgspec

from rmr1_core.values import Value

Way = Literal["evaluation", "SFT", "RL"]


class Token(Value, frozen=True):
    """A token of the example. `loss`: whether the loss is taken on it."""

    id: int
    text: str
    special: bool
    loss: bool


class View(Value, frozen=True):
    """The example in one way and place. `prompt_tokens` of the tokens are the prompt's; `begins`
    counts those that begin a text."""

    way: Way
    where: str
    library: str
    tokens: tuple[Token, ...]
    prompt_tokens: int
    begins: int

    @property
    def title(self) -> str:
        """The way and its place, in a few words."""
        return f"{self.way} ({self.where})"


def difference(
    views: Sequence[View], asked: Mapping[str, Sequence[int]]
) -> tuple[str, tuple[str, ...]] | None:
    """A sentence and a diff on the first view whose prompt is not that of evaluation, which is the
    first of all, or whose answer is not that of SFT elsewhere; None where all agree. `asked` is the
    prompt in each place, as evaluation would have it there."""
    first = views[0]
    model = next(view for view in views if view.way == "SFT")
    for view in views[1:]:
        for part, right in (("prompt", first), ("answer", model)):
            if part == "answer" and view.way != "SFT":
                continue
            ours, theirs = _part(view, part), _part(right, part)
            if ours != theirs:
                cause = _cause(view, first, asked)
                return _sentence(view, right, part, cause), _diff(right, view, part)
    return None


def _part(view: View, part: str) -> tuple[Token, ...]:
    """The tokens of the prompt or of the answer. Its loss is no part of what a token is."""
    prompt = part == "prompt"
    tokens = view.tokens[: view.prompt_tokens] if prompt else view.tokens[view.prompt_tokens :]
    return tuple(msgspec.structs.replace(token, loss=False) for token in tokens)


def _sentence(view: View, right: View, part: str, cause: str) -> str:
    ours, theirs = _part(view, part), _part(right, part)
    both = min(len(ours), len(theirs))
    at = next((n for n in range(both) if ours[n] != theirs[n]), both)

    def said(tokens: Sequence[Token]) -> str:
        return f"{tokens[at].id} {tokens[at].text!r}" if at < len(tokens) else "nothing"

    return (
        f"{view.title} and {right.title} differ from token {at + 1} of the {part} on: "
        f"{said(ours)} instead of {said(theirs)}; {cause}"
    )


def _cause(view: View, first: View, asked: Mapping[str, Sequence[int]]) -> str:
    """Why a view may differ from evaluation, and what to do."""
    if list(asked[view.where]) != [token.id for token in first.tokens]:
        return f"{view.library} and {first.library} read this tokenizer differently"
    if view.way == "SFT":
        return "the answer's first characters join the prompt's last; begin answers otherwise"
    return "the chat template gives other tokens than its text; mend the tokenizer's files"


def _diff(right: View, view: View, part: str) -> tuple[str, ...]:
    """The differing stretches as a unified diff, a token a line."""
    sides = [[f"{t.id} {t.text!r}" for t in _part(each, part)] for each in (right, view)]
    return tuple(unified_diff(sides[0], sides[1], right.title, view.title, lineterm=""))
