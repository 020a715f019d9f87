from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmr1_core.ranking import (
    Match,
    Method,
    Schedule,
    number_of_matches,
    ranked,
    schedule,
    strengths,
    swiss_rounds,
)


def better(quality: list[float]) -> Callable[[int, int], float]:
    return lambda i, j: 0.5 if quality[i] == quality[j] else float(quality[i] > quality[j])


def play(tournament: Schedule, share: Callable[[int, int], float]) -> list[Match]:
    matches: list[Match] = []
    try:
        pairs = next(tournament)
        while True:
            shares = [share(i, j) for i, j in pairs]
            matches += [Match(i, j, s) for (i, j), s in zip(pairs, shares, strict=True)]
            pairs = tournament.send(shares)
    except StopIteration:
        return matches


def test_a_round_robin_compares_every_two_answers_once() -> None:
    matches = play(schedule("round-robin", 5), lambda i, j: 0.5)
    met = {frozenset((m.i, m.j)) for m in matches}
    assert len(matches) == len(met) == number_of_matches("round-robin", 5) == 10


def test_references_are_compared_with_answers_and_not_with_one_another() -> None:
    matches = play(schedule("reference", 3, references=2), lambda i, j: 0.5)
    assert {(m.i, m.j) for m in matches} == {(i, j) for i in range(3) for j in (3, 4)}


@given(st.integers(2, 24), st.integers(0, 2**31))
def test_a_swiss_tournament_lets_nobody_meet_twice_and_finds_the_best(n: int, seed: int) -> None:
    quality = [float(x) for x in random.Random(seed).sample(range(100), n)]
    matches = play(schedule("swiss", n, seed=seed), better(quality))
    met = {frozenset((m.i, m.j)) for m in matches}
    assert len(met) == len(matches) <= number_of_matches("swiss", n)
    best = quality.index(max(quality))
    assert all(m.share == (m.i == best) for m in matches if best in (m.i, m.j))


def test_a_swiss_tournament_takes_few_matches_of_many_answers() -> None:
    assert swiss_rounds(32) == 6
    assert number_of_matches("swiss", 32) == 96
    assert number_of_matches("round-robin", 32) == 496


@pytest.mark.parametrize(
    ("method", "count", "references"),
    [("round-robin", 1, 0), ("swiss", 1, 0), ("reference", 3, 0), ("reference", 0, 2)],
)
def test_what_has_nothing_to_compare_is_refused(
    method: Method, count: int, references: int
) -> None:
    with pytest.raises(ValueError, match="needs"):
        schedule(method, count, references=references)


@given(st.permutations(range(7)), st.sampled_from(["bradley-terry", "win-rate"]))
def test_the_order_is_that_of_the_quality_whatever_the_numbering(
    quality: list[int], strength: str
) -> None:
    matches = play(schedule("round-robin", 7), better([float(q) for q in quality]))
    found = strengths(7, matches, strength)  # type: ignore[arg-type]
    assert [quality[i] for i in ranked(found)] == sorted(quality, reverse=True)


shares = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=10, max_size=10)


@given(shares, st.permutations(range(5)))
def test_strengths_do_not_depend_on_how_answers_are_numbered(
    given_shares: list[float], order: list[int]
) -> None:
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    plain = [Match(i, j, s) for (i, j), s in zip(pairs, given_shares, strict=True)]
    renamed = [Match(order[m.i], order[m.j], m.share) for m in plain]
    found, again = strengths(5, plain), strengths(5, renamed)
    assert [again[order[i]] for i in range(5)] == pytest.approx(found, abs=1e-6)


@given(shares)
def test_who_did_as_well_everywhere_and_better_once_is_not_below(
    given_shares: list[float],
) -> None:
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    results = dict(zip(pairs, given_shares, strict=True))
    for j in range(2, 5):  # the first does as well as the second against all others
        results[0, j] = max(results[0, j], results[1, j])
    results[0, 1] = max(results[0, 1], 0.5)
    found = strengths(5, [Match(i, j, s) for (i, j), s in results.items()])
    assert found[0] >= found[1] - 1e-9


def test_a_perfect_winner_stays_finite() -> None:
    found = strengths(8, play(schedule("round-robin", 8), better([*map(float, range(8))])))
    assert all(math.isfinite(x) for x in found)
    assert sum(found) == pytest.approx(0)


def test_two_answers_have_the_odds_of_their_matches_as_the_prior_fades() -> None:
    matches = [Match(0, 1, 0.75)] * 4
    first, second = strengths(2, matches, prior=1e-9)
    assert math.exp(first - second) == pytest.approx(3, rel=1e-4)


def test_anchors_stay_and_carry_their_scale() -> None:
    beats_both = [Match(0, 1, 1.0), Match(0, 2, 1.0)]
    low = strengths(3, beats_both, anchors={1: 0.0, 2: 1.0})
    high = strengths(3, beats_both, anchors={1: 5.0, 2: 6.0})
    assert low[1:] == [0.0, 1.0]
    assert high[0] == pytest.approx(low[0] + 5)


def test_the_same_answer_gets_the_same_number_in_other_company_with_reference_matches() -> None:
    def share(i: int, j: int) -> float:
        return (0.9, 0.3, 0.6)[i]

    alone = play(schedule("reference", 1, references=1), share)
    three = play(schedule("reference", 3, references=1), share)
    one = strengths(2, alone, anchors={1: 0.0})
    many = strengths(4, three, anchors={3: 0.0})
    assert one[0] == pytest.approx(many[0])


def test_win_rates_have_no_anchors() -> None:
    with pytest.raises(ValueError, match="anchors"):
        strengths(2, [Match(0, 1, 1.0)], "win-rate", anchors={1: 0.0})


def test_an_answer_without_matches_is_in_the_middle() -> None:
    assert strengths(3, [Match(0, 1, 1.0)], "win-rate") == [1.0, 0.0, 0.5]
    assert strengths(3, [Match(0, 1, 1.0)])[2] == pytest.approx(0)
