"""Guesses at what a row writes next, from what other rows of the run have written.

Judges write to a form, so much of an answer is known from the answers before. A guess that the
model confirms saves a step; the tokens are the model's own in any case. Each context of a few
tokens has a saturating counter, as in a processor's branch predictor (Smith, 1981): only what
came true lately is guessed, so text that cannot be foreseen costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

_CONTEXT = 3
_SURE = 2
_MOST_SURE = 6
_ENTRIES = 200_000


class Drafts:
    """What followed each context of three tokens, and how reliably."""

    def __init__(self) -> None:
        self._next: dict[tuple[int, ...], list[int]] = {}

    def after(self, tokens: Sequence[int], most: int) -> list[int]:
        """Tokens likely to follow these, at most so many."""
        known, guesses = self._next, []
        context = tuple(tokens[-_CONTEXT:])
        for _ in range(most):
            entry = known.get(context)
            if entry is None or entry[1] < _SURE:
                break
            guesses.append(entry[0])
            context = (*context[1:], entry[0])
        return guesses

    def learn(self, before: Sequence[int], tokens: Sequence[int]) -> None:
        """Remember that these tokens followed those before them."""
        known = self._next
        if len(known) > _ENTRIES:
            known.clear()
        context = tuple(before[-_CONTEXT:])
        for token in tokens:
            entry = known.get(context)
            if entry is None:
                known[context] = [token, 1]
            elif entry[0] == token:
                if entry[1] < _MOST_SURE:
                    entry[1] += 1
            elif entry[1] > 2:
                entry[1] -= 2
            else:
                entry[:] = token, 1
            context = (*context[1:], token)
