"""Training examples on disk, as `rmr1 data` writes them: JSON lines that are read as they were.

    {"id": …, "prompt": [{"role": …, "content": …}, …], "chosen": …, "rejected": …,
     "chosen_first": true, "trace": …, "tags": {"source": …, "row_id": …, "licence": …}}

`trace` is absent where there is none. A pair's `subset` and `group` are absent where they are what
they usually are: its source, and the key of its prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from rmr1_core import jsonl
from rmr1_core.datafiles import numbered_lines, prompt_key
from rmr1_core.errors import BadInput
from rmr1_core.skipping import made
from rmr1_core.values import Example, Message, Pair
from rmr1_core.words import misfit

_MISSING = re.compile("object missing required field '(?P<field>.*)'")

SOURCE = "source"
"""The tag with the name of the source that an example is from."""


class MixedRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of such a file."""

    id: str
    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    chosen_first: bool
    trace: str = ""
    subset: str = ""
    group: str = ""
    tags: Mapping[str, str] = {}


def to_row(example: Example) -> MixedRow:
    """The example as a line of a file."""
    pair = example.pair
    usual = pair.tags.get(SOURCE, "")
    return MixedRow(
        id=pair.id,
        prompt=pair.prompt,
        chosen=pair.chosen,
        rejected=pair.rejected,
        chosen_first=example.chosen_first,
        trace=example.trace,
        subset="" if pair.subset == usual else pair.subset,
        group="" if pair.group == prompt_key(pair.prompt) else pair.group,
        tags=pair.tags,
    )


def to_example(row: MixedRow) -> Example:
    """The example that a line of a file holds."""
    pair = Pair(
        id=row.id,
        subset=row.subset or row.tags.get(SOURCE, ""),
        group=row.group or prompt_key(row.prompt),
        prompt=row.prompt,
        chosen=row.chosen,
        rejected=row.rejected,
        tags=row.tags,
    )
    return Example(pair=pair, chosen_first=row.chosen_first, trace=row.trace)


def read(path: Path) -> Iterator[Example]:
    """The examples of a file, in order and with everything as it was, streamed.

    Raises:
        BadInput: a line is not such a row, and it names row and field; or the file cannot be read.
            Inside of `skipping()`, such lines are left out.
    """
    decode = msgspec.json.Decoder(MixedRow).decode

    def example(numbered: tuple[int, bytes]) -> Example:
        number, line = numbered
        try:
            return to_example(decode(line))
        except msgspec.ValidationError as error:
            raise _misfit(path, number, error) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadInput(path, f"not JSON: {misfit(error)[0]}", row=number) from None

    return made(numbered_lines(path), example)


def write(path: Path, examples: Iterable[Example]) -> None:
    """Write examples to a file, gzipped if so named, that appears only when it is complete.

    Raises:
        Rmr1Error: the disk is full or the file cannot be written.
    """
    jsonl.write(path, map(to_row, examples))


def _misfit(path: Path, number: int, error: msgspec.ValidationError) -> BadInput:
    """The error of a line that is no such row; a field that is not there is named as one."""
    problem, field = misfit(error)
    missing = _MISSING.fullmatch(problem)
    if missing is not None:
        problem, field = "is missing", f"{field}.{missing['field']}".lstrip(".")
    return BadInput(path, problem, row=number, field=field or None)
