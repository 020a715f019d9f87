"""From journal lines to a report: votes, outcomes, validity, completeness.

A majority of the samples in one order is that order's verdict; samples that do not parse do not
vote, and an even split is a tie. What verdicts are worth is the benchmark's rule.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from rmr1_core.components import Benchmark
from rmr1_core.errors import PluginFailed, Rmr1Error
from rmr1_core.values import (
    FinishReason,
    Judgment,
    Missing,
    OrderVerdict,
    Outcome,
    Pair,
    Report,
    Scores,
    Validity,
    Verdict,
)


def majority(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of most samples that parse; TIE for an even split; UNPARSED without a vote."""
    votes = [verdict for verdict in verdicts if verdict is not Verdict.UNPARSED]
    if len(votes) <= 1:
        return votes[0] if votes else Verdict.UNPARSED
    (first, most), *others = Counter(votes).most_common(2)
    tied = others and others[0][1] == most
    return Verdict.TIE if tied else first


class Tally:
    """What a report needs of one benchmark's judgments, which are added one by one and forgotten:
    their text need not fit the memory."""

    def __init__(self) -> None:
        self._cast: dict[str, dict[bool, list[Verdict]]] = {}
        self._scores: dict[tuple[str, bool], list[tuple[float, float]]] = {}
        self._verdicts: Counter[Verdict] = Counter()
        self._ends: Counter[FinishReason] = Counter()
        self._lengths: Counter[int] = Counter()
        self._prompt_tokens = self._cached_tokens = 0
        self._cost = 0.0

    def add(self, judgment: Judgment) -> None:
        """Count a judgment."""
        completion = judgment.completion
        orders = self._cast.setdefault(judgment.pair_id, {})
        orders.setdefault(judgment.chosen_first, []).append(judgment.verdict)
        if completion.scores is not None:
            which = judgment.pair_id, judgment.chosen_first
            self._scores.setdefault(which, []).append(completion.scores)
        self._verdicts[judgment.verdict] += 1
        self._ends[completion.finish_reason] += 1
        self._lengths[completion.completion_tokens] += 1
        self._prompt_tokens += completion.prompt_tokens
        self._cached_tokens += completion.cached_tokens
        self._cost += completion.cost

    def outcomes(self, pairs: Iterable[Pair]) -> list[Outcome]:
        """The outcome of every pair that has a judgment, in the order of the pairs."""
        return [
            Outcome(
                pair=pair,
                verdicts=tuple(
                    self._in_order(pair.id, first)
                    for first in sorted(self._cast[pair.id], reverse=True)
                ),
            )
            for pair in pairs
            if pair.id in self._cast
        ]

    def _in_order(self, pair_id: str, chosen_first: bool) -> OrderVerdict:
        verdict = majority(self._cast[pair_id][chosen_first])
        scores = self._scores.get((pair_id, chosen_first))
        if not scores:
            return OrderVerdict(chosen_first=chosen_first, verdict=verdict)
        a, b = (sum(side) / len(scores) for side in zip(*scores, strict=True))
        chosen, rejected = (a, b) if chosen_first else (b, a)
        return OrderVerdict(
            chosen_first=chosen_first,
            verdict=verdict,
            chosen_score=chosen,
            rejected_score=rejected,
        )

    @property
    def tokens_per_verdict(self) -> float:
        """Mean tokens of all answers, samples together, to one pair in one order; 0 without any."""
        verdicts = sum(map(len, self._cast.values()))
        return sum(length * n for length, n in self._lengths.items()) / max(verdicts, 1)

    def validity(self, results: Sequence[Outcome]) -> Validity:
        """What to know before believing a score."""
        both = [_preferred(outcome) for outcome in results if _parsed_in_both_orders(outcome)]
        return Validity(
            judgments=self._verdicts.total(),
            unparsed=self._verdicts[Verdict.UNPARSED],
            truncated=self._ends["length"],
            ties=self._verdicts[Verdict.TIE],
            prompt_too_long=self._ends["prompt_too_long"],
            pairs_in_both_orders=len(both),
            flipped=sum(first != second for first, second in both),
            prompt_tokens=self._prompt_tokens,
            completion_tokens=sum(length * n for length, n in self._lengths.items()),
            completion_tokens_p50=_percentile(self._lengths, 0.50),
            completion_tokens_p95=_percentile(self._lengths, 0.95),
            cached_tokens=self._cached_tokens,
            cost=self._cost,
        )


def missing(pairs: Iterable[Pair], expected: Mapping[str, int]) -> tuple[Missing, ...]:
    """The subsets of which fewer pairs are there than expected, in the benchmark's order."""
    have = Counter(pair.subset for pair in pairs)
    return tuple(
        Missing(subset=subset, have=have[subset], expected=count)
        for subset, count in expected.items()
        if have[subset] < count
    )


def whole(available: Iterable[Pair], expected: Mapping[str, int]) -> dict[str, int]:
    """How many pairs each subset has when nothing is missing: what the benchmark says, or where
    it says nothing, what is available."""
    return {**Counter(pair.subset for pair in available), **expected}


def missing_words(gaps: Sequence[Missing], most: int = 4) -> str:
    """What is missing, in words: "math 0 of 4761, code 10 of 2052, and 2 more subsets"."""
    words = [f"{gap.subset} {gap.have} of {gap.expected}" for gap in gaps[:most]]
    if len(gaps) > most:
        rest = len(gaps) - most
        words.append(f"and {rest} more subset{'' if rest == 1 else 's'}")
    return ", ".join(words)


def spread_limit(pairs: Sequence[Pair], limit: int | None) -> list[Pair]:
    """At most `limit` pairs, taken a group at a time in turn from every subset.

    Groups (RM-Bench's nine cells, a best-of-N item) stay whole: one that does not fit any more is
    left out for smaller ones. Only where every group is larger than the limit is one cut. Which
    subset comes first, and which of its groups, is drawn from their names: a sample without the
    bias of upstream's order, and always the same one.
    """
    if limit is None or len(pairs) <= limit:
        return list(pairs)
    groups: dict[str, list[int]] = {}
    for index, pair in enumerate(pairs):
        groups.setdefault(pair.group, []).append(index)
    subsets: dict[str, list[list[int]]] = {}
    for group in sorted(groups, key=_lot):
        members = groups[group]
        subsets.setdefault(pairs[members[0]].subset, []).append(members)
    taken: list[int] = []
    drawn = [subsets[subset] for subset in sorted(subsets, key=_lot)]
    for round_ in zip_longest(*drawn, fillvalue=[]):
        for members in round_:
            if len(taken) + len(members) <= limit:
                taken.extend(members)
    return [pairs[i] for i in sorted(taken or range(limit))]


def report(
    benchmark: Benchmark, pairs: Sequence[Pair], tally: Tally,
    *, scoring: str, expected: Mapping[str, int],
) -> Report:  # fmt: skip
    """A benchmark's report on the tallied judgments, under all of its scoring rules.

    Raises:
        PluginFailed: the benchmark's own code raised.
    """
    results = tally.outcomes(pairs)
    chosen = rule_of(benchmark, scoring)
    judged = [outcome.pair for outcome in results]
    return Report(
        benchmark=benchmark.name,
        scoring=chosen,
        scores=summarized(benchmark, results, chosen),
        validity=tally.validity(results),
        alternatives={
            other: summarized(benchmark, results, other)
            for other in benchmark.scorings
            if other != chosen
        },
        missing=missing(judged, expected),
    )


def rule_of(benchmark: Benchmark, scoring: str) -> str:
    """The scoring rule of this name; a benchmark that has none such uses its first."""
    return scoring if scoring in benchmark.scorings else benchmark.scorings[0]


def summarized(benchmark: Benchmark, results: Sequence[Outcome], scoring: str) -> Scores:
    """A benchmark's scores of these outcomes.

    Raises:
        PluginFailed: the benchmark's own code raised.
    """
    try:
        return benchmark.summarize(results, scoring)
    except Rmr1Error:
        raise
    except Exception as error:  # the boundary to foreign code
        raise PluginFailed(benchmark.name, f"summarize raised {error!r}") from error


def _percentile(lengths: Counter[int], share: float) -> int:
    """The smallest length that at least this share of them do not exceed."""
    counted = 0
    for length in sorted(lengths):
        counted += lengths[length]
        if counted >= share * lengths.total():
            return length
    return 0


def _lot(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()


def _parsed_in_both_orders(outcome: Outcome) -> bool:
    return len(outcome.verdicts) == 2 and all(
        v.verdict in (Verdict.A, Verdict.B) for v in outcome.verdicts
    )


def _preferred(outcome: Outcome) -> tuple[bool, bool]:
    first, second = (
        v.verdict is Verdict.favouring_chosen(v.chosen_first) for v in outcome.verdicts
    )
    return first, second
