"""The key: from the environment into the request, and nowhere else."""

from __future__ import annotations

import os
import re

from rmr1_core.errors import UsageError
from rmr1_core.keys import looks_like_a_key

_SHORTEST_SECRET = 8
_DEFAULT_VARIABLE = "OPENAI_API_KEY"


class Secret:
    """The key, which is shown to nobody."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._anywhere = re.compile(re.escape(key), re.IGNORECASE) if key else None
        size = _SHORTEST_SECRET
        self._pieces = {key[i : i + size].lower() for i in range(len(key) - size + 1)}

    def __repr__(self) -> str:
        return "Secret(…)"

    def reveal(self) -> str:
        """The key, to be sent; empty where there is none."""
        return self._key

    def sentence(self, text: str, longest: int) -> str:
        """What a server said, in one printable line without the key or a long piece of it."""
        beginning = text[: longest + len(self._key)]
        line = "".join(x if x.isprintable() else "?" for x in " ".join(beginning.split()))
        return self._hide_pieces(self.hide(line))[:longest]

    def hide(self, text: str) -> str:
        """The text without the key, whatever its case."""
        return self._anywhere.sub("[key]", text) if self._anywhere else text

    def hide_in_answer(self, text: str) -> str:
        """The same for what a model wrote, where a very short key is an ordinary word."""
        is_there = len(self._key) >= _SHORTEST_SECRET and self._key.lower() in text.lower()
        return self.hide(text) if is_there else text

    def _hide_pieces(self, text: str) -> str:
        size, kept, at = _SHORTEST_SECRET, "", 0
        while at < len(text):
            end = at
            while text[end : end + size].lower() in self._pieces:
                end += 1
            kept += text[at] if end == at else "[key]"
            at = at + 1 if end == at else end + size - 1
        return kept


def key_in(variable: str) -> str:
    """The key. Raises UsageError where a named variable is not set or holds no key."""
    key = os.environ.get(variable, "").strip()
    if not key and variable != _DEFAULT_VARIABLE:
        raise UsageError(f"${variable} is not set; put the key there: export {variable}=…")
    if not looks_like_a_key(key):
        raise UsageError(f"${variable} holds what no key does; set it again: export {variable}=…")
    return key
