"""Asking a judge from Python, with an engine that is a script."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from rmr1_core import Backbone, EvalProtocol, Judge, Message, Request, RequestFailed, Verdict
from rmr1_core.assessing import JudgeParts
from rmr1_core.errors import EngineFailed, NotAnswered, UnknownName, UsageError
from rmr1_core.lookup import resolve
from rmr1_core.slots import protocol_of
from rmr1_core.testing import ScriptedEngine

SAID = {"A": "<answer>[[A]]</answer>", "B": "<answer>[[B]]</answer>"}
Write = Callable[[Request], Any]


def judge(write: Write, **protocol: Any) -> Judge:
    parts = JudgeParts(
        engine=ScriptedEngine(name="script", write=write),
        backbone=Backbone(name="nobody", model=""),
        strategy=resolve("prompt", "direct"),
    )
    return Judge.of(parts, protocol_of(**protocol))


def numbers(request: Request) -> tuple[int, int]:
    """The two answers "answer-N" as they are shown."""
    first, second = re.findall(r"answer-(\d+)", request.messages[-1].content)
    return int(first), int(second)


def larger(request: Request) -> str:
    first, second = numbers(request)
    return SAID["A" if first > second else "B"]


def always_first(request: Request) -> str:
    return SAID["A"]


def test_the_better_answer_is_named_as_it_was_given_in_both_orders() -> None:
    with judge(larger) as asked:
        decision = asked.compare("which?", "answer-1", "answer-2")
    assert (decision.verdict, decision.share, decision.flipped) == (Verdict.B, 0.0, False)
    assert [(o.a_first, o.verdict) for o in decision.opinions] == [(True, "B"), (False, "B")]
    assert [o.completion.text for o in decision.opinions] == [SAID["B"], SAID["A"]]
    assert decision.agreement == 1.0


def test_a_judge_that_likes_the_first_place_gives_a_tie_that_flips() -> None:
    with judge(always_first) as asked:
        decision = asked.compare("which?", "answer-1", "answer-2")
    assert (decision.verdict, decision.share, decision.flipped) == (Verdict.TIE, 0.5, True)


def test_what_nobody_can_read_is_no_tie() -> None:
    with judge(lambda request: "well...") as asked:
        decision = asked.compare("which?", "answer-1", "answer-2")
    assert (decision.verdict, decision.share) == (Verdict.UNPARSED, 0.5)


def test_votes_are_drawn_with_seeds_of_their_own_and_the_majority_decides() -> None:
    asked_for: list[Request] = []

    def write(request: Request) -> str:
        asked_for.append(request)
        return SAID["A"] if len(asked_for) % 3 else SAID["B"]

    with judge(write, samples=3, order="chosen-first") as asked:
        decision = asked.compare("which?", "answer-1", "answer-2")
    assert decision.verdict is Verdict.A
    assert decision.agreement == pytest.approx(2 / 3)
    assert {r.sampling.temperature for r in asked_for} == {1.0}
    assert len({r.sampling.seed for r in asked_for}) == 3


def test_many_comparisons_come_back_in_their_order() -> None:
    pairs = [(f"answer-{n}", f"answer-{n * 7 % 5}") for n in range(1, 700)]
    with judge(larger) as asked:
        decisions = list(asked.compare_many(("which?", a, b) for a, b in pairs))
    expected = [n * 7 % 5 < n for n in range(1, 700)]
    assert [d.verdict is Verdict.A for d in decisions] == expected


def test_coroutines_share_the_engine() -> None:
    async def ask(asked: Judge) -> list[Verdict]:
        coming = (
            asked.acompare("which?", f"answer-{n}", "answer-50") for n in range(100) if n != 50
        )
        return [decision.verdict for decision in await asyncio.gather(*coming)]

    with judge(larger) as asked:
        verdicts = asyncio.run(ask(asked))
    assert verdicts == [Verdict.B] * 50 + [Verdict.A] * 49


@pytest.mark.parametrize("method", ["round-robin", "swiss"])
def test_answers_are_ranked(method: Any) -> None:
    answers = [f"answer-{n}" for n in (3, 9, 1, 7)]
    with judge(larger) as asked:
        ranking = asked.rank("which?", answers, method=method)
        again = asyncio.run(asked.arank("which?", answers, method=method))
    assert ranking.order[0] == 1
    assert ranking == again
    if method == "round-robin":
        assert ranking.order == (1, 3, 0, 2)
        assert len(ranking.matches) == 6


def test_scores_against_a_reference_are_the_same_in_any_company() -> None:
    how: dict[str, Any] = {"method": "reference", "references": ["answer-5"]}
    with judge(larger) as asked:
        low, high = asked.score("which?", ["answer-1", "answer-9"], **how)
        (alone,) = asyncio.run(asked.ascore("which?", ["answer-9"], **how))
    assert low < 0 < high
    assert alone == pytest.approx(high)


def test_an_answer_without_another_or_a_reference_cannot_be_scored() -> None:
    with judge(larger) as asked, pytest.raises(UsageError, match="two answers, or one and a ref"):
        asked.score("which?", ["answer-1"])


def test_a_conversation_may_be_values_or_plain_dictionaries() -> None:
    turns = [("user", "hello"), ("assistant", "hi"), ("user", "which?")]
    with judge(larger) as asked:
        plain = asked.prompts([{"role": r, "content": c} for r, c in turns], "a", "b")
        values = asked.prompts([Message(r, c) for r, c in turns], "a", "b")  # type: ignore[arg-type]
    assert plain == values
    assert len(plain) == 2


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([], "the last one is to be the user's"),
        ([{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], "the last one"),
        ([{"role": "robot", "content": "x"}], r"messages\[0\].role"),
        ([{"role": "user"}], r"messages\[0\].*content"),
        ([3], r"messages\[0\]"),
    ],
)
def test_what_is_no_conversation_is_refused(messages: Any, problem: str) -> None:
    with judge(larger) as asked, pytest.raises(UsageError, match=problem):
        asked.compare(messages, "a", "b")


def test_a_request_that_fails_raises_and_the_judge_goes_on() -> None:
    def write(request: Request) -> str | RequestFailed:
        return RequestFailed(error="too long") if 0 in numbers(request) else larger(request)

    with judge(write) as asked:
        with pytest.raises(NotAnswered, match="too long"):
            asked.compare("which?", "answer-0", "answer-1")
        assert asked.compare("which?", "answer-2", "answer-1").verdict is Verdict.A


def test_of_many_those_that_failed_are_handed_back_in_their_place() -> None:
    def write(request: Request) -> str | RequestFailed:
        return RequestFailed(error="too long") if 7 in numbers(request) else larger(request)

    asked_for = [("which?", f"answer-{n}", "answer-5") for n in range(6, 20)]
    with judge(write) as asked:
        found = list(asked.try_many(asked_for))
        assert [n for n, one in enumerate(found) if isinstance(one, NotAnswered)] == [1]
        assert "too long" in str(found[1])
        decisions = [one for one in found if not isinstance(one, NotAnswered)]
        assert {one.verdict for one in decisions} == {Verdict.A}
        with pytest.raises(NotAnswered, match="too long"):
            list(asked.compare_many(asked_for))
        assert asked.compare("which?", "answer-2", "answer-1").verdict is Verdict.A


def test_a_dead_engine_ends_many_comparisons() -> None:
    def die(request: Request) -> str:
        raise EngineFailed("the power went off")

    with judge(die) as asked, pytest.raises(EngineFailed, match="the power went off"):
        list(asked.try_many([("which?", "answer-1", "answer-2")] * 3))


def test_an_engine_that_cannot_be_opened_is_said_when_it_is_first_asked() -> None:
    asked = Judge("no/such-model", engine="replay:/no/such/folder")
    with pytest.raises(UsageError, match="no such file or folder"):
        asked.compare("which?", "a", "b")
    asked.close()


def test_a_dead_engine_fails_every_comparison() -> None:
    def die(request: Request) -> str:
        raise EngineFailed("the power went off")

    with judge(die) as asked:
        for _ in range(2):
            with pytest.raises(EngineFailed, match="the power went off"):
                asked.compare("which?", "answer-1", "answer-2")


def test_a_closed_judge_opens_again_when_it_is_asked() -> None:
    asked = judge(larger)
    for _ in range(2):
        assert asked.compare("which?", "answer-2", "answer-1").verdict is Verdict.A
        asked.close()


def test_names_and_settings_that_cannot_work_are_refused_at_once() -> None:
    with pytest.raises(UnknownName, match="no prompt named 'no-prompt'"):
        Judge("org/model", prompt="no-prompt")
    with pytest.raises(UsageError, match="no setting 'votes'"):
        Judge("org/model", votes=3)
    with pytest.raises(UsageError, match="say who judges"):
        Judge()


def test_it_asks_what_bench_asks() -> None:
    seen: list[Request] = []

    def write(request: Request) -> str:
        seen.append(request)
        return SAID["A"]

    with judge(write, max_new_tokens=99) as asked:
        asked.compare("which?", "answer-1", "answer-2")
        assert asked.protocol == EvalProtocol(max_new_tokens=99)
    first, second = seen
    assert first.sampling == second.sampling
    assert (first.sampling.max_new_tokens, first.sampling.temperature) == (99, 0.0)
    assert first.sampling.stop == asked.parts.strategy.stop
    assert [numbers(first), numbers(second)] == [(1, 2), (2, 1)]


def test_the_core_names_the_judge_without_loading_it() -> None:
    code = (
        "import sys, rmr1_core; print('rmr1_core.judge' in sys.modules);"
        "print(rmr1_core.Judge.__name__, 'rmr1_core.judge' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "Judge", "True"]
