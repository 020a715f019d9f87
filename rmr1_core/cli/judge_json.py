"""Decisions and rankings as `rmr1 judge --json` prints them."""

from __future__ import annotations

from typing import Any

import msgspec

from rmr1_core.cli.judge_input import Case
from rmr1_core.cli.judge_words import given_name, in_order, occurs_in
from rmr1_core.decisions import Decision, Opinion, Ranking
from rmr1_core.traces import read_trace
from rmr1_core.values import Value, Verdict


class Quoted(Value, frozen=True):
    """A quotation, by the answer that it is said to be of, and whether it occurs there."""

    of: str
    text: str
    occurs: bool


class Said(Value, frozen=True):
    """One opinion, as JSON has it. `scores` are those of A and B as they were given, there only
    where the engine scores answers."""

    a_first: bool
    sample: int
    verdict: Verdict
    finish_reason: str
    text: str
    quotes: list[Quoted]
    scores: tuple[float, float] | msgspec.UnsetType = msgspec.UNSET


class Compared(Value, frozen=True):
    """A decision, as JSON has it; `id` only where the case has one."""

    id: Any
    verdict: Verdict
    share: float
    flipped: bool
    agreement: float
    prompt_tokens: int
    completion_tokens: int
    opinions: list[Said]


class Played(Value, frozen=True):
    """A match, as JSON has it."""

    i: int
    j: int
    verdict: Verdict
    share: float
    flipped: bool


class Ranked(Value, frozen=True):
    """A ranking, as JSON has it."""

    id: Any
    order: tuple[int, ...]
    scores: tuple[float, ...]
    matches: list[Played]


class Failed(Value, frozen=True):
    """Why a case got no answer, as JSON has it."""

    id: Any
    error: str


def plain_decision(decision: Decision, case: Case) -> Compared:
    """A decision as JSON has it. Answers are named as they were given."""
    said = [
        Said(
            a_first=opinion.a_first,
            sample=opinion.sample,
            verdict=opinion.verdict,
            finish_reason=opinion.completion.finish_reason,
            text=opinion.completion.text,
            scores=_scores(opinion),
            quotes=[
                Quoted(
                    of=given_name(opinion, quote),
                    text=quote.text,
                    occurs=occurs_in(quote, opinion, case),
                )
                for quote in read_trace(opinion.completion.text).quotes
            ],
        )
        for opinion in in_order(decision)
    ]
    return Compared(
        id=_called(case),
        verdict=decision.verdict,
        share=decision.share,
        flipped=decision.flipped,
        agreement=decision.agreement,
        prompt_tokens=decision.prompt_tokens,
        completion_tokens=decision.completion_tokens,
        opinions=said,
    )


def plain_ranking(ranking: Ranking, case: Case) -> Ranked:
    """A ranking as JSON has it. Answers are named by their places, from 0."""
    matches = [
        Played(
            i=match.i,
            j=match.j,
            verdict=match.decision.verdict,
            share=match.decision.share,
            flipped=match.decision.flipped,
        )
        for match in ranking.matches
    ]
    return Ranked(id=_called(case), order=ranking.order, scores=ranking.scores, matches=matches)


def plain_failure(error: Exception, case: Case) -> Failed:
    """A case that got no answer."""
    return Failed(id=_called(case), error=str(error))


def _scores(opinion: Opinion) -> tuple[float, float] | msgspec.UnsetType:
    if opinion.completion.scores is None:
        return msgspec.UNSET
    first, second = opinion.completion.scores
    return (first, second) if opinion.a_first else (second, first)


def _called(case: Case) -> Any:
    return msgspec.UNSET if case.id is None else case.id
