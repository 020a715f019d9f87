"""The folder of a mix: its rows, and those that were removed, whole or not there."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmr1_core.candidates import Candidates
from rmr1_core.errors import Rmr1Error
from rmr1_core.fingerprints import Reason
from rmr1_core.folders import whole_folder
from rmr1_core.mix_report import RemovedRow
from rmr1_core.overlap import Prompts
from rmr1_core.values import Mixture

if TYPE_CHECKING:
    import numpy

    Reasons = numpy.ndarray[tuple[int], numpy.dtype[numpy.uint8]]
    Rows = numpy.ndarray[tuple[int], numpy.dtype[numpy.int64]]


def write_rows(path: Path, rows: Candidates, kept: Rows, mixture: Mixture) -> tuple[str, int]:
    """Write the rows in this order; the hash and the size of the file."""
    alternate, digest, size = mixture.order == "alternate", hashlib.sha256(), 0
    with path.open("wb", buffering=1 << 20) as file:
        for position, row in enumerate(kept.tolist()):
            line = rows.line(row, position % 2 == 0 if alternate else None)
            digest.update(line)
            size += file.write(line)
    return digest.hexdigest(), size


def removed_rows(
    rows: Candidates, reasons: Reasons, others: Rows, prompts: Prompts | None
) -> Iterator[RemovedRow]:
    """The rows that were taken and are not in the mix, in the order in which they were read."""
    import numpy as np

    for row in np.flatnonzero(reasons > Reason.NOT_DRAWN).tolist():
        reason, other = Reason(reasons[row]), int(others[row])
        removed: dict[str, Any] = {}
        if other >= 0:
            removed["other"] = rows.row(other).id
        if reason in (Reason.OVERLAP, Reason.NEAR_OVERLAP) and prompts:
            known = prompts.known[rows.found[row]]
            removed = {"benchmark": known.benchmark, "other": known.pair_id}
            removed["similarity"] = round(rows.similarity[row], 4)
        yield RemovedRow(
            id=rows.row(row).id,
            source=rows.provenance(row).source,
            reason=reason.words,
            **removed,
        )


@contextmanager
def complete(output: Path) -> Iterator[Path]:
    """The folder, which appears when it is complete, and of which nothing is left when it cannot
    be."""
    aside: Path | None = None
    try:
        with whole_folder(output) as aside:
            yield aside
    except BaseException as error:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
        if isinstance(error, OSError):
            raise Rmr1Error(f"cannot write {output}: {error.strerror}") from error
        raise
