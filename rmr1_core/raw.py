"""Files as they are: their text, or how it begins, unpacked where they are gzipped."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

from rmr1_core.errors import BadInput


def beginning(path: Path, size: int = 4 << 20) -> bytes:
    """The first bytes of a file, unpacked if it is gzipped; none if it cannot be read."""
    try:
        with _open(path) as file:
            found: bytes = file.read(size)
            return found
    except (OSError, EOFError, zlib.error):
        return b""


def raw_text(path: Path) -> str:
    """All of a file, with half a surrogate pair for each byte that is not UTF-8.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        with _open(path) as file:
            content: bytes = file.read()
    except (OSError, EOFError, zlib.error) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise BadInput(path, f"cannot be read: {cause[:1].lower()}{cause[1:]}") from None
    # what is no text is told apart record by record
    return content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")


def _open(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")
