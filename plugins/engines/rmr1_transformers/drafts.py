"""Guesses at what a row writes next, from what other rows of the run have written.

Judges write to a form, so much of an answer is known from the answers before. A guess that the
model confirms saves a step; the tokens are the model's own in any case. Each context of a few
tokens keeps the chance that its guess comes true, as lately seen. Guesses go on while they are
likelier than not to come true together, so text that cannot be foreseen costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

_CONTEXT = 3
_ENTRIES = 200_000
# The chance of a guess seen once, how much of it each time decides anew, where another token takes
# its place, and what a guess has to be worth together with those before it.
_FIRST = 0.4
_PACE = 0.25
_LEAST = 0.25
_WORTH = 0.5


class Drafts:
    """What followed each context of three tokens, and how likely it does again."""

    def __init__(self) -> None:
        self._next: dict[tuple[int, ...], tuple[int, float]] = {}

    def after(self, tokens: Sequence[int], most: int) -> list[int]:
        """Tokens likely to follow these, at most so many."""
        known, guesses, together = self._next, [], 1.0
        context = tuple(tokens[-_CONTEXT:])
        for _ in range(most):
            token, chance = known.get(context, (0, 0.0))
            together *= chance
            if together < _WORTH:
                break
            guesses.append(token)
            context = (*context[1:], token)
        return guesses

    def learn(self, before: Sequence[int], tokens: Sequence[int]) -> None:
        """Remember that these tokens followed those before them."""
        known = self._next
        if len(known) > _ENTRIES:
            known.clear()
        context = tuple(before[-_CONTEXT:])
        for token in tokens:
            guess, chance = known.get(context, (token, 0.0))
            if not chance:
                known[context] = token, _FIRST
            elif guess == token:
                known[context] = token, chance + _PACE * (1 - chance)
            elif chance >= _LEAST:
                known[context] = guess, chance * (1 - _PACE)
            else:
                known[context] = token, _FIRST
            context = (*context[1:], token)
