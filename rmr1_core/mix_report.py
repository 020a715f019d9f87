"""What was mixed, as it is stored beside the rows and shown: no time, no machine, only facts."""

from __future__ import annotations

from collections.abc import Mapping

from rmr1_core.values import Mixture, Value

ROWS_FILE = "train.jsonl"
REPORT_FILE = "mix.json"
CARD_FILE = "README.md"
REMOVED_FILE = "removed.jsonl"


class Compared(Value, frozen=True):
    """A benchmark whose prompts the rows were compared with: how many of its pairs were there, of
    how many, and the different prompts that they added."""

    benchmark: str
    pairs: int
    expected: int
    prompts: int

    @property
    def partial(self) -> bool:
        """Whether some of the benchmark was not there."""
        return self.pairs < self.expected


class SourceReport(Value, frozen=True):
    """What a source gave. `read` rows, less those `filtered` by why and those not drawn, were
    `taken`; less those `removed` by why, they are `kept`. `licences` and `domains` are of these.

    `content` is a hash of the rows that were taken, by which one sees that upstream has changed.
    """

    name: str
    dataset: str
    read: int
    filtered: Mapping[str, int]
    taken: int
    content: str
    expected: int | None
    removed: Mapping[str, int]
    kept: int
    licences: Mapping[str, int]
    domains: Mapping[str, int]

    @property
    def not_drawn(self) -> int:
        """Rows that passed the filters and are not taken all the same."""
        return self.read - sum(self.filtered.values()) - self.taken

    @property
    def left_out(self) -> Mapping[str, int]:
        """The rows that were read and are not in the mix, by why."""
        drawn = {"not drawn": self.not_drawn} if self.not_drawn else {}
        return {**self.filtered, **drawn, **self.removed}

    @property
    def surprising(self) -> bool:
        """Whether another number of rows was expected."""
        return self.expected not in (None, self.taken)


class MixReport(Value, frozen=True):
    """What is in a mix, and what is not. `sha256` and `bytes` are of the rows' file; `skipped` are
    the rows that could not be used, a sentence for each."""

    mixture: Mixture
    version: str
    rows: int
    sources: tuple[SourceReport, ...]
    benchmarks: tuple[Compared, ...] = ()
    skipped: tuple[str, ...] = ()
    sha256: str = ""
    bytes: int = 0

    def warnings(self) -> list[str]:
        """What a reader may not expect."""
        found = [
            f"source {s.name!r} gives {s.taken:,} rows, and {s.expected:,} are expected"
            for s in self.sources
            if s.surprising
        ]
        found += [
            f"{c.benchmark} was compared in part: {c.pairs:,} of its {c.expected:,} pairs are there"
            for c in self.benchmarks
            if c.partial
        ]
        if not self.benchmarks:
            found.append("no benchmark was compared, so its prompts may be among the rows")
        if self.skipped:
            found.append(f"{len(self.skipped):,} rows could not be used and were left out")
        return found


class RemovedRow(Value, frozen=True, omit_defaults=True):
    """A row that was taken and removed: why, and the row or benchmark's pair that it is like."""

    id: str
    source: str
    reason: str
    other: str = ""
    benchmark: str = ""
    similarity: float | None = None
