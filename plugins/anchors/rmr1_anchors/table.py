"""From the data file `published.toml` to anchors: a row there is a model on a benchmark.

A row names its source and its protocol, and has its numbers in percent. What a number averages
over, and what a scorer's defect does to it, stand once for all rows.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources

import msgspec

from rmr1_core import Anchor, PublishedProtocol, Source

FILE = "published.toml"


class _Defect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault of a scorer: under which rule here it is repeated, and what it leaves as it is."""

    benchmark: str
    scoring: str
    words: str
    spares: tuple[str, ...] = ()
    correct: str = "strict"


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model's numbers on one benchmark, in percent to one decimal unless `decimals` says more."""

    model: str
    benchmark: str
    source: str
    protocol: str
    percent: Mapping[str, float]
    backbone: str = ""
    note: str = ""
    decimals: int = 1


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sources: Mapping[str, Source]
    protocols: Mapping[str, PublishedProtocol]
    sizes: Mapping[str, Mapping[str, Mapping[str, int]]]
    defects: tuple[_Defect, ...]
    rows: tuple[_Row, ...]


def anchors() -> list[Anchor]:
    """All of the file, in its order."""
    file = _read()
    return [anchor for row in file.rows for anchor in _anchors(row, file)]


def _read() -> _File:
    text = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _File)


def _anchors(row: _Row, file: _File) -> Iterator[Anchor]:
    protocol = file.protocols[row.protocol]
    judged = (row.benchmark, protocol.scoring)
    defect = next((d for d in file.defects if (d.benchmark, d.scoring) == judged), None)
    for metric, percent in row.percent.items():
        value = round(percent / 100, row.decimals + 2)
        spared = defect is not None and metric in defect.spares
        yield Anchor(
            model=row.model,
            benchmark=row.benchmark,
            metric=metric,
            value=value,
            n=file.sizes[row.benchmark][protocol.scoring][metric],
            source=file.sources[row.source],
            protocol=protocol,
            backbone=row.backbone,
            resolution=10.0 ** -(row.decimals + 2),
            note=row.note,
            defect=defect.words if defect is not None and not spared else "",
            otherwise={defect.correct: value} if defect is not None and spared else {},
        )
