"""Records out of JSON that may be broken: where it breaks is said, and the rest can be kept.

A file holds a list of objects, lists of objects by name, one object, or an object per line, plain
or gzipped. Outside of `skipping()` the first break raises. Inside of it, reading goes on at the
next object that begins where objects begin in this file and has the names that its others have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rmr1_core.errors import BadInput
from rmr1_core.raw import beginning, raw_text
from rmr1_core.rows import Row
from rmr1_core.skipping import skip

__all__ = ["beginning", "read_records"]

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_GROUPS = re.compile(r'\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\[\s*(?=[{\]])')
_NAME = re.compile(r'"(?:[^"\\]|\\.)*"\s*:\s*\[')
_NO_TEXT = re.compile("[\udc80-\udcff]")
_TURN = {"role", "content"}
"""A conversation's turn is an object inside of records, and none itself."""


def read_records(path: Path) -> Iterator[Row]:
    """The records of a file, in order, numbered from 1; a broken one has a number, too.

    Raises:
        BadInput: the file cannot be read, or is no JSON; it says the record, and line and column of
            the break. Inside of `skipping()` whole records before and after a break are kept.
    """
    text = raw_text(path)
    reader = _Reader(path, text)
    if ".jsonl" in path.name:
        return reader.lines()
    start = _skip_space(text, 0)
    if text.startswith("[", start):
        return reader.list_(start + 1)
    return reader.objects(start)


class _Reader:
    """Goes through one text."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._text = path, text
        self._number = 0
        self._at = 0
        self._indent: str | None = None
        self._names: set[str] = set()
        self._cut = False

    def lines(self) -> Iterator[Row]:
        """An object per line."""
        start = 0
        for number, line in enumerate(self._text.split("\n"), start=1):
            if line.strip():
                self._number = number - 1
                try:
                    value = json.loads(line)
                except json.JSONDecodeError as error:
                    self._broken(error.msg, start + error.pos)
                except (ValueError, RecursionError) as error:
                    self._broken(str(error), start)
                else:
                    yield from self._row(value, line)
            start += len(line) + 1

    def objects(self, start: int) -> Iterator[Row]:
        """One object, lists by name, or an object per line in a file that is not named so."""
        try:
            value, end = _DECODER.raw_decode(self._text, start)
        except (ValueError, RecursionError) as error:
            if _GROUPS.match(self._text, start):
                return self._groups(start + 1)
            if self._text.startswith("{", start) and _second_line(self._text):
                return self.lines()
            self._broken(*_what(error, start))
            return iter(())
        if self._text.startswith("{", _skip_space(self._text, end)):
            return self.lines()
        if isinstance(value, dict) and value and all(map(_is_group, value.values())):
            return self._groups(start + 1)
        self._at = end
        return self._alone(value)

    def list_(self, start: int, end_of_file: bool = True) -> Iterator[Row]:
        """The objects of a list, from behind its bracket."""
        text, self._at, comma = self._text, start, -1
        while True:
            self._at = _skip_space(text, self._at)
            if text.startswith("]", self._at):
                if comma >= 0:
                    self._broken("a comma without a record after it", comma)
                self._at += 1
                break
            if self._at == len(text):
                self._ends("the file ends inside of its list")
                return
            found = self._element()
            if found is None:
                continue
            yield from found
            self._at, comma = _skip_space(text, self._at), -1
            if text.startswith(",", self._at):
                comma, self._at = self._at, self._at + 1
            elif self._at < len(text) and not text.startswith("]", self._at):
                self._broken("expecting ',' or ']'", self._at)
                self._find_next(self._at)
        if end_of_file:
            self._check_end()

    def _groups(self, start: int) -> Iterator[Row]:
        """Lists of objects by name, from behind the brace."""
        text, self._at, comma = self._text, start, -1
        while True:
            self._at = _skip_space(text, self._at)
            if name := _NAME.match(text, self._at):
                yield from self.list_(name.end(), end_of_file=False)
            elif text.startswith("}", self._at):
                if comma >= 0:
                    self._broken("a comma without a name after it", self._at)
                self._at += 1
                break
            else:
                self._ends("expecting a name in quotes and a list")
                return
            self._at, comma = _skip_space(text, self._at), -1
            if text.startswith(",", self._at):
                comma, self._at = self._at, self._at + 1
            elif not text.startswith("}", self._at):
                self._ends("expecting ',' or '}'")
                return
        self._check_end()

    def _alone(self, value: Any) -> Iterator[Row]:
        yield from self._row(value, self._text)
        self._check_end()

    def _element(self) -> Iterator[Row] | None:
        """The record that begins here; None where it is broken, and what is next may begin."""
        start = self._at
        try:
            value, self._at = _DECODER.raw_decode(self._text, start)
        except (ValueError, RecursionError) as error:
            self._broken(*_what(error, start))
            self._number += 1
            self._find_next(start + 1)
            return None
        if self._indent is None and isinstance(value, dict):
            line = self._text.rfind("\n", 0, start) + 1
            before = self._text[line:start]
            self._indent = before if line and not before.strip() else ""
        return self._row(value, self._text[start : self._at])

    def _row(self, value: Any, source: str) -> Iterator[Row]:
        self._number += 1
        error = None
        if not isinstance(value, dict):
            error = BadInput(self._path, "expected an object", row=self._number)
        elif _NO_TEXT.search(source):
            error = BadInput(self._path, "has bytes that are not UTF-8", row=self._number)
        if error:
            skip(error)
            return
        self._names = self._names or set(value)
        yield Row(self._path, self._number, value)

    def _find_next(self, start: int) -> None:
        """Go to where the next object begins after a break, or to the end.

        In a file with a line for every brace, each one that stands where the first record's does is
        a record, broken or not. Elsewhere it is the first whole object that looks like the others.
        """
        if self._indent:
            found = re.compile(rf"(?<=\n{self._indent})\{{").search(self._text, start)
            self._at = found.start() if found else len(self._text)
            self._cut = found is None
            return
        for brace in re.compile(r"(?<=[,\s])\{").finditer(self._text, start):
            try:
                value, _ = _DECODER.raw_decode(self._text, brace.start())
            except (ValueError, RecursionError):
                continue
            alike = len(self._names & set(value)) * 2 >= len(self._names)
            if alike and not set(value) <= _TURN:
                self._at = brace.start()
                return
        self._at, self._cut = len(self._text), True

    def _check_end(self) -> None:
        self._at = _skip_space(self._text, self._at)
        if self._at < len(self._text):
            self._broken("there is more after the end", self._at)

    def _ends(self, problem: str) -> None:
        """Reading ends here, before it should; where the last record is cut off, that is known."""
        if not self._cut:
            self._broken(problem, self._at)
            self._cut = True

    def _broken(self, problem: str, at: int) -> None:
        """Leave out what stands here. Raises BadInput where that is not allowed."""
        skip(self._error(problem, at))

    def _error(self, problem: str, at: int) -> BadInput:
        line = self._text.count("\n", 0, at) + 1
        column = at - (self._text.rfind("\n", 0, at) + 1) + 1
        words = problem[:1].lower() + problem[1:].removesuffix(" starting at")
        what = f"not JSON: {words} at line {line}, column {column}"
        return BadInput(self._path, what, row=self._number + 1)


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _what(error: Exception, start: int) -> tuple[str, int]:
    """What is broken, and where."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg, error.pos
    if isinstance(error, RecursionError):
        return "too deeply nested", start
    return str(error), start


def _is_group(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(member, dict) for member in value)


def _second_line(text: str) -> bool:
    """Whether one of the first lines is an object by itself, as in a file with one per line."""
    for line in text.split("\n", 20)[:20]:
        try:
            if isinstance(json.loads(line), dict):
                return True
        except (ValueError, RecursionError):
            continue
    return False
