"""`rmr1 data mix`: sources become one file of training data, the same bytes on every run.

Every source is read once. Its rows wait in a file, with 16 bytes for each in memory, until it is
known which of them are taken: a draw, repeats, and what a benchmark asks are a matter of all rows.
Then they are written in a seeded order, into a folder that appears when it is complete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rmr1_core import __version__, jsonl
from rmr1_core.bench import benchmarks_of, source
from rmr1_core.candidates import Candidates, Provenance
from rmr1_core.cards import card
from rmr1_core.drawing import drawn, shuffled
from rmr1_core.errors import UsageError
from rmr1_core.fingerprints import Reason
from rmr1_core.mix_folder import complete, removed_rows, write_rows
from rmr1_core.mix_report import (
    CARD_FILE,
    REMOVED_FILE,
    REPORT_FILE,
    ROWS_FILE,
    Compared,
    MixReport,
    SourceReport,
)
from rmr1_core.overlap import Prompts
from rmr1_core.sources import Source
from rmr1_core.values import Mixture

if TYPE_CHECKING:
    import numpy

    Reasons = numpy.ndarray[tuple[int], numpy.dtype[numpy.uint8]]
    Rows = numpy.ndarray[tuple[int], numpy.dtype[numpy.int64]]

Say = Callable[[str], None]
_SAY_EVERY = 2000


def mix(
    mixture: Mixture,
    output: Path,
    *,
    data: Mapping[str, str],
    skipped: Sequence[Exception],
    say: Say,
) -> MixReport:
    """Mix, and write rows, card, report and what was removed into the folder `output`.

    `data` says where benchmarks have local data, as in `rmr1 bench`; `skipped` is the list of bad
    rows that grows while sources are read.

    Raises:
        UsageError: something that was given cannot work. Nothing is written then.
        Rmr1Error: the disk is full.
    """
    check_output(output)
    sources = [Source(mixture, spec) for spec in mixture.sources]
    prompts, compared = _benchmark_prompts(mixture, data, say)
    with Candidates(output.absolute().parent, prompts) as rows:
        ranges = {s.spec.name: _read(s, rows, say) for s in sources}
        rows.flush()
        reasons, others = _chosen(mixture, rows, ranges)
        kept = shuffled(_positions(reasons, Reason.KEPT), rows.prints.keys(), mixture.seed)
        if not len(kept):
            raise UsageError(f"mixture {mixture.name!r}: no row is left; see its filters")
        report = MixReport(
            mixture=mixture,
            version=__version__,
            rows=len(kept),
            sources=tuple(_report(s, rows, ranges[s.spec.name], reasons) for s in sources),
            benchmarks=compared,
            skipped=tuple(map(str, skipped)),
        )
        with complete(output) as folder:
            say(f"writing {len(kept):,} rows")
            sha256, size = write_rows(folder / ROWS_FILE, rows, kept, mixture)
            report = msgspec.structs.replace(report, sha256=sha256, bytes=size)
            jsonl.write(folder / REMOVED_FILE, removed_rows(rows, reasons, others, prompts))
            encoded = msgspec.json.format(msgspec.json.encode(report), indent=2)
            (folder / REPORT_FILE).write_bytes(encoded + b"\n")
            (folder / CARD_FILE).write_text(card(report), encoding="utf-8")
    return report


def plan(mixture: Mixture, output: Path, data: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What would be mixed: each source with what is taken of it, and the name of its first row.

    Raises:
        UsageError: something that is named cannot work.
    """
    check_output(output)
    for benchmark in benchmarks_of(mixture.overlap.benchmarks):
        next(iter(benchmark.pairs(source(data, benchmark.name))), None)
    found = []
    for spec in mixture.sources:
        first = next(iter(Source(mixture, spec).examples()), None)
        if spec.count:
            taken = f"{spec.count:,} rows"
        else:
            taken = f"weight {spec.weight:g}" if spec.weight else "all rows"
        if spec.shuffle_seed is not None:
            taken += f", drawn with seed {spec.shuffle_seed}"
        found.append((spec.name, taken, first.pair.id if first else "no row"))
    return found


def check_output(output: Path) -> None:
    """Raise UsageError where a mix would replace something that is none."""
    if output.exists() and not (output / REPORT_FILE).is_file():
        if output.is_dir() and not any(output.iterdir()):
            return
        raise UsageError(f"{output} is there and is no mix; name another folder with: -o DIR")


def _benchmark_prompts(
    mixture: Mixture, data: Mapping[str, str], say: Say
) -> tuple[Prompts | None, tuple[Compared, ...]]:
    rule = mixture.overlap
    if not rule.benchmarks:
        return None, ()
    prompts = Prompts(threshold=rule.threshold, words=rule.words)
    compared = []
    for benchmark in benchmarks_of(rule.benchmarks):
        say(f"reading the prompts of {benchmark.name}")
        before = len(prompts.known)
        pairs = prompts.add(benchmark.name, benchmark.pairs(source(data, benchmark.name)))
        compared.append(
            Compared(
                benchmark=benchmark.name,
                pairs=pairs,
                expected=sum(benchmark.expected.values()) or pairs,
                prompts=len(prompts.known) - before,
            )
        )
    return prompts, tuple(compared)


def _read(source_: Source, rows: Candidates, say: Say) -> range:
    """Add a source's rows; where they are."""
    start, name = len(rows), source_.spec.name
    numbers: dict[tuple[str, str], Provenance] = {}
    for example in source_.examples():
        tags = example.pair.tags
        key = (tags.get("licence", ""), tags.get("domain", ""))
        provenance = numbers.get(key)
        if provenance is None:
            provenance = numbers[key] = Provenance(name, *key)
        rows.add(example, provenance)
        if len(rows) % _SAY_EVERY == 0:
            say(f"{len(rows):,} rows, reading {name}")
    return range(start, len(rows))


def _chosen(
    mixture: Mixture, rows: Candidates, ranges: Mapping[str, range]
) -> tuple[Reasons, Rows]:
    """For each row, why it is left out, or KEPT; and which row it repeats."""
    import numpy as np

    reasons = np.zeros(len(rows), np.uint8)
    others = np.full(len(rows), -1, np.int64)
    reasons[~drawn(mixture, ranges)] = Reason.NOT_DRAWN
    found, similarity = np.asarray(rows.found) >= 0, np.asarray(rows.similarity)
    for reason, applies in (
        (Reason.IDENTICAL, rows.prints.identical()),
        (Reason.OVERLAP, found & (similarity >= 1)),
        (Reason.NEAR_OVERLAP, found),
    ):
        reasons[applies & (reasons == Reason.KEPT)] = reason
    for repeat in rows.prints.repeats(reasons == Reason.KEPT):
        reasons[repeat.row], others[repeat.row] = repeat.reason, repeat.other
    return reasons, others


def _report(source_: Source, rows: Candidates, own: range, reasons: Reasons) -> SourceReport:
    import numpy as np

    spec, ours = source_.spec, reasons[own.start : own.stop]
    taken = reasons != Reason.NOT_DRAWN
    taken[: own.start] = taken[own.stop :] = False
    removed = {r.words: int((ours == r).sum()) for r in Reason if r > Reason.NOT_DRAWN}
    kept = ours == Reason.KEPT
    kinds = np.asarray(rows.kinds)[own.start : own.stop][kept]
    counts = {rows.provenances[kind]: n for kind, n in Counter(kinds.tolist()).items()}
    return SourceReport(
        name=spec.name,
        dataset=spec.dataset.name,
        read=source_.read,
        filtered=dict(sorted(source_.filtered.items())),
        taken=int(taken.sum()),
        content=rows.prints.digest(taken),
        expected=spec.expected,
        removed={words: count for words, count in removed.items() if count},
        kept=int(kept.sum()),
        licences=_by(counts, "licence"),
        domains=_by(counts, "domain"),
    )


def _by(counts: Mapping[Provenance, int], field: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for provenance, count in counts.items():
        found[getattr(provenance, field) or "not stated"] += count
    return dict(sorted(found.items()))


def _positions(reasons: Reasons, reason: Reason) -> Rows:
    import numpy as np

    return np.flatnonzero(reasons == reason)
