"""Asking for what `rmr1 judge` was given: how much that is, and results as they come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import click
import msgspec

from rmr1_core.cli import judge_json, judge_words
from rmr1_core.cli.judge_input import Case
from rmr1_core.cli.options import echo_json
from rmr1_core.decisions import Decision, Ranking
from rmr1_core.errors import NotAnswered, UsageError
from rmr1_core.judge import Judge
from rmr1_core.progress import activity, progress
from rmr1_core.ranking import Method, number_of_matches
from rmr1_core.values import Value

_AHEAD = 256
"""Cases that are under way together."""

Result = Decision | Ranking | NotAnswered


class Wanted(NamedTuple):
    """What is done with each case: a comparison, or with a method a tournament."""

    method: Method | None = None
    rounds: int | None = None
    references: tuple[str, ...] = ()

    def matches(self, case: Case) -> int:
        """How many comparisons a case takes, at most."""
        if self.method is None:
            return 1
        everybody = len(case.answers), len(set(self.references))
        return number_of_matches(
            self.method, everybody[0], references=everybody[1], rounds=self.rounds
        )


def check(cases: Sequence[Case], wanted: Wanted) -> None:
    """Refuse what cannot be compared, before a model is loaded. Raises UsageError."""
    for case in cases:
        at, count = f"{case.where}: " if case.where else "", len(case.answers)
        if wanted.method is None and count > 2:
            raise UsageError(f"{at}there are {count} answers; put them in order with --rank")
        if wanted.method is None and count < 2:
            raise UsageError(f"{at}two answers are needed; see: rmr1 judge --help")
        if wanted.matches(case) < 1:
            raise UsageError(
                f"{at}--rank with --method {wanted.method} has nothing to compare; "
                "give more answers, or --reference"
            )


def numbers(judge: Judge, cases: Sequence[Case], wanted: Wanted) -> tuple[int, int]:
    """Comparisons and requests, at most."""
    matches = sum(wanted.matches(case) for case in cases)
    orders = 2 if judge.protocol.order == "both" else 1
    return matches, matches * orders * judge.protocol.samples


def counts(judge: Judge, cases: Sequence[Case], wanted: Wanted) -> str:
    """The numbers in words."""
    matches, requests = numbers(judge, cases, wanted)
    most = "at most " if wanted.method == "swiss" else ""
    plurals = ["" if number == 1 else "s" for number in (matches, requests)]
    return f"{most}{matches:,} comparison{plurals[0]}, {requests:,} request{plurals[1]}"


def print_plan(judge: Judge, cases: Sequence[Case], wanted: Wanted, *, as_json: bool) -> None:
    """The counts, and the first prompt."""
    a, b, *_ = [*cases[0].answers, *wanted.references]
    shown = judge.prompts(cases[0].messages, a, b)[0] if judge.parts.engine.asks else ()
    if as_json:
        matches, requests = numbers(judge, cases, wanted)
        echo_json({"comparisons": matches, "requests": requests, "example": shown})
        return
    follows = "The first prompt:\n" if shown else "No prompt is asked: the engine scores answers."
    click.echo(f"{counts(judge, cases, wanted)}. {follows}")
    for message in shown:
        click.echo(f"--- {message.role}\n{message.content}")


def ask_one(judge: Judge, case: Case, wanted: Wanted, *, as_json: bool) -> None:
    """Ask for one case, and print what comes of it."""
    with activity("judging"), judge:
        result = asyncio.run(_one(judge, case, wanted))
    if as_json:
        echo_json(_plain(result, case))
    elif isinstance(result, Ranking):
        judge_words.print_ranking(result, case)
    else:
        judge_words.print_decision(result, case)


def ask_many(judge: Judge, cases: Sequence[Case], wanted: Wanted) -> None:
    """Ask for all cases, and print a line of JSON for each, in their order, as they come.

    Raises:
        NotAnswered: at the end, when some got no answer; the others were printed.
        EngineFailed: the engine is gone.
    """
    failed = asyncio.run(_print_all(judge, cases, wanted))
    if failed:
        raise NotAnswered(
            f"{failed} of {len(cases)} cases got no answer; their lines say why, ask them again"
        )


async def _print_all(judge: Judge, cases: Sequence[Case], wanted: Wanted) -> int:
    done = failed = 0
    with judge, progress("judging", len(cases), "cases") as shown:
        async for case, result in _each(judge, cases, wanted):
            click.echo(msgspec.json.encode(_plain(result, case)).decode())
            done, failed = done + 1, failed + isinstance(result, NotAnswered)
            shown.advance(done)
    return failed


async def _one(judge: Judge, case: Case, wanted: Wanted) -> Decision | Ranking:
    if wanted.method is None:
        return await judge.acompare(case.messages, *case.answers)
    return await judge.arank(
        case.messages,
        case.answers,
        method=wanted.method,
        rounds=wanted.rounds,
        references=wanted.references,
    )


async def _each(
    judge: Judge, cases: Sequence[Case], wanted: Wanted
) -> AsyncIterator[tuple[Case, Result]]:
    """Results in the order of the cases, with many under way together."""

    async def kept(case: Case) -> Result:
        try:
            return await _one(judge, case, wanted)
        except NotAnswered as error:
            return error

    waiting: deque[asyncio.Task[Result]] = deque()
    coming = iter(cases)
    try:
        for case in cases:
            while len(waiting) < _AHEAD and (following := next(coming, None)) is not None:
                waiting.append(asyncio.create_task(kept(following)))
            yield case, await waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _plain(result: Result, case: Case) -> Value:
    match result:
        case NotAnswered():
            return judge_json.plain_failure(result, case)
        case Ranking():
            return judge_json.plain_ranking(result, case)
    return judge_json.plain_decision(result, case)
