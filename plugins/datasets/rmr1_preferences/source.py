"""What the sources of this plugin have in common: where the rows are, and what is said of them."""

from __future__ import annotations

import abc
import re
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from rmr1_core import PATH, Dataset, Example, Option, Pair
from rmr1_core.errors import BadInput, UsageError

if TYPE_CHECKING:
    from rmr1_core.datafiles import Row
    from rmr1_preferences.provenance import Provenance

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_ANY = ("*.jsonl", "*.jsonl.gz", "*.parquet", "*")
"""Files of the split "train" where none is named so: the first kind that is there."""
_OTHER_SPLITS = ("test", "valid", "dev", "eval")


class Source(Dataset, frozen=True, kw_only=True):
    """Rows of preferences, from local files or from the hub."""

    argument: ClassVar[str] = "path"
    path: Annotated[
        str,
        Option(
            extra=PATH,
            description="data file, or folder with one for each split; as NAME:ARGUMENT a hub id",
        ),
    ] = ""
    hub: Annotated[str, Option(description="dataset id on the hub")] = ""
    revision: Annotated[str, Option(description="branch, tag or commit on the hub")] = "main"
    config: Annotated[str, Option(description="configuration on the hub, where it has any")] = ""
    source: Annotated[
        str, Option(description="name of the data in what is made of it; empty: that of the file")
    ] = ""
    licence: Annotated[str, Option(description="note that every row keeps")] = "not stated"
    domain: Annotated[str, Option(description="domain of all rows, such as chat or math")] = ""
    domain_field: Annotated[str, Option(description="field with a row's domain")] = ""
    domains: Annotated[
        Mapping[str, str],
        Option(description="that field's values as domains; it is kept as the tag part then"),
    ] = {}
    id_field: Annotated[str, Option(description="field with upstream's own id")] = ""
    leave_out: Annotated[
        Mapping[str, tuple[str, ...]],
        Option(description="values by field; rows that have one of them are left out"),
    ] = {}
    limit: Annotated[int, Option(description="at most so many pairs; 0: all", ge=0)] = 0

    @abc.abstractmethod
    def compared(self, split: str) -> Iterator[tuple[Pair, bool | None]]:
        """The pairs of a split in upstream's order, each with whether its better answer comes
        first there; None where upstream has no order of the answers."""

    def examples(self, split: str, *, seed: int) -> Iterator[Example]:
        """The pairs in upstream's order.

        Where upstream has the answers in an order, it is kept. Where it only says which is better,
        the better one comes first and second in turn, as in RM-R1's scripts; no seed is needed.

        Raises:
            BadInput: a row cannot be used; it names file, row and field.
            UsageError: there is no such split, or the hub cannot be reached.
        """
        self.check_split(split)
        found = _ordered(self.compared(split))
        return islice(found, self.limit) if self.limit else found

    def check_split(self, split: str) -> None:
        """Raise UsageError unless there is data for this split; the hub's splits are its own."""
        if self._local is not None:
            self._files(self._local, split)
        elif not self._hub_id:
            raise UsageError(
                f"dataset {self.name!r}: say where the data is, with {self.name}:PATH or with the "
                f"option path or hub; see: rmr1 show datasets/{self.name}"
            )

    def rows(self, split: str) -> Iterator[Row]:
        """The rows of a split that are not left out."""
        from rmr1_core.datafiles import hub_rows, read_rows

        if self._local is not None:
            files = self._files(self._local, split)
            rows: Iterator[Row] = chain.from_iterable(map(read_rows, files))
        else:
            rows = hub_rows(
                self._hub_id,
                split=split,
                revision=self.revision,
                config=self.config or None,
                local=f"{self.name}:PATH",
            )
        return filter(self._wanted, rows) if self.leave_out else rows

    def provenance(self, split: str) -> Provenance:
        """What the pairs of a split keep of their rows."""
        from rmr1_preferences.provenance import Provenance

        return Provenance(
            source=self._name,
            split=split,
            licence=self.licence,
            id_field=self.id_field,
            domain=self.domain,
            domain_field=self.domain_field,
            domains=self.domains,
        )

    @property
    def _local(self) -> Path | None:
        """Where the local data is. What is typed as an argument may be a hub id."""
        path = Path(self.path).expanduser()
        is_hub_id = (
            _HUB_ID.fullmatch(self.path) and not path.exists() and not _looks_local(self.path)
        )
        return None if not self.path or is_hub_id else path

    @property
    def _hub_id(self) -> str:
        return self.path or self.hub

    @property
    def _name(self) -> str:
        """What the data is called in provenance: `source`, or the name of the file or dataset."""
        if self.source:
            return self.source
        place = self._local.absolute() if self._local is not None else Path(self._hub_id)
        return re.sub(r"(\.jsonl|\.json|\.parquet)?(\.gz)?$", "", place.name)

    def _files(self, path: Path, split: str) -> list[Path]:
        """The local files of a split, in order. Raises UsageError if there is none."""
        from rmr1_core.datafiles import find_data

        say = f"{self.name}:PATH"
        if not path.exists():
            raise BadInput(path, "no such file or folder")
        if path.is_file():
            if split != "train":
                raise UsageError(
                    f"{path} is one file, which is the split 'train'; take that one, or for the "
                    f"split {split!r} give a folder that has {split}.jsonl"
                )
            return [path]
        files = find_data(path, f"{split}.*", f"{split}-*", f"{split}_*", say=say)
        if not files and split == "train":
            others = find_data(path, *_ANY, say=say)
            files = [file for file in others if not file.name.startswith(_OTHER_SPLITS)]
        if not files:
            raise UsageError(
                f"dataset {self.name!r}: {path} has no data file for the split {split!r}, such as "
                f"{split}.jsonl or {split}-00000-of-00001.parquet"
            )
        return files

    def _wanted(self, row: Row) -> bool:
        return not any(
            str(row.values.get(field)) in values for field, values in self.leave_out.items()
        )


def _ordered(compared: Iterator[tuple[Pair, bool | None]]) -> Iterator[Example]:
    first = True
    for pair, published in compared:
        yield Example(pair=pair, chosen_first=first if published is None else published)
        if published is None:
            first = not first


def _looks_local(path: str) -> bool:
    from rmr1_core.datafiles import is_data_file

    return is_data_file(Path(path)) or path.startswith((".", "/", "~"))
