"""The key: from the environment into the request, and nowhere else."""

from __future__ import annotations

import os
import re

from rmr1_core.errors import UsageError

_SHORTEST_SECRET = 8
_DEFAULT_VARIABLE = "OPENAI_API_KEY"


class Secret:
    """The key, which is shown to nobody."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._anywhere = re.compile(re.escape(key), re.IGNORECASE) if key else None

    def __repr__(self) -> str:
        return "Secret(…)"

    def reveal(self) -> str:
        """The key, to be sent; empty where there is none."""
        return self._key

    def hide(self, text: str) -> str:
        """The text without the key, whatever its case."""
        return self._anywhere.sub("[key]", text) if self._anywhere else text

    def hide_in_answer(self, text: str) -> str:
        """The same for what a model wrote, where a very short key is an ordinary word."""
        is_there = len(self._key) >= _SHORTEST_SECRET and self._key.lower() in text.lower()
        return self.hide(text) if is_there else text


def key_in(variable: str) -> str:
    """The key. Raises UsageError where a named variable is not set or holds no key."""
    key = os.environ.get(variable, "").strip()
    if not key and variable != _DEFAULT_VARIABLE:
        raise UsageError(f"${variable} is not set; put the key there: export {variable}=…")
    if not key.isascii() or any(letter.isspace() or not letter.isprintable() for letter in key):
        raise UsageError(f"${variable} holds what no key does; set it again: export {variable}=…")
    return key
