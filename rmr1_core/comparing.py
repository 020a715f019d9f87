"""`rmr1 compare`: stored judgments of the same pairs, judge against judge. No model is asked.

Every run is compared with the first one, benchmark by benchmark, on the pairs that both have with
the same contents. All tests of a comparison are corrected together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rmr1_core.bench import benchmarks_of, check_scoring
from rmr1_core.components import Benchmark
from rmr1_core.contrasts import MetricContrast, contrasts
from rmr1_core.errors import UsageError
from rmr1_core.joining import Flip, Judged, PairSet, flips, join
from rmr1_core.paired import ALPHA, Contrast, exact_p, holm
from rmr1_core.sides import Side, unlike
from rmr1_core.values import Ref, Value


class Tested(Value, frozen=True):
    """A metric of two judges. `difference` is the second's less the first's; `low` and `high` are
    its 95 % interval. `corrected_p` heeds all tests of the comparison, and `detectable` is the
    difference that would have been called real with 80 % power beside so many tests; 1: none."""

    name: str
    n: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    corrected_p: float
    detectable: float

    @property
    def real(self) -> bool:
        """Whether the judges differ, all tests heeded."""
        return self.corrected_p < ALPHA


class PairTest(Value, frozen=True):
    """The pairs on which the second judge has more, or fewer, of its verdicts right, and the exact
    test of them, which lets the judges change places prompt by prompt. It is McNemar's where each
    prompt has one pair, and each pair is won or lost as a whole."""

    gained: tuple[Flip, ...]
    lost: tuple[Flip, ...]
    p: float
    corrected_p: float
    mcnemar: bool


class BenchmarkCompared(Value, frozen=True):
    """One benchmark of two judges. The first of `tests` is of the headline."""

    benchmark: str
    scoring: str
    pairs: PairSet
    tests: tuple[Tested, ...]
    flips: PairTest


class Compared(Value, frozen=True):
    """The second side against the first, by their letters. `notes` say where they were not judged
    alike; `missing` are benchmarks of the first of which the second has no pair, `added` the other
    way round."""

    first: str
    second: str
    notes: tuple[str, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    benchmarks: tuple[BenchmarkCompared, ...]


class Comparisons(Value, frozen=True):
    """Everything that `rmr1 compare` says. `tests` are as many as were corrected together."""

    compared: tuple[Compared, ...]
    tests: int


class _Untested(NamedTuple):
    """One benchmark of two judges, before all tests are corrected together."""

    benchmark: str
    scoring: str
    pairs: PairSet
    metrics: list[MetricContrast]
    net: list[int]
    pairs_p: float
    flips: list[Flip]

    @property
    def p_values(self) -> list[float]:
        return [*(metric.contrast.p for metric in self.metrics), self.pairs_p]


class _Side(NamedTuple):
    side: Side
    kept: list[_Untested]
    missing: list[str]
    added: list[str]


def compare(
    sides: Sequence[Side],
    *,
    scoring: str | None = None,
    every: bool = False,
    headlines: bool = False,
) -> Comparisons:
    """Every side against the first: `every` metric, the `headlines` alone, or those without "/".

    Raises:
        UsageError: judgments are lacking, or two sides have no pairs in common.
        UnknownName: there is no such scoring rule. PluginFailed: a benchmark's own code raised.
    """
    for side in sides:
        side.check_complete()
    first, untested = Judged(sides[0]), []
    for side in sides[1:]:
        second = Judged(side)
        kept = [
            made._replace(metrics=_selected(made.metrics, every=every, headlines=headlines))
            for made in _each_benchmark(first, second, scoring)
        ]
        if not kept:
            raise UsageError(
                f"{sides[0].name} and {side.name} have no pair in common; see: rmr1 runs list"
            )
        missing, added = _unshared(first, second, kept)
        untested.append(_Side(side, kept, missing, added))
    return _tested(sides[0], untested)


def headline_contrasts(first: Side, second: Side) -> Mapping[str, Contrast]:
    """How the headlines of two sides differ, by benchmark; none where no pair is shared.

    Raises:
        PluginFailed: a benchmark's own code raised.
    """
    return {
        made.benchmark: made.metrics[0].contrast
        for made in _each_benchmark(Judged(first), Judged(second), None)
    }


def _each_benchmark(first: Judged, second: Judged, scoring: str | None) -> Iterator[_Untested]:
    names = [name for name in first.expected if name in second.expected]
    benchmarks = _by_name(first.side.benchmarks, names)
    rule = scoring or first.side.evaluation.protocol.scoring
    check_scoring(rule, list(benchmarks.values()))
    for name, benchmark in benchmarks.items():
        joined = join(first, second, name)
        if joined is not None:
            chosen = rule if rule in benchmark.scorings else benchmark.scorings[0]
            yield _Untested(
                name,
                chosen,
                joined.pairs,
                contrasts(benchmark, joined.first, joined.second, chosen),
                net := joined.net(),
                exact_p(net),
                list(flips(name, first.side, second.side, joined)),
            )


def _selected(
    metrics: Sequence[MetricContrast], *, every: bool, headlines: bool
) -> list[MetricContrast]:
    kept = [m for m in metrics[1:] if every or "/" not in m.first.name]
    return [metrics[0], *([] if headlines else kept)]


def _unshared(first: Judged, second: Judged, kept: Sequence[_Untested]) -> Iterator[list[str]]:
    """The benchmarks that only the first side has, and those that only the second has."""
    shared = {made.benchmark for made in kept}
    for judged in (first, second):
        yield [name for name in judged.expected if name not in shared]


def _tested(first: Side, untested: Sequence[_Side]) -> Comparisons:
    values = [p for second in untested for made in second.kept for p in made.p_values]
    corrected = iter(holm(values))
    compared = tuple(
        Compared(
            first=first.letter,
            second=second.side.letter,
            notes=tuple(
                unlike(first, second.side, [m.benchmark for m in second.kept if m.pairs.all_shared])
            ),
            missing=tuple(second.missing),
            added=tuple(second.added),
            benchmarks=tuple(_compared(made, corrected, len(values)) for made in second.kept),
        )
        for second in untested
    )
    return Comparisons(compared=compared, tests=len(values))


def _compared(made: _Untested, corrected: Iterator[float], tests: int) -> BenchmarkCompared:
    metrics = [_metric(metric, next(corrected), tests) for metric in made.metrics]
    return BenchmarkCompared(
        benchmark=made.benchmark,
        scoring=made.scoring,
        pairs=made.pairs,
        tests=tuple(metrics),
        flips=PairTest(
            gained=tuple(flip for flip in made.flips if flip.second > flip.first),
            lost=tuple(flip for flip in made.flips if flip.second < flip.first),
            p=made.pairs_p,
            corrected_p=next(corrected),
            mcnemar=made.pairs.prompts == made.pairs.common
            and len({abs(n) for n in made.net} - {0}) < 2,
        ),
    )


def _metric(made: MetricContrast, corrected_p: float, tests: int) -> Tested:
    low, high = made.contrast.interval()
    return Tested(
        name=made.first.name,
        n=made.second.n,
        first=made.first.value,
        second=made.second.value,
        difference=made.contrast.value,
        low=low,
        high=high,
        p=made.contrast.p,
        corrected_p=corrected_p,
        detectable=made.contrast.detectable(ALPHA / tests),
    )


def _by_name(refs: Sequence[Ref], names: Sequence[str]) -> Mapping[str, Benchmark]:
    """The benchmarks with these names; of one that variants change, the recipe's own."""
    found: dict[str, Benchmark] = {}
    for ref in refs:
        (benchmark,) = benchmarks_of([ref])
        found.setdefault(benchmark.name, benchmark)
    return {name: found[name] for name in names if name in found}


def gate(found: Comparisons, points: float) -> list[tuple[str, str, float | None]]:
    """What is not shown to be at most so many points worse than the first side: benchmark, side,
    and how many points worse it may be; None where it was not judged.

    The lower end of the 95 % interval of the headline's difference decides, as in a test of
    non-inferiority at 2.5 %.
    """
    failed: list[tuple[str, str, float | None]] = []
    for compared in found.compared:
        failed += [(name, compared.second, None) for name in compared.missing]
        worse = [(made.benchmark, -100 * made.tests[0].low) for made in compared.benchmarks]
        failed += [(name, compared.second, by) for name, by in worse if by > points]
    return failed
