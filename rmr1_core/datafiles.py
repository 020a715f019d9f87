"""Rows from files and from the hub, with errors that name file, row and field.

Files are JSON lines, a JSON array or parquet, plain or gzipped; the name decides which, and a
`.json` that turns out to hold JSON lines is read as such.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rmr1_core.errors import BadInput, UsageError
from rmr1_core.hub import prefer_cache_when_unreachable
from rmr1_core.rows import HUB, Row
from rmr1_core.skipping import made, skip, skipping
from rmr1_core.values import Message
from rmr1_core.words import misfit

__all__ = ["SUFFIXES", "Row", "find_data", "hub_rows", "is_data_file", "made", "numbered_lines"]
__all__ += ["prompt_key", "read_rows", "skip", "skipping"]

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".parquet")
"""Names of data files end with one of these."""

_UNREADABLE = (OSError, EOFError, zlib.error)
"""What a missing permission, a broken disk or a damaged gzip file raises."""

_PARQUET_ROWS = 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def prompt_key(prompt: Sequence[Message]) -> str:
    """A short name for a conversation, the same for equal ones: the `group` of its pairs."""
    digest = hashlib.blake2b(digest_size=8)
    for message in prompt:
        digest.update(f"{message.role} {len(message.content)} ".encode())
        digest.update(message.content.encode(errors="surrogatepass"))
    return digest.hexdigest()


def is_data_file(path: Path) -> bool:
    """Whether the name is one that `read_rows` can read."""
    return path.name.endswith(SUFFIXES)


def find_data(folder: Path, *patterns: str, say: str = "--data PATH") -> list[Path]:
    """The data files under a folder whose names match the first pattern that matches any, from
    the one folder nearest to the top that has such files, sorted by name.

    What is in hidden folders does not count. Empty when nothing matches. `say` is how to name one
    of several.

    Raises:
        UsageError: several folders, equally near, have such files.
    """
    files = [path for path in sorted(folder.rglob("*")) if is_data_file(path) and path.is_file()]
    files = [p for p in files if not any(x.startswith(".") for x in p.relative_to(folder).parts)]
    for pattern in patterns:
        matching = [path for path in files if path.match(pattern)]
        depth = min((len(path.parts) for path in matching), default=0)
        nearest = [path for path in matching if len(path.parts) == depth]
        parents = sorted({path.parent for path in nearest})
        if len(parents) > 1:
            raise UsageError(
                f"{folder} has several folders with {pattern} ({parents[0]}, {parents[1]}); "
                f"say which with {say}"
            )
        if nearest:
            return nearest
    return []


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file, in order; JSON lines and parquet are streamed.

    Raises:
        BadInput: the file is missing or unreadable, or a row is not an object. Inside of
            `skipping()`, lines that are no JSON objects are left out.
    """
    if not path.is_file():
        raise BadInput(path, "no such file")
    if path.name.endswith(".parquet"):
        yield from _parquet_rows(path)
    elif path.name.endswith((".jsonl", ".jsonl.gz")):
        yield from _decoded(path, numbered_lines(path))
    elif path.name.endswith((".json", ".json.gz")):
        yield from _json_array(path)
    else:
        raise BadInput(path, f"not a data file; known endings: {', '.join(SUFFIXES)}")


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, gzipped or not, that are not empty, with their numbers from 1.

    Raises:
        BadInput: the file is missing or unreadable.
    """
    try:
        with _open(path) as lines:
            yield from _filled(lines)
    except _UNREADABLE as error:
        raise BadInput(path, f"cannot be read: {_cause(error)}") from None


def hub_rows(
    dataset: str,
    *,
    split: str,
    revision: str = "main",
    config: str | None = None,
    data_files: str | None = None,
    local: str = "--data PATH",
) -> Iterator[Row]:
    """The rows of one split of a dataset on the hub; `local` is how a local copy is named.

    Raises:
        UsageError: it cannot be loaded; the sentence says why and how to go on without the hub.
    """
    prefer_cache_when_unreachable()
    import datasets

    try:
        rows = datasets.load_dataset(
            dataset, config, split=split, revision=revision, data_files=data_files
        )
    except Exception as error:  # the boundary to the hub: network, name, split or schema
        cause = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, ConnectionError):
            cause = "it cannot be reached (no network, or HF_HUB_OFFLINE is set)"
        raise UsageError(
            f"cannot load {dataset!r} (split {split!r}) from the hub: {cause}; "
            f"with a local copy use {local}"
        ) from error
    for number, values in enumerate(rows, start=1):
        yield Row(f"{HUB}{dataset}", number, values)


def _json_array(path: Path) -> Iterator[Row]:
    try:
        with _open(path) as file:
            text = file.read().removeprefix(_BYTE_ORDER_MARK)
    except _UNREADABLE as error:
        raise BadInput(path, f"cannot be read: {_cause(error)}") from None
    if text.lstrip()[:1] == b"{":
        yield from _decoded(path, _filled(text.splitlines()))
        return
    try:
        values = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(path, f"not JSON: {misfit(error)[0]}") from None
    if not isinstance(values, list):
        raise BadInput(path, "expected an array of objects")
    yield from made(enumerate(values, start=1), lambda row: _object(path, *row))


def _decoded(path: Path, lines: Iterable[tuple[int, bytes]]) -> Iterator[Row]:
    decode = msgspec.json.Decoder().decode

    def row(numbered: tuple[int, bytes]) -> Row:
        number, line = numbered
        try:
            return _object(path, number, decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadInput(path, f"not JSON: {misfit(error)[0]}", row=number) from None

    return made(lines, row)


def _filled(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, raw in enumerate(lines, start=1):
        line = raw.removeprefix(_BYTE_ORDER_MARK).strip()
        if line:
            yield number, line


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow.parquet

    try:
        # what is buffered ahead stays in memory until the file's end
        file = pyarrow.parquet.ParquetFile(path, pre_buffer=False)
        batches = file.iter_batches(batch_size=_PARQUET_ROWS)
        number = 0
        for batch in batches:
            for values in batch.to_pylist():
                number += 1
                yield Row(path, number, values)
    except (OSError, pyarrow.ArrowException) as error:
        raise BadInput(path, f"cannot be read as parquet: {error}") from None


def _cause(error: Exception) -> str:
    """Why a file cannot be read, without the number and the path that an OSError repeats."""
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]


def _object(path: Path, number: int, values: Any) -> Row:
    if not isinstance(values, dict):
        raise BadInput(path, "expected an object", row=number)
    return Row(path, number, values)


def _open(path: Path) -> io.BufferedIOBase:
    return gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb")
