"""Where a row ends: at an end-of-sequence token, or right after one of the stop strings.

A table over the vocabulary says which tokens end a row and which may complete a stop string, so
that hardly any text is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_NEITHER, _MAYBE, _END = 0, 1, 2
_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")


class StopStrings:
    """Strings after which a row is complete, for one tokenizer."""

    def __init__(self, tokenizer: Any, strings: Sequence[str]) -> None:
        self.strings = tuple(strings)
        self._tokenizer = tokenizer
        self.tail = max(len(string.encode()) for string in strings) + 1
        pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        self.effects = [max(_effect(piece, string) for string in strings) for piece in pieces]

    def inside(self, tokens: Sequence[int]) -> bool:
        """Whether the text of these tokens contains one of the strings."""
        text = self._tokenizer.decode(tokens, skip_special_tokens=False)
        return any(string in text for string in self.strings)


def _effect(piece: str | None, string: str) -> int:
    """What a token does to a stop string: nothing, perhaps complete it, or contain it."""
    plain = string.isascii() and string.isprintable() and " " not in string
    if piece is None:
        return _NEITHER
    if not plain or _BYTE.fullmatch(piece):
        return _MAYBE
    if string in piece:
        return _END
    ends = (string.endswith(piece[:n]) for n in range(1, min(len(piece), len(string)) + 1))
    return _MAYBE if any(ends) else _NEITHER


class Ends:
    """Tells at which token a row ends."""

    def __init__(self, eos: frozenset[int], stop: StopStrings | None) -> None:
        self._stop = stop
        effects = [] if stop is None else stop.effects
        self._effects = {token: effect for token, effect in enumerate(effects) if effect}
        self._effects |= dict.fromkeys(eos, _END)

    def first(self, written: Sequence[int], new: Sequence[int]) -> int | None:
        """Which of the new tokens ends the row, if any, counted from 0."""
        for place, token in enumerate(new):
            effect = self._effects.get(token)
            if effect is None:
                continue
            if effect == _END:
                return place
            assert self._stop is not None
            tail = [*written[-self._stop.tail :], *new[: place + 1]][-self._stop.tail :]
            if self._stop.inside(tail):
                return place
        return None
