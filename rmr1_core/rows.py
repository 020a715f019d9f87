"""One row of data, with errors that name file, row and field."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rmr1_core.errors import BadInput
from rmr1_core.values import Message

T = TypeVar("T")

HUB = "hub:"
"""What the path of a row from the hub begins with."""


class Row:
    """One row of a data file, which knows where it is from."""

    def __init__(self, path: Path | str, number: int, values: Mapping[str, Any]) -> None:
        self.path, self.number, self.values = path, number, values

    def get(self, field: str, type_: type[T]) -> T:
        """The field, checked against a type that msgspec understands.

        Raises:
            BadInput: the field is missing or does not fit.
        """
        if field not in self.values:
            raise BadInput(self.path, "is missing", row=self.number, field=field)
        try:
            return msgspec.convert(self.values[field], type_)
        except msgspec.ValidationError as error:
            raise self.bad(field, str(error)) from None

    def messages(self, field: str) -> tuple[Message, ...]:
        """A conversation: one user's turn as a string, or a list of objects with `role` and
        `content`, whose other keys do not matter.

        Raises:
            BadInput: the field is missing, empty, or neither of these.
        """
        if isinstance(self.values.get(field), str):
            return (Message("user", self.values[field]),)
        turns: tuple[Message, ...] = self.get(field, tuple[Message, ...])
        if not turns:
            raise self.bad(field, "has no turn")
        return turns

    def bad(self, field: str, problem: str) -> BadInput:
        """An error about one field of this row, to be raised."""
        problem = problem[:1].lower() + problem[1:]
        return BadInput(self.path, problem, row=self.number, field=field)

    @property
    def place(self) -> str:
        """Where it is from, the same on every machine: `train.jsonl:7`, `org/name:7`."""
        path = str(self.path)
        name = path.removeprefix(HUB) if path.startswith(HUB) else path.rpartition(os.sep)[2]
        return f"{name}:{self.number}"
