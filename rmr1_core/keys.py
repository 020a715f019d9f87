"""Keys of services: whether one is there and can be one. No key is ever shown."""

from __future__ import annotations

import os

from rmr1_core.values import Check


def looks_like_a_key(text: str) -> bool:
    """Whether all of the text is printable ASCII without white space, as keys are."""
    return text.isascii() and all(c.isprintable() and not c.isspace() for c in text)


def key_check(variable: str, purpose: str) -> Check:
    """Whether this environment variable holds a key; `purpose` says who needs it."""
    key = os.environ.get(variable, "").strip()
    if not key:
        detail = f"not set; needed for {purpose} only: export {variable}=…"
        return Check(name=variable, ok=None, detail=detail)
    if not looks_like_a_key(key):
        detail = f"holds what no key does, such as white space; set it again: export {variable}=…"
        return Check(name=variable, ok=False, detail=detail)
    return Check(name=variable, ok=True, detail="set")
