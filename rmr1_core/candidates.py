"""The rows that were read, on the disk, and of each a few bytes in memory to choose by."""

from __future__ import annotations

import os
import tempfile
from array import array
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import msgspec

from rmr1_core.errors import Rmr1Error
from rmr1_core.examples_file import MixedRow, to_row
from rmr1_core.fingerprints import Fingerprints, spoken
from rmr1_core.overlap import Hit, Prompts
from rmr1_core.values import Example

_BUFFER = 1 << 20
_SECOND, _FIRST = b',"chosen_first":false', b',"chosen_first":true'
"""How a line says its order. Within a string its quotes would be escaped, and what comes before it
in a line are strings, so that the first of these bytes are the field."""
_NOWHERE = -1


class Provenance(NamedTuple):
    """Where a row is from: its source in the mixture, and what its tags say of it."""

    source: str
    licence: str
    domain: str


class Candidates:
    """Rows in the order in which they were added, in a file that is gone when this is closed."""

    def __init__(self, folder: Path, prompts: Prompts | None) -> None:
        self.prints = Fingerprints()
        self.provenances: list[Provenance] = []
        self.found = array("i")
        """For each row, the number of the benchmark's prompt that it has, or -1."""
        self.similarity = array("f")
        self.kinds = array("I")
        """For each row, the number of its provenance."""
        self._prompts = prompts
        self._numbers: dict[Provenance, int] = {}
        self._offsets = array("Q", [0])
        self._encode = msgspec.json.Encoder().encode
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder, buffering=_BUFFER)  # noqa: SIM115

    def __len__(self) -> int:
        return len(self.kinds)

    def add(self, example: Example, provenance: Provenance) -> None:
        """Add a row.

        Raises:
            Rmr1Error: the disk is full.
        """
        said = spoken(example.pair.prompt)
        differs = self.prints.add(example, said)
        hit = self._prompts.find(said) if self._prompts and differs else None
        number, similarity = hit or Hit(_NOWHERE, 0.0)
        self.found.append(number)
        self.similarity.append(similarity)
        number = self._numbers.setdefault(provenance, len(self.provenances))
        if number == len(self.provenances):
            self.provenances.append(provenance)
        self.kinds.append(number)
        line = self._encode(to_row(example)) + b"\n"
        self._offsets.append(self._offsets[-1] + len(line))
        try:
            self._file.write(line)
        except OSError as error:
            raise Rmr1Error(f"cannot keep the rows that were read: {error.strerror}") from error

    def provenance(self, row: int) -> Provenance:
        """Where a row is from."""
        return self.provenances[self.kinds[row]]

    def line(self, row: int, chosen_first: bool | None) -> bytes:
        """A row as a line of the mixed file, in this order of its answers, or in its own."""
        start = self._offsets[row]
        line = os.pread(self._file.fileno(), self._offsets[row + 1] - start, start)
        if chosen_first is None:
            return line
        if chosen_first:
            return line.replace(_SECOND, _FIRST, 1)
        return line.replace(_FIRST, _SECOND, 1)

    def row(self, number: int) -> MixedRow:
        """A row, decoded."""
        return msgspec.json.decode(self.line(number, None), type=MixedRow)

    def flush(self) -> None:
        """Have all rows where `line` reads them.

        Raises:
            Rmr1Error: the disk is full.
        """
        try:
            self._file.flush()
        except OSError as error:
            raise Rmr1Error(f"cannot keep the rows that were read: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # what is still buffered is not wanted any more
            self._file.close()
