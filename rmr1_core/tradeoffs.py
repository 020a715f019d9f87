"""Accuracy against tokens: what more samples or longer reasoning buy, from judgments that are made.

    <evaluation>/curves.json   the curves of an evaluation, beside its reports

Samples of one judgment differ by their seed alone, so they are exchangeable: the majority of the
first k says what asking for k would have said, and nothing more is asked. An even number can split
evenly, which is a tie, worth what the benchmark's rule says.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from rmr1_core import runs, scoring, voting
from rmr1_core.charts import TokenCurve, TokenPoint
from rmr1_core.components import Benchmark
from rmr1_core.evaluation import Evaluation
from rmr1_core.values import EvalProtocol, Judgment, Metric, Value, Verdict

CURVES_FILE = "curves.json"


class TradeOffPoint(Value, frozen=True):
    """The headline for so many votes or tokens of reasoning; `at` is None for what was not cut.

    `tokens` is the mean length of all that was written for one verdict: one pair in one order,
    with all its samples. `judgments` were made for it, of which `unparsed` have no verdict.
    """

    at: int | None
    tokens: float
    score: Metric
    judgments: int
    unparsed: int


class TradeOff(Value, frozen=True):
    """The headline of one benchmark against its tokens, from the cheapest point on."""

    benchmark: str
    by: Literal["votes", "budget"]
    points: tuple[TradeOffPoint, ...]


class Savings(Value, frozen=True):
    """What votes that stop early saved on one benchmark.

    There were `votes`, one per pair and order, of at most `samples` each; `certain` of them ended
    as all samples would have, for certain. `drawn` samples have `tokens` tokens; `full_tokens` are
    what all samples would have had, each vote's as long as its own on average. `agreement` is the
    share of votes that all samples would be expected to end alike.
    """

    benchmark: str
    confidence: float
    samples: int
    votes: int
    certain: int
    drawn: int
    tokens: int
    full_tokens: float
    agreement: float

    @property
    def saved(self) -> float:
        """The share of the tokens that was saved."""
        return 1 - self.tokens / self.full_tokens if self.full_tokens else 0.0


class TradeOffs(Value, frozen=True):
    """All curves of an evaluation, and what votes that stop early saved."""

    curves: tuple[TradeOff, ...] = ()
    savings: tuple[Savings, ...] = ()


def measure(
    evaluation: Evaluation, benchmarks: Iterable[Benchmark], protocol: EvalProtocol
) -> TradeOffs:
    """The curves of a complete evaluation; nothing is asked.

    Raises:
        PluginFailed: the benchmark's own code raised.
    """
    by_name = {benchmark.name: benchmark for benchmark in benchmarks}
    return TradeOffs(
        curves=(
            *votes(evaluation, by_name.values(), protocol),
            *budgets(evaluation, by_name.values(), protocol),
        ),
        savings=tuple(savings(evaluation, protocol)),
    )


def store(evaluation: Evaluation, found: TradeOffs) -> None:
    """Keep the curves, if there are any."""
    if found != TradeOffs():
        runs.write_whole(evaluation.folder / CURVES_FILE, found)


def stored(evaluation: Evaluation) -> TradeOffs:
    """The curves of a complete evaluation, none where it has none. Raises BadInput when damaged."""
    path = evaluation.folder / CURVES_FILE
    return runs.read_whole(path, TradeOffs) if path.exists() else TradeOffs()


def votes(
    evaluation: Evaluation, benchmarks: Iterable[Benchmark], protocol: EvalProtocol
) -> list[TradeOff]:
    """The headline for the majority of the first k samples, k = 1, 2, 4, … and all of them."""
    if protocol.samples == 1:
        return []
    counts = vote_counts(protocol.samples)
    tallies = {count: _tallied(evaluation.judgments(), count) for count in counts}
    return [
        TradeOff(
            benchmark=benchmark.name,
            by="votes",
            points=tuple(
                _point(evaluation, benchmark, tallies[count][benchmark.name], protocol, count)
                for count in counts
            ),
        )
        for benchmark in benchmarks
        if benchmark.name in tallies[counts[-1]]
    ]


def budgets(
    evaluation: Evaluation, benchmarks: Iterable[Benchmark], protocol: EvalProtocol
) -> list[TradeOff]:
    """The headline with reasoning cut at each budget, and with all of it."""
    if not protocol.budgets:
        return []
    passes: dict[int | None, Evaluation] = {
        tokens: evaluation.another_pass(budget_part(tokens))
        for tokens in sorted(set(protocol.budgets))
    }
    passes[None] = evaluation
    tallies = {at: _tallied(one.judgments(), protocol.samples) for at, one in passes.items()}
    return [
        TradeOff(
            benchmark=benchmark.name,
            by="budget",
            points=tuple(
                _point(evaluation, benchmark, tally[benchmark.name], protocol, at)
                for at, tally in tallies.items()
            ),
        )
        for benchmark in benchmarks
        if benchmark.name in tallies[None]
    ]


def budget_part(tokens: int) -> str:
    """Where in an evaluation's folder the pass of a budget is."""
    return f"budgets/{tokens}"


def vote_counts(samples: int) -> list[int]:
    """The numbers of votes of a curve: powers of two, and all samples."""
    powers = [2**power for power in range(samples.bit_length()) if 2**power < samples]
    return [*powers, samples]


def savings(evaluation: Evaluation, protocol: EvalProtocol) -> list[Savings]:
    """What stopping early saved, by benchmark; nothing where votes do not."""
    if protocol.confidence is None:
        return []
    votes: dict[str, dict[tuple[str, bool], dict[int, Verdict]]] = {}
    tokens: dict[str, Counter[tuple[str, bool]]] = {}
    for judgment in evaluation.judgments():
        which = judgment.pair_id, judgment.chosen_first
        cast = votes.setdefault(judgment.benchmark, {}).setdefault(which, {})
        cast[judgment.sample] = judgment.verdict
        counted = tokens.setdefault(judgment.benchmark, Counter())
        counted[which] += judgment.completion.completion_tokens
    return [
        _savings(name, [[*cast.values()] for cast in polls.values()], list(tokens[name].values()),
                 protocol)
        for name, polls in votes.items()
    ]  # fmt: skip


def _savings(
    benchmark: str, votes: list[list[Verdict]], tokens: list[int], protocol: EvalProtocol
) -> Savings:
    most = protocol.samples
    agreements = [voting.agreement(cast, most) for cast in votes]
    return Savings(
        benchmark=benchmark,
        confidence=protocol.confidence or 1.0,
        samples=most,
        votes=len(votes),
        certain=sum(voting.certain(cast, most) for cast in votes),
        drawn=sum(map(len, votes)),
        tokens=sum(tokens),
        full_tokens=math.fsum(
            most * length / len(cast) for cast, length in zip(votes, tokens, strict=True)
        ),
        agreement=math.fsum(agreements) / len(agreements),
    )


def _tallied(judgments: Iterable[Judgment], count: int) -> dict[str, scoring.Tally]:
    """The tallies by benchmark of each judgment's first samples."""
    tallies: dict[str, scoring.Tally] = {}
    for judgment in judgments:
        if judgment.sample < count:
            tallies.setdefault(judgment.benchmark, scoring.Tally()).add(judgment)
    return tallies


def _point(
    evaluation: Evaluation, benchmark: Benchmark, tally: scoring.Tally, protocol: EvalProtocol,
    at: int | None,
) -> TradeOffPoint:  # fmt: skip
    outcomes = tally.outcomes(evaluation.pairs(benchmark.name))
    rule = scoring.rule_of(benchmark, protocol.scoring)
    headline = scoring.summarized(benchmark, outcomes, rule).headline
    facts = tally.validity(outcomes)
    return TradeOffPoint(
        at=at,
        tokens=tally.tokens_per_verdict,
        score=headline,
        judgments=facts.judgments,
        unparsed=facts.unparsed,
    )


def chart(curve: TradeOff) -> TokenCurve:
    """The curve as a report draws it."""
    by = "votes" if curve.by == "votes" else "budget (tokens)"
    return TokenCurve(
        title=f"accuracy against tokens, by {by}",
        points=tuple(
            TokenPoint(
                tokens=point.tokens,
                metric=point.score,
                label="all" if point.at is None else f"{point.at:,}",
            )
            for point in curve.points
        ),
    )


def of_benchmark(found: TradeOffs, benchmark: str) -> Sequence[TradeOff]:
    """The curves of one benchmark."""
    return [curve for curve in found.curves if curve.benchmark == benchmark]
