"""What `rmr1 judge` is asked about: texts from arguments and files, JSON, or an editor."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from rmr1_core.conversations import conversation
from rmr1_core.errors import UsageError
from rmr1_core.values import Message
from rmr1_core.words import misfit

_HEADING = re.compile(r"^=== (QUESTION|ANSWER [A-Z]) ===[ \t]*$", re.MULTILINE)
_HINT = "#: "
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Case(NamedTuple):
    """A conversation with the answers to compare; `where` names it in messages, and `id` is what
    its row was called."""

    messages: tuple[Message, ...]
    answers: tuple[str, ...]
    where: str = ""
    id: Any = None


def from_texts(texts: Sequence[str]) -> Case:
    """A question and its answers, each a text or @FILE (@- is standard input, @@ begins a text
    with @).

    Raises:
        UsageError: a file cannot be read, or there is nothing.
    """
    if not texts:
        raise UsageError("nothing to judge; give a question and answers; see: rmr1 judge --help")
    question, *answers = [text_of(text) for text in texts]
    return Case(conversation(question), tuple(answers))


def from_json(text: str, source: str) -> tuple[list[Case], bool]:
    """The cases in one JSON object, an array of them, or JSON lines; and whether they are many.

    Raises:
        UsageError: which names the row and the field, when something is no case.
    """
    try:
        whole = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return list(_lines(text, source)), True
    if isinstance(whole, list):
        numbered = enumerate(whole, start=1)
        return [_case(row, f"{source}, row {number}") for number, row in numbered], True
    return [_case(whole, source)], False


def from_editor(texts: Sequence[str], answers: int) -> Case:
    """What is written in an editor, under headings for the question and so many answers.

    Raises:
        UsageError: nothing was saved, or a part is missing.
    """
    given = [text_of(text) for text in texts]
    written = click.edit(template(given, max(answers, len(given) - 1)), extension=".txt")
    if written is None:
        raise UsageError("nothing was saved in the editor; write the texts, and save")
    return from_template(written)


def template(given: Sequence[str], answers: int) -> str:
    """The text to fill in, with what is given already."""
    hint = f"{_HINT}Write beneath each heading, save and close. Lines like this one are left out.\n"
    parts = [hint]
    for place, heading in enumerate(["QUESTION", *(f"ANSWER {x}" for x in _LETTERS[:answers])]):
        text = given[place] if place < len(given) else ""
        parts.append(f"=== {heading} ===\n{text}\n")
    return "\n".join(parts)


def from_template(written: str) -> Case:
    """The case in a template that was filled in.

    Raises:
        UsageError: the headings are gone or out of order, or there is nothing under one.
    """
    lines = [line for line in written.splitlines() if not line.startswith(_HINT)]
    _, *parts = _HEADING.split("\n".join(lines))
    headings, texts = parts[::2], [text.strip("\n") for text in parts[1::2]]
    wanted = ["QUESTION", *(f"ANSWER {x}" for x in _LETTERS)][: max(len(headings), 3)]
    if headings != wanted:
        missing = next((w for w in wanted if w not in headings), "the order of the headings")
        raise UsageError(f"the template is unfinished: see to {missing}, and try again with --edit")
    for heading, text in zip(headings, texts, strict=True):
        if not text.strip():
            raise UsageError(
                f"the template is unfinished: there is nothing under {heading}; "
                "fill it in with --edit"
            )
    return Case(conversation(texts[0]), tuple(texts[1:]))


def text_of(given: str) -> str:
    """A text that was typed, or what @FILE has. Raises UsageError where there is no such file."""
    if given == "@-":
        return sys.stdin.read()
    if given.startswith("@") and not given.startswith("@@"):
        return read_file(given[1:])
    return given.removeprefix("@")


def read_file(path: str) -> str:
    """The text of a file. Raises UsageError where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: {misfit(error)[0]}; give a text file") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; give the path of a text file") from None


def _lines(text: str, source: str) -> Iterator[Case]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{source}, line {number}"
        try:
            row = msgspec.json.decode(line)
        except msgspec.DecodeError as error:
            raise UsageError(
                f"{where}: {misfit(error)[0]}; give JSON, or texts as arguments"
            ) from None
        yield _case(row, where)


def _case(row: Any, where: str) -> Case:
    if not isinstance(row, Mapping):
        raise UsageError(f"{where}: expected an object with prompt, a and b")
    asked = row.get("messages", row.get("prompt"))
    if not isinstance(asked, str | list):
        raise UsageError(f"{where}: give prompt (a text) or messages (a list)")
    try:
        messages = conversation(asked)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
    return Case(messages, tuple(_answers(row, where)), where, row.get("id"))


def _answers(row: Mapping[str, Any], where: str) -> Iterator[str]:
    if "answers" in row:
        listed = row["answers"]
        if not isinstance(listed, list):
            raise UsageError(f"{where}: answers is to be a list of texts")
        named = [(f"answers[{place}]", value) for place, value in enumerate(listed)]
    else:
        fields = ("a", "b") if "a" in row else ("chosen", "rejected")
        named = [(field, row.get(field)) for field in fields]
    for field, value in named:
        match value:
            case str() | [{"role": "assistant", "content": str()}]:
                yield value if isinstance(value, str) else value[0]["content"]
            case None:
                raise UsageError(f"{where}: {field} is missing; give a and b, or answers")
            case _:
                raise UsageError(f"{where}: {field} is to be a text")
