"""What is in a source of training data, and what is wrong with it, in one pass.

Nothing grows with the rows but a few numbers for each: 16 bytes to find repeats, 8 for its name,
and its lengths.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING

from rmr1_core.components import Dataset
from rmr1_core.examples_file import SOURCE
from rmr1_core.fingerprints import Fingerprints, Reason, spoken
from rmr1_core.parsing import parse_verdict
from rmr1_core.token_counts import Counter as TokenCounter
from rmr1_core.token_counts import texts_of
from rmr1_core.values import Example, Value, Verdict

if TYPE_CHECKING:
    import numpy

_BATCH = 512
PARTS = ("prompt", "chosen", "rejected", "whole row")


class Lengths(Value, frozen=True):
    """How long a part of the rows is: percentiles over all rows."""

    part: str
    mean: float
    p50: int
    p90: int
    p99: int
    longest: int


class Finding(Value, frozen=True):
    """Something that should not be: in how many rows, and the first of these, counted from 1."""

    what: str
    rows: int
    first: int


class Stats(Value, frozen=True):
    """What a source has. Lengths are in `unit`; `first_share` and `longer_share` are the shares of
    rows whose chosen answer stands first, and is the longer one."""

    dataset: str
    split: str
    rows: int
    sources: Mapping[str, int]
    domains: Mapping[str, int]
    licences: Mapping[str, int]
    first_share: float
    longer_share: float
    traces: int
    unit: str
    lengths: tuple[Lengths, ...]
    findings: tuple[Finding, ...]


class _Findings:
    def __init__(self) -> None:
        self._found: dict[str, list[int]] = {}

    def add(self, what: str, row: int) -> None:
        found = self._found.setdefault(what, [0, row])
        found[0], found[1] = found[0] + 1, min(found[1], row)

    def all(self) -> tuple[Finding, ...]:
        items = sorted(self._found.items(), key=lambda item: item[1][1])
        return tuple(Finding(what=what, rows=n, first=row + 1) for what, (n, row) in items)


class Survey:
    """Gathers what `Stats` says. `limit` is the most that a row may have, in tokens where there is
    a counter of them and in characters otherwise."""

    def __init__(self, count: TokenCounter | None = None, limit: int | None = None) -> None:
        self._count, self._limit = count, limit
        self._tags = {name: Counter[str]() for name in (SOURCE, "domain", "licence")}
        self._lengths = {part: array("Q") for part in PARTS}
        self._prints, self._ids = Fingerprints(), array("Q")
        self._findings = _Findings()
        self._first = self._longer = self._traces = 0

    def add_all(self, examples: Iterable[Example]) -> Iterator[int]:
        """Look at all examples; yields how many were seen, now and then."""
        rest = iter(examples)
        while batch := list(islice(rest, _BATCH)):
            self._measure(batch)
            for example in batch:
                self._add(example)
            yield len(self._ids)

    def stats(self, dataset: Dataset, split: str) -> Stats:
        """What was found."""
        self._find_repeats()
        rows = len(self._ids)
        return Stats(
            dataset=dataset.name,
            split=split,
            rows=rows,
            sources=_sorted(self._tags[SOURCE]),
            domains=_sorted(self._tags["domain"]),
            licences=_sorted(self._tags["licence"]),
            first_share=self._first / max(rows, 1),
            longer_share=self._longer / max(rows, 1),
            traces=self._traces,
            unit="tokens" if self._count else "characters",
            lengths=tuple(_lengths(p, values) for p, values in self._lengths.items())
            if rows
            else (),
            findings=self._findings.all(),
        )

    def _measure(self, batch: list[Example]) -> None:
        texts = [texts_of(example) for example in batch]
        flat = [text for row in texts for text in row]
        counts = iter(self._count(flat) if self._count else map(len, flat))
        for number, row in enumerate(texts, start=len(self._ids)):
            *prompt, chosen, rejected = (next(counts) for _ in row)
            whole = sum(prompt) + chosen + rejected
            for part, length in zip(PARTS, (sum(prompt), chosen, rejected, whole), strict=True):
                self._lengths[part].append(length)
            self._longer += chosen > rejected
            if self._limit and whole > self._limit:
                unit = "tokens" if self._count else "characters"
                self._findings.add(f"longer than {self._limit:,} {unit}", number)

    def _add(self, example: Example) -> None:
        pair, row = example.pair, len(self._ids)
        for name, counter in self._tags.items():
            counter[pair.tags.get(name, "not stated")] += 1
        self._first += example.chosen_first
        if not self._prints.add(example, spoken(pair.prompt)):
            self._findings.add(Reason.IDENTICAL.words, row)
        if not (pair.chosen.strip() and pair.rejected.strip()):
            self._findings.add("an empty answer", row)
        if not any(message.content.strip() for message in pair.prompt):
            self._findings.add("an empty prompt", row)
        if example.trace:
            self._traces += 1
            if parse_verdict(example.trace) is not Verdict.favouring_chosen(example.chosen_first):
                self._findings.add("a trace with another verdict than its label", row)
        self._ids.append(
            int.from_bytes(blake2b(pair.id.encode(), digest_size=8).digest(), "little")
        )

    def _find_repeats(self) -> None:
        import numpy as np

        if not self._ids:
            return
        for repeat in self._prints.repeats(~self._prints.identical()):
            self._findings.add(repeat.reason.words, repeat.row)
        _, firsts = np.unique(np.asarray(self._ids), return_index=True)
        again = np.ones(len(self._ids), bool)
        again[firsts] = False
        for row in np.flatnonzero(again).tolist():
            self._findings.add("the name of an earlier row", row)


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _lengths(part: str, lengths: array[int]) -> Lengths:
    import numpy as np

    values: numpy.ndarray[tuple[int], numpy.dtype[numpy.uint64]] = np.asarray(lengths)
    marks = np.percentile(values, (50, 90, 99, 100), method="higher").astype(int).tolist()
    p50, p90, p99, longest = marks
    return Lengths(part=part, mean=float(values.mean()), p50=p50, p90=p90, p99=p99, longest=longest)
