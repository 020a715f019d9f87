from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rmr1_core import (
    Backbone,
    Benchmark,
    Comparison,
    EvalProtocol,
    Judgment,
    Message,
    Outcome,
    Pair,
    PromptStrategy,
    Request,
    RequestFailed,
    Scores,
    Verdict,
    parse_verdict,
    tradeoffs,
)
from rmr1_core.assessing import JudgeParts, judge_all
from rmr1_core.budgets import FINISH_TOKENS
from rmr1_core.errors import RunIncomplete, UsageError
from rmr1_core.evaluation import Evaluation
from rmr1_core.journals import Places, identity
from rmr1_core.statistics import mean
from rmr1_core.testing import ScriptedEngine, ScriptedSession, example_pair

PAIRS = [example_pair(number) for number in range(8)]
CLOSED = "\n\n<answer>"


class Small(Benchmark, frozen=True, kw_only=True):
    def pairs(self, source: Path | None) -> Iterator[Pair]:
        yield from PAIRS

    def summarize(self, outcomes: Any, scoring: str) -> Scores:
        found: list[Outcome] = list(outcomes)
        points = [outcome.score() for outcome in found]
        return Scores(headline=mean(points, [o.pair.group for o in found]).metric("accuracy"))


class Plain(PromptStrategy, frozen=True, kw_only=True):
    def render(self, comparison: Comparison) -> tuple[Message, ...]:
        return (Message("user", f"{comparison.a} or {comparison.b}"),)

    def parse(self, text: str) -> Verdict:
        return parse_verdict(text)


class Engine(ScriptedEngine, frozen=True, kw_only=True):
    asked: list[list[Request]]

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[ScriptedSession]:
        session = ScriptedSession(self.write)
        self.asked.append(session.requests)
        yield session


def steps(request: Request) -> str:
    """As many words as the pair's number, twice, and then A; "B" right after what is cut."""
    number = int(request.messages[0].content.split()[2])
    return "[[B]]</answer>" if request.prefill else "so " * 2 * number + "<answer>[[A]]</answer>"


def judged(
    folder: Path, budgets: tuple[int, ...], write: Callable[[Request], Any] = steps, **changes: Any
) -> tuple[Evaluation, list[Request]]:
    """An evaluation with these budgets, and all that was asked."""
    protocol = msgspec.convert({"budgets": budgets, "order": "chosen-first"}, EvalProtocol)
    evaluation, small = Evaluation(folder), Small(name="small")
    if not evaluation.is_set_up:
        evaluation.set_up([(small, None)], protocol)
    family = changes.pop("family", "instruct")
    parts = JudgeParts(
        engine=Engine(name="script", write=write, asked=[]),
        backbone=Backbone(name="x", model="x", family=family),
        strategy=Plain(name="plain"),
    )
    engine = parts.engine
    assert isinstance(engine, Engine)
    judge_all(evaluation, parts, protocol, [small], {})
    return evaluation, [request for session in engine.asked for request in session]


def at(evaluation: Evaluation, tokens: int) -> dict[str, Judgment]:
    return {j.pair_id: j for j in evaluation.another_pass(f"budgets/{tokens}").judgments()}


def test_what_is_not_longer_than_the_budget_is_not_asked_again(tmp_path: Path) -> None:
    evaluation, asked = judged(tmp_path, (7,))
    whole = {judgment.pair_id: judgment for judgment in evaluation.judgments()}
    cut = at(evaluation, 7)
    assert cut.keys() == whole.keys()
    shorter = [name for name in whole if whole[name].completion.completion_tokens <= 7]
    assert len(shorter) == 4
    assert {name: cut[name] for name in shorter} == {name: whole[name] for name in shorter}
    lines = evaluation.journal.read_text().splitlines()
    again = evaluation.another_pass("budgets/7").journal.read_text().splitlines()
    assert len(set(lines) & set(again)) == 4, "the very same lines"
    assert len(asked) == 8 + 4


def test_what_is_longer_is_cut_closed_and_finished(tmp_path: Path) -> None:
    evaluation, asked = judged(tmp_path, (7,))
    for request in asked[8:]:
        assert request.prefill == ("so " * 7).rstrip() + CLOSED
        assert request.sampling.max_new_tokens == FINISH_TOKENS
        assert request.messages in [first.messages for first in asked[:8]]
    longest = at(evaluation, 7)["pair-7"]
    assert longest.completion.text == ("so " * 7).rstrip() + CLOSED + "[[B]]</answer>"
    assert (longest.verdict, longest.completion.completion_tokens) == (Verdict.B, 8)


def test_no_request_at_a_budget_has_the_id_of_another(tmp_path: Path) -> None:
    _, asked = judged(tmp_path, (3, 7))
    assert len({request.id for request in asked}) == len(asked) > 8


def test_accuracy_against_tokens_is_a_curve_up_to_the_full_reasoning(tmp_path: Path) -> None:
    evaluation, _ = judged(tmp_path, (9, 3, 99))
    (curve,) = tradeoffs.stored(evaluation).curves
    assert [(point.at, point.score.value) for point in curve.points] == [
        (3, 0.25), (9, 0.625), (99, 1.0), (None, 1.0)
    ]  # fmt: skip
    tokens = [point.tokens for point in curve.points]
    assert tokens == sorted(tokens)
    assert tokens[-1] == tokens[-2] == 8
    (report,) = evaluation.another_pass("budgets/3").stored_reports() or []
    assert report.scores.headline == curve.points[0].score


def test_budgets_go_on_where_they_were(tmp_path: Path) -> None:
    expected, whole = judged(tmp_path / "whole", (3, 9))
    asked: list[str] = []

    def until(request: Request) -> str:
        asked.append(f"{request.id} {request.prefill}")
        if len(asked) % 5 == 0:
            asked.pop()
            asked.append("")
            raise KeyboardInterrupt
        return steps(request)

    for _ in range(9):
        try:
            evaluation, _ = judged(tmp_path / "parts", (3, 9), until)
        except KeyboardInterrupt:
            continue
    for tokens in (3, 9):
        assert at(evaluation, tokens) == at(expected, tokens)
    done = Counter(filter(None, asked))
    assert len(done) == done.total() == len(whole)
    again, nothing = judged(tmp_path / "parts", (3, 9))
    assert not nothing
    assert tradeoffs.stored(again) == tradeoffs.stored(expected)


def test_a_request_that_fails_at_a_budget_is_asked_again(tmp_path: Path) -> None:
    def failing(request: Request) -> Any:
        return RequestFailed(error="no") if request.prefill else steps(request)

    with pytest.raises(RunIncomplete):
        judged(tmp_path, (7,), failing)
    assert not (tmp_path / "report.json").exists()
    evaluation, asked = judged(tmp_path, (7,))
    assert len(asked) == 4
    assert len(at(evaluation, 7)) == 8


def test_a_thought_is_ended_before_the_verdict(tmp_path: Path) -> None:
    def thinking(request: Request) -> str:
        if request.prefill:
            return "[[B]]</answer>"
        return "hm hm hm hm </think> well well well <answer>[[A]]</answer>"

    _, asked = judged(tmp_path, (2, 6), thinking)
    cut = {request.prefill for request in asked if request.prefill}
    assert cut == {"hm hm\n</think>" + CLOSED, "hm hm hm hm </think> well" + CLOSED}


def test_a_thought_that_never_ended_is_ended(tmp_path: Path) -> None:
    def endless(request: Request) -> Any:
        if request.prefill:
            return "[[B]]</answer>"
        (answer,) = ScriptedSession(lambda _: "hm " * 9).generate([request])
        return msgspec.structs.replace(answer.result, finish_reason="length")

    _, asked = judged(tmp_path, (2,), endless, family="reasoning")
    assert asked[-1].prefill == "hm hm\n</think>" + CLOSED


def test_a_verdict_within_the_budget_needs_no_more(tmp_path: Path) -> None:
    def talkative(request: Request) -> str:
        return "since <answer>[[A]]</answer> and and and and"

    evaluation, asked = judged(tmp_path, (3,), talkative)
    assert len(asked) == 8
    judgment = at(evaluation, 3)["pair-0"]
    assert judgment.completion.text == "since <answer>[[A]]</answer> and"
    assert (judgment.verdict, judgment.completion.completion_tokens) == (Verdict.A, 3)


def test_an_engine_that_cannot_go_on_is_refused_before_it_is_asked(tmp_path: Path) -> None:
    class Plainer(Engine, frozen=True, kw_only=True):
        prefills = False

    asked: list[list[Request]] = []
    parts = JudgeParts(
        engine=Plainer(name="script", write=steps, asked=asked),
        backbone=Backbone(name="x", model="x"),
        strategy=Plain(name="plain"),
    )
    protocol = EvalProtocol(budgets=(3,))
    with pytest.raises(UsageError, match="cannot go on with an answer that is cut"):
        judge_all(Evaluation(tmp_path), parts, protocol, [Small(name="small")], {})
    assert not asked


def test_any_judgment_of_a_journal_is_found_by_its_place(tmp_path: Path) -> None:
    evaluation, _ = judged(tmp_path, ())
    with evaluation.journal.open("a") as journal:
        journal.write('{"torn')
    places = Places(evaluation.journal)
    for judgment in evaluation.judgments():
        assert places[identity(judgment)] == judgment
    assert ("small", "pair-0", False, 0) not in places
