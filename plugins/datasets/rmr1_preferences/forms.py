"""The forms in which people publish preferences, and how one is told from another.

    answers         prompt, and a better and a worse answer
    conversations   a better and a worse conversation, whole or from the answer on
    labelled        prompt, two answers or conversations, and a label that says which is better
    openai          input.messages, preferred_output and non_preferred_output, as OpenAI's
                    preference fine-tuning takes them
    transcripts     two whole conversations as text with "Human:" and "Assistant:", as in HH-RLHF,
                    or a prompt in this way and two answers

A conversation is a list of messages with `role` and `content`; content may be a list of parts of
text. In the first and the third form a prompt may be a text or such a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from rmr1_core import Message
from rmr1_core.datafiles import Row
from rmr1_core.errors import BadInput
from rmr1_preferences.turns import (
    Diverging,
    answers,
    conversation,
    is_transcript,
    prompt_of,
    transcript,
    transcript_prompt,
)

Kind = Literal["answers", "conversations", "labelled", "openai", "transcripts"]

PROMPTS = ("prompt", "question", "instruction", "query", "input", "context", "messages")
CHOSEN = ("chosen", "preferred", "accepted")
REJECTED = ("rejected", "non_preferred", "dispreferred")
FIRSTS = ("response_a", "response_1", "response_0", "answer_a", "answer_1", "conversation_a")
SECONDS = ("response_b", "response_2", "response_1", "answer_b", "answer_2", "conversation_b")
LABELS = ("label", "winner", "preference", "preferred_response", "better", "better_response_id")
"""Usual names of columns, in the order in which they are looked for; answers in pairs."""


TEXT: Any = str | int | float
"""What a label or an id may be."""


class Names(NamedTuple):
    """The columns that a user named; empty where the usual names are looked for."""

    prompt: str = ""
    chosen: str = ""
    rejected: str = ""
    first: str = ""
    second: str = ""
    label: str = ""


class Labels(NamedTuple):
    """Labels that mean the first answer, the second, or neither; empty: the usual ones."""

    first: tuple[str, ...] = ()
    second: tuple[str, ...] = ()
    tie: tuple[str, ...] = ()


class Compared(NamedTuple):
    """What a row says. `chosen_first` is None where it has no order of the answers."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    chosen_first: bool | None = None


class Form(NamedTuple):
    """A form with its columns. `lists` is whether the answers are lists of messages; `prompt` is
    empty where the conversations have it."""

    kind: Kind
    prompt: str
    one: str
    other: str
    label: str = ""
    lists: bool = False

    def read(self, row: Row, labels: Labels, diverging: Diverging) -> Compared | None:
        """What a row of this form says; None for a tie.

        Raises:
            BadInput: the row is not of this form; it names file, row and field.
        """
        first = favours_first(row, self, labels) if self.label else True
        if first is None:
            return None
        prompt, one, other = self._texts(row, diverging)
        chosen, rejected = (one, other) if first else (other, one)
        return Compared(prompt, chosen, rejected, first if self.label else None)

    def _texts(self, row: Row, diverging: Diverging) -> tuple[tuple[Message, ...], str, str]:
        if self.kind == "openai":
            asked = conversation(*_inner(row, self.prompt, "messages"))
            one = (*asked, *conversation(row, self.one))
            other = (*asked, *conversation(row, self.other))
        elif self.kind == "transcripts" and not self.prompt:
            one, other = transcript(row, self.one), transcript(row, self.other)
        elif self.lists:
            one, other = (self._whole(row, field) for field in (self.one, self.other))
        else:
            read = transcript_prompt if self.kind == "transcripts" else prompt_of
            return read(row, self.prompt), row.get(self.one, str), row.get(self.other, str)
        return answers(row, (self.one, one), (self.other, other), diverging)

    def _whole(self, row: Row, field: str) -> tuple[Message, ...]:
        """The conversation of a column, which may begin with the answer to the prompt's column."""
        turns = conversation(row, field)
        if turns[0].role == "assistant" and self.prompt:
            return (*prompt_of(row, self.prompt), *turns)
        return turns


def detect(values: Mapping[str, Any], names: Names, kind: Kind | None) -> Form | None:
    """The form of a row with these columns, if it is one; `kind` is what the user says it is."""
    there = {name for name, value in values.items() if value is not None}
    asked = values.get("input")
    if kind in (None, "openai") and isinstance(asked, Mapping) and "messages" in asked:
        return Form("openai", "input", "preferred_output", "non_preferred_output", lists=True)
    prompt = names.prompt or _present(PROMPTS, there)
    one, other = (
        names.chosen or _present(CHOSEN, there),
        names.rejected or _present(REJECTED, there),
    )
    if kind not in ("labelled", "openai") and {one, other} <= there:
        return _unlabelled(values, prompt, one, other, kind)
    first, second = _two(names, there)
    label = names.label or _present(LABELS, there)
    if kind in (None, "labelled") and {first, second, label} <= there:
        lists = not isinstance(values[first], str)
        return Form("labelled", prompt, first, second, label, lists) if prompt or lists else None
    return None


def _unlabelled(
    values: Mapping[str, Any], prompt: str, one: str, other: str, kind: Kind | None
) -> Form | None:
    found: Kind | None = kind
    if found is None and not isinstance(values[one], str):
        found = "conversations"
    elif found is None and prompt:
        found = "transcripts" if is_transcript(values[prompt]) else "answers"
    elif found is None and is_transcript(values[one]):
        found = "transcripts"
    if found is None or (found == "answers" and not prompt):
        return None
    return Form(found, prompt, one, other, lists=found == "conversations")


def _present(names: Sequence[str], there: set[str]) -> str:
    return next((name for name in names if name in there), "")


def _two(names: Names, there: set[str]) -> tuple[str, str]:
    if names.first or names.second:
        return names.first, names.second
    pairs = zip(FIRSTS, SECONDS, strict=True)
    return next((pair for pair in pairs if there.issuperset(pair)), ("", ""))


def favours_first(row: Row, form: Form, labels: Labels) -> bool | None:
    """Whether the label means the first answer; None for a tie.

    Raises:
        BadInput: it is missing, or nothing says what it means.
    """
    value = row.get(form.label, TEXT)
    text = _plain(value)
    if text in map(_plain, labels.first or _usual(form.one)):
        return True
    if text in map(_plain, labels.second or _usual(form.other)):
        return False
    if text in map(_plain, labels.tie):
        return None
    raise row.bad(
        form.label,
        f"{str(value)[:40]!r} means neither {form.one} nor {form.other}; if it does, say so with "
        "the options first_label and second_label, and with tie_label what is a tie",
    )


def _usual(field: str) -> tuple[str, ...]:
    """What a label says that means this column: `response_a` is meant by "A" and by "model_a"."""
    end = field.rpartition("_")[2].lower()
    return (field, end, f"model_{end}")


def _plain(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip("[] ").lower()


def _inner(row: Row, field: str, inner: str) -> tuple[Row, str]:
    """An object within a row as a row whose fields have both names, and its field of interest."""
    values = row.get(field, dict[str, Any])
    whole = Row(row.path, row.number, {f"{field}.{name}": v for name, v in values.items()})
    return whole, f"{field}.{inner}"


def no_form(row: Row, kind: Kind | None, show: str) -> BadInput:
    """The error of data that is of no known form."""
    columns = ", ".join(map(str, row.values)) or "none"
    what = f"not of the form {kind!r}" if kind else "of no form that is known"
    return BadInput(
        row.path,
        f"its columns ({columns}) are {what}; say which is which with options such as "
        f"prompt_field, chosen_field, rejected_field; see: {show}",
        row=row.number,
    )
