"""Examples that `rmr1 data` wrote, read as they were: their order, that of the answers, traces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

from rmr1_core import PATH, Dataset, Example, Option
from rmr1_core.errors import BadInput, UsageError


class Mixed(Dataset, frozen=True, kw_only=True):
    """A folder with `train.jsonl`, and files named like it for other splits; or such a file."""

    argument: ClassVar[str] = "path"
    path: Annotated[
        str, Option(extra=PATH, description="folder that a command of rmr1 data wrote, or a file")
    ] = ""

    def examples(self, split: str, *, seed: int) -> Iterator[Example]:
        """The examples of a split, in order.

        Raises:
            BadInput: a line is not such an example; it names row and field.
            UsageError: there is no such split.
        """
        from rmr1_core.examples_file import read

        return read(self._file(split))

    def check_split(self, split: str) -> None:
        """Raise UsageError unless there is a file for this split."""
        self._file(split)

    def _file(self, split: str) -> Path:
        path = Path(self.path).expanduser()
        if not self.path:
            raise UsageError(
                f"dataset {self.name!r}: say where the data is, with {self.name}:FOLDER"
            )
        if not path.exists():
            raise BadInput(path, "no such file or folder")
        if path.is_file():
            if split == "train":
                return path
            raise UsageError(f"{path} is one file, which is the split 'train', and not {split!r}")
        for name in (f"{split}.jsonl", f"{split}.jsonl.gz"):
            if (path / name).is_file():
                return path / name
        raise UsageError(f"{path} has no file {split}.jsonl for the split {split!r}")
