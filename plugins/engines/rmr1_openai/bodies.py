"""What is sent for a request: only what says something.

A greedy request has no seed and no top_p, which servers need not hear of and some models refuse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from rmr1_core import Request


class Wishes(Protocol):
    """What an engine's options say of bodies."""

    @property
    def omit(self) -> Sequence[str]:
        """The fields that are left out."""

    @property
    def extra_body(self) -> Mapping[str, Any]:
        """What is added as it is."""


def body_of(engine: Wishes, model: str, request: Request, limit: int, field: str) -> bytes:
    """The JSON of a chat completion's request, with the limit of its answer in that field."""
    sampling, omit = request.sampling, engine.omit
    fields: dict[str, Any] = {"model": model, "messages": request.messages, field: limit}
    if "temperature" not in omit:
        fields["temperature"] = sampling.temperature
    if sampling.top_p != 1 and "top_p" not in omit:
        fields["top_p"] = sampling.top_p
    if sampling.temperature > 0 and "seed" not in omit:
        fields["seed"] = sampling.seed
    if sampling.stop and "stop" not in omit:
        fields["stop"] = sampling.stop
    fields.update(engine.extra_body)
    try:
        return msgspec.json.encode(fields)
    except UnicodeEncodeError:  # half a surrogate pair, which is no text
        plain = [
            {"role": m.role, "content": m.content.encode("utf-8", "replace").decode()}
            for m in request.messages
        ]
        return msgspec.json.encode({**fields, "messages": plain})
