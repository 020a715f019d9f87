"""The kit for plugin authors must fail where a contract is broken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest

from rmr1_core import (
    Backbone,
    Benchmark,
    Comparison,
    Judgment,
    Message,
    Option,
    Outcome,
    Pair,
    PromptStrategy,
    RequestFailed,
    RewardFunction,
    Scores,
    Verdict,
    parse_verdict,
)
from rmr1_core.statistics import mean
from rmr1_core.testing import (
    ScriptedEngine,
    check_component,
    check_pairs,
    example_pair,
    judgment,
    outcome,
)


class Good(PromptStrategy, frozen=True, kw_only=True):
    options: Annotated[Mapping[str, int], Option(description="some")] = {}

    def render(self, comparison: Comparison) -> tuple[Message, ...]:
        turns = "\n".join(message.content for message in comparison.prompt)
        return (Message("user", f"{turns}\n{comparison.a}\n{comparison.b}"),)

    def parse(self, text: str) -> Verdict:
        return parse_verdict(text)


class Forgetful(Good, frozen=True, kw_only=True):
    def render(self, comparison: Comparison) -> tuple[Message, ...]:
        return (Message("user", comparison.prompt[-1].content + comparison.a + comparison.b),)


class Formatting(Good, frozen=True, kw_only=True):
    def render(self, comparison: Comparison) -> tuple[Message, ...]:
        whole = super().render(comparison)[0].content
        return (Message("user", whole.replace("{{", "{")),)


class Assistant(Good, frozen=True, kw_only=True):
    def render(self, comparison: Comparison) -> tuple[Message, ...]:
        return (*super().render(comparison), Message("assistant", "I think"))


class Partial(Good, frozen=True, kw_only=True):
    def parse(self, text: str) -> Verdict:
        return {"[[A]] [[B]]": Verdict.A}[text]


class Undescribed(Good, frozen=True, kw_only=True):
    count: int = 3


class Reward(RewardFunction, frozen=True, kw_only=True):
    value: Annotated[Any, Option(description="what it gives")] = 1.0

    def __call__(self, judgment: Judgment, label: Verdict) -> float:
        given: float = self.value
        return given


class Mean(Benchmark, frozen=True, kw_only=True):
    bias: Annotated[float, Option(description="added to the score")] = 0.0

    def pairs(self, source: Path | None) -> Iterator[Pair]:
        return iter([example_pair(0), example_pair(1)])

    def summarize(self, outcomes: Sequence[Outcome], scoring: str) -> Scores:
        values = [outcome.score() + self.bias for outcome in outcomes]
        return Scores(headline=mean(values, [o.pair.group for o in outcomes]).metric("m"))


@pytest.mark.parametrize(
    "component",
    [
        Good(name="good", summary="x"),
        Reward(name="fixed", summary="x"),
        Mean(name="mean-2.0", summary="x"),
        Backbone(name="b", summary="x", model="x"),
    ],
    ids=lambda component: component.name,
)
def test_what_keeps_the_contract_passes(component: Any) -> None:
    check_component(component)


@pytest.mark.parametrize(
    ("component", "complaint"),
    [
        (Good(name="Bad Name", summary="x"), "lower case"),
        (Good(name="a/b", summary="x"), "lower case"),
        (Good(name="good"), "say in one line"),
        (Undescribed(name="good", summary="x"), "option count has no description"),
        (Forgetful(name="good", summary="x"), "does not reach the judge"),
        (Formatting(name="good", summary="x"), "does not reach the judge"),
        (Assistant(name="good", summary="x"), "the judge answers to a user's turn"),
        (Reward(name="r", summary="x", value=1), "a reward is a float"),
        (Reward(name="r", summary="x", value=float("nan")), "nan"),
        (Mean(name="m", summary="x", scorings=()), "at least one scoring rule"),
    ],
)
def test_what_breaks_it_is_told(component: Any, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_component(component)


def test_a_parser_that_raises_is_found() -> None:
    with pytest.raises(KeyError):
        check_component(Partial(name="good", summary="x"))


def test_pairs_that_can_be_scored_pass() -> None:
    benchmark = Mean(name="m", summary="x")
    check_pairs(benchmark, benchmark.pairs(None))


@pytest.mark.parametrize(
    ("benchmark", "pairs"),
    [
        (Mean(name="m"), []),
        (Mean(name="m"), [example_pair(0), example_pair(0)]),
        (Mean(name="m", bias=0.1), [example_pair(0), example_pair(1)]),
        (Mean(name="m", bias=-0.1), [example_pair(0), example_pair(1)]),
    ],
)
def test_pairs_or_scores_that_are_wrong_are_found(benchmark: Mean, pairs: list[Pair]) -> None:
    with pytest.raises(AssertionError):
        check_pairs(benchmark, pairs)


def test_a_scripted_engine_answers_what_the_script_says_and_keeps_the_requests() -> None:
    from rmr1_core import EvalProtocol
    from rmr1_core.judging import Judging
    from rmr1_core.slots import slots

    judging = Judging(Good(name="g"), EvalProtocol(), None)
    requests = judging.pending(slots("b", [example_pair()], EvalProtocol()), 9)
    script = iter(["[[A]]", RequestFailed(error="no")])
    with ScriptedEngine(name="s", write=lambda request: next(script)).open(
        Backbone(name="x", model="x")
    ) as session:
        first, second = session.generate(requests)
    assert [request.id for request in session.requests] == [first.id, second.id]
    assert first.result.text == "[[A]]"  # type: ignore[union-attr]
    assert second.result == RequestFailed(error="no")


def test_outcomes_are_made_from_verdicts() -> None:
    pair = example_pair()
    assert outcome(pair, Verdict.A).score() == 1
    assert outcome(pair, Verdict.A, chosen_first=False).score() == 0
    assert outcome(pair, Verdict.A, Verdict.A).score() == 0.5
    assert judgment(pair, Verdict.A).correct
    assert not judgment(pair, Verdict.A, chosen_first=False).correct
