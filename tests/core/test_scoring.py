from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmr1_core import Benchmark, Judgment, Outcome, Pair, Scores, Verdict
from rmr1_core.errors import PluginFailed
from rmr1_core.scoring import (
    Tally,
    majority,
    missing,
    missing_words,
    report,
    spread_limit,
    whole,
)
from rmr1_core.statistics import mean
from rmr1_core.testing import example_pair, judgment
from rmr1_core.values import Missing, Validity

A, B, TIE, UNPARSED = Verdict.A, Verdict.B, Verdict.TIE, Verdict.UNPARSED


class Small(Benchmark, frozen=True, kw_only=True):
    scorings: tuple[str, ...] = ("strict", "half")
    sizes: Mapping[str, int] = {}

    def pairs(self, source: Path | None) -> Iterator[Pair]:
        raise AssertionError("the pairs are given")

    @property
    def expected(self) -> Mapping[str, int]:
        return self.sizes

    def summarize(self, outcomes: Sequence[Outcome], scoring: str) -> Scores:
        half = 0.5 if scoring == "half" else 0.0
        values = [outcome.score(unparsed=half) for outcome in outcomes]
        return Scores(headline=mean(values, [o.pair.group for o in outcomes]).metric("accuracy"))


def judged(pair: Pair, first: Iterable[Verdict], second: Iterable[Verdict] = ()) -> list[Judgment]:
    return [
        judgment(pair, verdict, chosen_first=order, sample=number)
        for order, verdicts in ((True, first), (False, second))
        for number, verdict in enumerate(verdicts)
    ]


def tallied(lines: Iterable[Judgment]) -> Tally:
    tally = Tally()
    for line in lines:
        tally.add(line)
    return tally


def facts_of(lines: Iterable[Judgment], pairs: Sequence[Pair]) -> Validity:
    tally = tallied(lines)
    return tally.validity(tally.outcomes(pairs))


def with_completion(line: Judgment, **changes: Any) -> Judgment:
    completion = msgspec.structs.replace(line.completion, **changes)
    return msgspec.structs.replace(line, completion=completion)


@pytest.mark.parametrize(
    ("votes", "verdict"),
    [
        ([A], A),
        ([A, B, B], B),
        ([A, B], TIE),
        ([TIE, TIE, A], TIE),
        ([A, A, TIE], A),
        ([A, UNPARSED, UNPARSED, UNPARSED], A),
        ([A, B, UNPARSED], TIE),
        ([A, TIE], TIE),
        ([UNPARSED, UNPARSED], UNPARSED),
        ([], UNPARSED),
    ],
)
def test_the_majority_of_what_parses_decides(votes: list[Verdict], verdict: Verdict) -> None:
    assert majority(votes) is verdict


@given(st.lists(st.sampled_from(Verdict)))
def test_the_order_of_the_votes_does_not_matter(votes: list[Verdict]) -> None:
    assert majority(votes) is majority(votes[::-1])


@given(st.lists(st.sampled_from(Verdict)))
def test_what_does_not_parse_does_not_vote(votes: list[Verdict]) -> None:
    assert majority(votes) is majority([vote for vote in votes if vote is not UNPARSED])


def test_an_outcome_has_a_verdict_per_order() -> None:
    pair = example_pair()
    (outcome,) = tallied(judged(pair, [A, A, B], [B, A])).outcomes([pair])
    assert [(v.chosen_first, v.verdict) for v in outcome.verdicts] == [(True, A), (False, TIE)]
    assert outcome.score() == 0.5
    assert outcome.score(tie=0.5) == 0.75


def test_outcomes_come_in_the_order_of_the_pairs_and_without_the_unjudged() -> None:
    pairs = [example_pair(number) for number in range(4)]
    lines = judged(pairs[3], [A]) + judged(pairs[1], [A])
    assert [outcome.pair.id for outcome in tallied(lines).outcomes(pairs)] == ["pair-1", "pair-3"]


def test_validity_counts_judgments() -> None:
    pair = example_pair()
    cut = judgment(pair, UNPARSED)
    cut = msgspec.structs.replace(
        cut, completion=msgspec.structs.replace(cut.completion, finish_reason="length")
    )
    long = msgspec.structs.replace(
        cut, completion=msgspec.structs.replace(cut.completion, finish_reason="prompt_too_long")
    )
    lines = [*judged(pair, [A, TIE]), cut, cut, long]
    facts = facts_of(lines, [pair])
    assert (facts.judgments, facts.unparsed, facts.truncated) == (5, 3, 2)
    assert (facts.ties, facts.prompt_too_long) == (1, 1)
    assert (facts.prompt_tokens, facts.completion_tokens) == (5, 5)


def test_validity_adds_up_what_was_cached_and_paid() -> None:
    pair = example_pair()
    lines = [
        with_completion(line, cached_tokens=cached, cost=cost)
        for line, cached, cost in zip(judged(pair, [A, B]), (3, 4), (0.5, 0.25), strict=True)
    ]
    facts = facts_of(lines, [pair])
    assert (facts.cached_tokens, facts.cost) == (7, 0.75)


@given(st.lists(st.integers(0, 50), min_size=1))
def test_percentiles_are_lengths_that_enough_answers_do_not_exceed(lengths: list[int]) -> None:
    pair = example_pair()
    lines = [with_completion(judgment(pair, A), completion_tokens=length) for length in lengths]
    facts = facts_of(lines, [pair])
    for share, found in ((0.5, facts.completion_tokens_p50), (0.95, facts.completion_tokens_p95)):
        assert found in lengths
        assert sum(length <= found for length in lengths) >= share * len(lengths)
        assert sum(length < found for length in lengths) < share * len(lengths)


def test_a_pair_flips_when_the_preferred_answer_changes_with_the_order() -> None:
    pairs = [example_pair(number) for number in range(5)]
    lines = [
        *judged(pairs[0], [A], [B]),  # the chosen one both times
        *judged(pairs[1], [A], [A]),  # the first one both times
        *judged(pairs[2], [B], [B]),  # the second one both times
        *judged(pairs[3], [A], [UNPARSED]),
        *judged(pairs[4], [A]),
    ]
    facts = facts_of(lines, pairs)
    assert (facts.pairs_in_both_orders, facts.flipped) == (3, 2)
    assert facts.flip_rate == pytest.approx(2 / 3)


def test_there_is_no_flip_rate_without_both_orders() -> None:
    lines = judged(example_pair(), [A])
    assert facts_of(lines, [example_pair()]).flip_rate is None


def test_missing_names_the_subsets_that_lack_pairs() -> None:
    pairs = [example_pair(n, subset="math") for n in range(3)]
    gaps = missing(pairs, {"code": 2, "math": 3, "chat": 0})
    assert gaps == (Missing(subset="code", have=0, expected=2),)
    assert missing_words(gaps) == "code 0 of 2"


def test_many_missing_subsets_are_summed_up() -> None:
    gaps = [Missing(subset=f"s{n}", have=0, expected=1) for n in range(6)]
    assert missing_words(gaps, 2) == "s0 0 of 1, s1 0 of 1, and 4 more subsets"
    assert missing_words(gaps, 5).endswith("and 1 more subset")


def test_what_a_benchmark_says_goes_before_what_is_there() -> None:
    pairs = [example_pair(0, subset="math"), example_pair(1, subset="new")]
    assert whole(pairs, {"math": 5, "code": 2}) == {"math": 5, "new": 1, "code": 2}


def test_a_report_has_every_scoring_rule() -> None:
    pairs = [example_pair(0), example_pair(1)]
    lines = judged(pairs[0], [A]) + judged(pairs[1], [UNPARSED])
    made = report(Small(name="small"), pairs, tallied(lines), scoring="half", expected={"small": 2})
    assert (made.scoring, made.scores.headline.value) == ("half", 0.75)
    assert made.alternatives["strict"].headline.value == 0.5
    assert not made.partial


def test_a_rule_that_a_benchmark_lacks_is_its_first() -> None:
    pair = example_pair()
    made = report(
        Small(name="s"), [pair], tallied(judged(pair, [A])), scoring="as-published", expected={}
    )
    assert made.scoring == "strict"


def test_a_report_on_fewer_pairs_is_partial() -> None:
    pairs = [example_pair(0), example_pair(1)]
    made = report(
        Small(name="s"),
        pairs,
        tallied(judged(pairs[0], [A])),
        scoring="strict",
        expected={"small": 2},
    )
    assert made.partial
    assert made.missing == (Missing(subset="small", have=1, expected=2),)


def test_a_scorer_that_raises_is_named() -> None:
    class Bad(Small, frozen=True, kw_only=True):
        def summarize(self, outcomes: Sequence[Outcome], scoring: str) -> Scores:
            raise KeyError("Chat")

    pair = example_pair()
    with pytest.raises(PluginFailed, match="'bad' failed: summarize raised KeyError"):
        report(Bad(name="bad"), [pair], tallied(judged(pair, [A])), scoring="strict", expected={})


PAIRS = st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 8)), min_size=1, max_size=40).map(
    lambda made: [example_pair(n, subset=s, group=str(g)) for n, (s, g) in enumerate(made)]
)


@given(pairs=PAIRS, limit=st.integers(1, 45))
def test_a_limit_is_kept_and_groups_stay_whole(pairs: list[Pair], limit: int) -> None:
    taken = spread_limit(pairs, limit)
    assert 0 < len(taken) <= limit
    assert taken == [pair for pair in pairs if pair in taken]
    sizes = Counter(pair.group for pair in pairs)
    if min(sizes.values()) <= limit:
        assert all(count == sizes[g] for g, count in Counter(p.group for p in taken).items())


@given(pairs=PAIRS, limit=st.integers(1, 45))
def test_a_limit_takes_the_same_pairs_every_time(pairs: list[Pair], limit: int) -> None:
    assert spread_limit(pairs, limit) == spread_limit(list(pairs), limit)


def test_a_limit_is_spread_over_the_subsets() -> None:
    pairs = [example_pair(n, subset=str(n // 10)) for n in range(30)]
    assert Counter(pair.subset for pair in spread_limit(pairs, 9)) == {"0": 3, "1": 3, "2": 3}


def test_a_group_that_does_not_fit_makes_room_for_smaller_ones() -> None:
    pairs = [example_pair(n, group="big" if n < 9 else f"{n}") for n in range(20)]
    assert [pair.group for pair in spread_limit(pairs, 3)].count("big") == 0
    assert len(spread_limit(pairs, 3)) == 3


@given(order=st.permutations(range(12)), limit=st.integers(1, 12))
def test_a_limit_takes_the_same_pairs_in_whatever_order_they_come(
    order: list[int], limit: int
) -> None:
    pairs = [example_pair(n, subset="xyz"[n % 3]) for n in range(12)]
    shuffled = [pairs[n] for n in order]
    assert {p.id for p in spread_limit(pairs, limit)} == {
        p.id for p in spread_limit(shuffled, limit)
    }


def test_no_limit_takes_everything() -> None:
    pairs = [example_pair(n) for n in range(5)]
    assert spread_limit(pairs, None) == spread_limit(pairs, 5) == pairs


def test_scores_of_answers_are_means_over_the_samples_by_answer_not_by_place() -> None:
    pair = example_pair()
    lines = [
        with_completion(judgment(pair, A, sample=0), scores=(3.0, 1.0)),
        with_completion(judgment(pair, A, sample=1), scores=(5.0, 2.0)),
        with_completion(judgment(pair, B, chosen_first=False), scores=(0.5, 4.0)),
    ]
    [outcome] = tallied(lines).outcomes([pair])
    first, second = outcome.verdicts
    assert (first.chosen_score, first.rejected_score) == (4.0, 1.5)
    assert (second.chosen_score, second.rejected_score) == (4.0, 0.5)
    assert (outcome.chosen_score, outcome.rejected_score) == (4.0, 1.0)


def test_a_judge_that_writes_has_no_scores() -> None:
    pair = example_pair()
    [outcome] = tallied(judged(pair, [A], [B])).outcomes([pair])
    assert (outcome.chosen_score, outcome.rejected_score) == (None, None)
