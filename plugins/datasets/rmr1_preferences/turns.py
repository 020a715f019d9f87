"""Conversations as data has them, and the two answers in which two conversations differ."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Literal

import msgspec

from rmr1_core import Message
from rmr1_core.datafiles import Row

Diverging = Literal["error", "join"]
Turns = tuple[Message, ...]

_SPEAKER = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant):")
_HELPSTEER = re.compile(r"\s*<extra_id_1>(User|Assistant)\n")


class _Part(msgspec.Struct, frozen=True):
    type: str
    text: str = ""


class _Turn(msgspec.Struct, frozen=True):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | tuple[_Part, ...]


def conversation(row: Row, field: str) -> Turns:
    """A list of messages, whose content is a text or a list of parts of text.

    Raises:
        BadInput: it is missing, empty, or something else.
    """
    turns: tuple[_Turn, ...] = row.get(field, tuple[_Turn, ...])
    if not turns:
        raise row.bad(field, "has no turn")
    return tuple(_message(row, field, turn) for turn in turns)


def prompt_of(row: Row, field: str) -> Turns:
    """A conversation that ends with a user's turn: a list of messages, or the text of one turn.

    Raises:
        BadInput: it is missing, empty, or something else.
    """
    value = row.values.get(field)
    if isinstance(value, str) or field not in row.values:
        turns: Turns = (Message("user", row.get(field, str)),)
    else:
        turns = conversation(row, field)
    return asking(row, field, turns)


def asking(row: Row, field: str, turns: Turns) -> Turns:
    """The turns, if they end with a user's. Raises BadInput otherwise."""
    if not turns or turns[-1].role != "user":
        raise row.bad(field, "does not end with a user's turn, so there is nothing to answer")
    return turns


def transcript(row: Row, field: str) -> Turns:
    """A conversation as text: "\\n\\nHuman: …\\n\\nAssistant: …", as in HH-RLHF.

    Raises:
        BadInput: it is missing, or begins otherwise.
    """
    before, *parts = _SPEAKER.split(row.get(field, str))
    if before.strip() or not parts:
        raise row.bad(field, "does not begin with 'Human:' or 'Assistant:'")
    spoken = zip(parts[::2], parts[1::2], strict=True)
    return tuple(
        Message("user" if who == "Human" else "assistant", text.strip()) for who, text in spoken
    )


def is_transcript(value: object) -> bool:
    """Whether this looks like a conversation as text."""
    return isinstance(value, str) and value.lstrip().startswith("Human:") and "\n\n" in value


def transcript_prompt(row: Row, field: str) -> Turns:
    """A transcript up to the answer: what is asked, and maybe an "Assistant:" with nothing after.

    Raises:
        BadInput: it is missing, or does not end with a user's turn.
    """
    turns = transcript(row, field)
    begun = turns[-1].role == "assistant" and not turns[-1].content
    return asking(row, field, turns[:-1] if begun else turns)


def helpsteer_prompt(row: Row, field: str) -> Turns:
    """A prompt of HelpSteer: the first turn as it is, further ones after "<extra_id_1>User" and
    "<extra_id_1>Assistant".

    Raises:
        BadInput: it is missing, or does not end with a user's turn.
    """
    first, *parts = _HELPSTEER.split(row.get(field, str))
    spoken = zip(parts[::2], parts[1::2], strict=True)
    later = [Message("user" if who == "User" else "assistant", text) for who, text in spoken]
    begin = [Message("user", first)] if first.strip() else []
    return asking(row, field, (*begin, *later))


def answers(
    row: Row, one: tuple[str, Turns], other: tuple[str, Turns], diverging: Diverging
) -> tuple[Turns, str, str]:
    """What two conversations have in common, and the answer of each; both come with their fields.

    They differ in the last turn. If they differ earlier, that is an error, or with "join" all turns
    from there on are the answer, as text.

    Raises:
        BadInput: one does not end with an answer, or they have no question in common.
    """
    for field, turns in (one, other):
        if turns[-1].role != "assistant":
            raise row.bad(field, "does not end with an assistant's turn, so there is no answer")
    if one[1][:-1] == other[1][:-1]:
        return asking(row, one[0], one[1][:-1]), one[1][-1].content, other[1][-1].content
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one[1][:-1], other[1][:-1], strict=False))
    common = [pair[0] for pair in same]
    while common and common[-1].role != "user":
        common.pop()
    if not common:
        raise row.bad(other[0], f"begins another conversation than {one[0]}")
    if diverging == "error":
        raise row.bad(
            other[0],
            f"is another conversation than {one[0]} before the last turn; "
            "to keep such rows set the option diverging=join",
        )
    prompt = asking(row, one[0], tuple(common))
    return prompt, _joined(one[1][len(common) :]), _joined(other[1][len(common) :])


def _joined(turns: Turns) -> str:
    """Turns from an answer on, as one text."""
    names = {"user": "User", "assistant": "Assistant", "system": "System"}
    first, *later = turns
    head = first.content if first.role == "assistant" else f"{names[first.role]}: {first.content}"
    return "\n\n".join([head, *(f"{names[turn.role]}: {turn.content}" for turn in later)])


def _message(row: Row, field: str, turn: _Turn) -> Message:
    role = "system" if turn.role == "developer" else turn.role
    if isinstance(turn.content, str):
        return Message(role, turn.content)
    for part in turn.content:
        if part.type != "text":
            raise row.bad(field, f"has a part of type {part.type!r}, and only text can be judged")
    return Message(role, "".join(part.text for part in turn.content))
