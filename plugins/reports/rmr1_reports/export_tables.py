"""Rows as CSV and as Parquet, written as they come.

A spreadsheet takes a cell that begins with "=" and the like for a formula, which may send what is
in the table elsewhere. Texts of models and of datasets may begin so; in CSV such a cell gets an
apostrophe first, as OWASP advises ("CSV Injection"). Parquet has the texts as they are.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import pyarrow

    from rmr1_reports.export_rows import Row

FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""What makes a spreadsheet take a cell for a formula; the wide forms do so in some languages."""
BATCH_ROWS, BATCH_BYTES = 5000, 16 << 20
"""How much of a Parquet file is in memory at once."""


def write_csv(file: IO[str], columns: Mapping[str, type], rows: Iterable[Row]) -> int:
    """Write a table with a header; how many rows it has.

    Numbers are as Python writes them, truth is "true" or "false", and what is not known is empty.
    """
    writer = csv.writer(file)  # with CR and LF as in RFC 4180, or a lone CR were not quoted
    writer.writerow(columns)
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - how many there were
        writer.writerow([cell(row.get(name)) for name in columns])
    return count


def cell(value: Any) -> str:
    """A value as a cell of CSV."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")  # which ends a text for many readers
    return f"'{text}" if text.startswith(FORMULA) else text


def write_parquet(path: Path, columns: Mapping[str, type], rows: Iterable[Row]) -> int:
    """Write a table with typed columns; how many rows it has."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, count = _schema(columns), 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(rows):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def _schema(columns: Mapping[str, type]) -> pyarrow.Schema:
    import pyarrow as pa

    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    types = {
        str: pa.string(),
        bool: pa.bool_(),
        int: pa.int64(),
        float: pa.float64(),
        list: pa.list_(message),
    }
    return pa.schema([(name, types[type_]) for name, type_ in columns.items()])


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
