"""What rmr1 and the worker say to each other: JSON, one message a line.

Both sides import this module, and the worker's environment has no rmr1: standard library and
msgspec only. Requests have numbers here, so that an answer to one that nobody waits for any more
is told from all others, whatever ids the requests have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec


class Said(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """Base of all messages."""


class Setup(Said, frozen=True, tag="setup"):
    """To the worker, first: what to load. `arguments` are vLLM's engine arguments by name."""

    model: str
    revision: str
    arguments: Mapping[str, Any]


class Ask(Said, frozen=True, tag="ask"):
    """To the worker: one request. `messages` are (role, content); `seed` is None where greedy; the
    answer begins with `prefill`."""

    number: int
    messages: tuple[tuple[str, str], ...]
    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    prefill: str = ""


class Cut(Said, frozen=True, tag="cut"):
    """To the worker: where do the first so many tokens of this text end?"""

    number: int
    text: str
    tokens: int


class Forget(Said, frozen=True, tag="forget"):
    """To the worker: nobody waits for these any more."""

    numbers: tuple[int, ...]


class Loading(Said, frozen=True, tag="loading"):
    """From the worker: what it does before it is ready."""

    step: str


class Ready(Said, frozen=True, tag="ready"):
    """From the worker: the weights are loaded. `running` is how many requests vLLM works on at a
    time, in all its replicas."""

    facts: Mapping[str, str]
    running: int


class Refused(Said, frozen=True, tag="refused"):
    """From the worker, last: what was typed or given cannot work; one sentence."""

    why: str


class Failed(Said, frozen=True, tag="failed"):
    """From the worker, last: vLLM's own error, in one line."""

    why: str


class Wrote(Said, frozen=True, tag="wrote"):
    """From the worker: an answer. Counts are in tokens."""

    number: int
    text: str
    finish_reason: Literal["stop", "length", "prompt_too_long"]
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


class Declined(Said, frozen=True, tag="declined"):
    """From the worker: this request alone failed for good; one sentence."""

    number: int
    why: str


class Beginning(Said, frozen=True, tag="beginning"):
    """From the worker: how many characters the first tokens of a text to cut are."""

    number: int
    characters: int


ToWorker = Setup | Ask | Cut | Forget
FromWorker = Beginning | Loading | Ready | Refused | Failed | Wrote | Declined

encode = msgspec.json.Encoder().encode
to_worker = msgspec.json.Decoder(ToWorker).decode
from_worker = msgspec.json.Decoder(FromWorker).decode
