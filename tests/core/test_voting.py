from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmr1_core import Backbone, Comparison, EvalProtocol, Message, PromptStrategy, Request, Verdict
from rmr1_core.journals import stored, verdicts
from rmr1_core.judging import Judging
from rmr1_core.scoring import majority
from rmr1_core.slots import slots
from rmr1_core.testing import ScriptedEngine, example_pair
from rmr1_core.voting import Polls, agreement, certain, doubt, settled, to_ask

A, B, TIE, NONE = Verdict.A, Verdict.B, Verdict.TIE, Verdict.UNPARSED
VOTES = st.lists(st.sampled_from([A, A, B, TIE, NONE]), min_size=8, max_size=8)
PAIRS = [example_pair(number) for number in range(12)]


class Plain(PromptStrategy, frozen=True, kw_only=True):
    def render(self, comparison: Comparison) -> tuple[Message, ...]:
        return (Message("user", f"{comparison.a} or {comparison.b}"),)

    def parse(self, text: str) -> Verdict:
        return Verdict(text)


def drawn(request: Request) -> str:
    return "A" if random.Random(request.sampling.seed).random() < 0.8 else "B"


def vote(
    journal: Path, confidence: float | None, write: Callable[[Request], str] = drawn, most: int = 9
) -> list[Request]:
    """Judge with a scripted engine; what it was asked."""
    rules = EvalProtocol(samples=most, confidence=confidence, temperature=1.0)
    judging = Judging(Plain(name="plain"), rules, journal)
    wanted = list(slots("small", PAIRS, rules))
    requests = (judging.pending if confidence is None else judging.polled)(wanted, 9)
    with ScriptedEngine(name="s", write=write).open(Backbone(name="x", model="x")) as session:
        list(judging.run(session, requests))
        if confidence is not None:
            assert judging.open_judgments == 0
        return session.requests


def majorities(journal: Path) -> dict[tuple[str, bool], Verdict]:
    cast: dict[tuple[str, bool], list[Verdict]] = {}
    for (_, pair, first, _), verdict in sorted(verdicts(journal).items()):
        cast.setdefault((pair, first), []).append(verdict)
    return {which: majority(votes) for which, votes in cast.items()}


def test_the_doubt_is_the_tail_of_a_beta_distribution() -> None:
    scipy = pytest.importorskip("scipy.special")
    for lead in range(9):
        for second in range(lead + 1):
            expected = scipy.betainc(lead + 1, second + 1, 0.5)
            assert doubt(lead, second) == pytest.approx(expected)


def test_four_like_votes_settle_at_95_percent_and_three_do_not() -> None:
    assert not settled([A] * 3, 16, 0.95)
    assert settled([A] * 4, 16, 0.95)
    assert to_ask([], 16, 0.95) == 4
    assert to_ask([A, A, A, B], 16, 0.95) == 3
    assert to_ask([A] * 4, 16, 0.95) == 0


def test_votes_that_do_not_parse_are_drawn_and_do_not_vote() -> None:
    assert not settled([A, A, A, NONE], 16, 0.95)
    assert to_ask([NONE] * 16, 16, 0.95) == 0


@given(VOTES)
def test_what_is_certain_is_the_majority_of_all_votes(votes: list[Verdict]) -> None:
    for count in range(len(votes) + 1):
        if certain(votes[:count], len(votes)):
            assert majority(votes[:count]) == majority(votes)


@given(VOTES, st.sampled_from([0.8, 0.95, 1.0]))
def test_no_vote_is_asked_that_drawing_one_by_one_would_not_ask(
    votes: list[Verdict], confidence: float
) -> None:
    one_by_one = next(k for k in range(9) if settled(votes[:k], 8, confidence))
    count = 0
    while more := to_ask(votes[:count], 8, confidence):
        count += more
    assert count == one_by_one


def test_the_stated_confidence_holds_for_judges_of_all_kinds() -> None:
    """Judges' true shares are uniform, as the prior says; then what is stated is what is seen."""
    lot, right, alike, expected = random.Random(7), 0, 0, 0.0
    trials, most, confidence = 4000, 40, 0.9
    for _ in range(trials):
        share = lot.random()
        votes = [A if lot.random() < share else B for _ in range(most)]
        count = next(k for k in range(most + 1) if settled(votes[:k], most, confidence))
        said = majority(votes[:count])
        right += said is (A if share > 0.5 else B)
        alike += said is majority(votes)
        expected += agreement(votes[:count], most)
    assert right / trials > confidence
    assert alike / trials == pytest.approx(expected / trials, abs=0.01)


def test_certain_votes_end_as_full_ones_and_ask_less(tmp_path: Path) -> None:
    full, early = vote(tmp_path / "full", None), vote(tmp_path / "early", 1.0)
    assert majorities(tmp_path / "full") == majorities(tmp_path / "early")
    assert len(early) < len(full) == 9 * 24
    assert {request.id for request in early} <= {request.id for request in full}


def test_a_vote_that_goes_on_asks_what_it_would_have_asked(tmp_path: Path) -> None:
    whole = {request.id for request in vote(tmp_path / "whole", 0.9)}
    asked: list[str] = []

    def until(request: Request) -> str:
        if len(asked) and len(asked) % 20 == 0:
            asked.append("stopped")
            raise KeyboardInterrupt
        asked.append(request.id)
        return drawn(request)

    for _ in range(20):
        try:
            vote(tmp_path / "parts", 0.9, until)
            break
        except KeyboardInterrupt:
            continue
    assert sorted(set(asked) - {"stopped"}) == sorted(whole)
    assert len(list(stored(tmp_path / "parts"))) == len(whole)


def test_what_is_open_is_known_from_the_journal(tmp_path: Path) -> None:
    rules = EvalProtocol(samples=9, confidence=0.9, temperature=1.0)
    wanted = list(slots("small", PAIRS, rules))
    assert Polls(wanted, rules, {}).lacking == 9 * 24
    vote(tmp_path / "j", 0.9)
    polls = Polls(wanted, rules, verdicts(tmp_path / "j"))
    assert (polls.lacking, polls.first()) == (0, [])
    assert polls.made + polls.spared == 9 * 24
