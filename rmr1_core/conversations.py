"""Conversations as people write them down, made the messages that a judge is asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from rmr1_core.errors import UsageError
from rmr1_core.values import Message
from rmr1_core.words import misfit

Messages = str | Sequence[Message | Mapping[str, str]]
"""A question, or a conversation that ends with what is to be answered."""


def conversation(messages: Messages) -> tuple[Message, ...]:
    """Messages as values.

    Raises:
        UsageError: they are none, or end with an answer.
    """
    if isinstance(messages, str):
        return (Message("user", messages),)
    try:
        plain = [msgspec.to_builtins(message) for message in messages]
        turns = msgspec.convert(plain, tuple[Message, ...])
    except (msgspec.ValidationError, TypeError) as error:
        problem, place = misfit(error)
        raise UsageError(f"messages{place}: {problem}; each has a role and a content") from None
    if not turns or turns[-1].role != "user":
        raise UsageError("messages: the last one is to be the user's, which both answers answer")
    return turns
