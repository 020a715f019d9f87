from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmr1_core import (
    Answer,
    Backbone,
    Comparison,
    Completion,
    EngineSession,
    EvalProtocol,
    Judgment,
    Message,
    Pair,
    PromptStrategy,
    Request,
    RequestFailed,
    Verdict,
    jsonl,
)
from rmr1_core.errors import PluginFailed
from rmr1_core.judging import JournalLine, Judging, read_verdict
from rmr1_core.slots import Slot, assign_orders, slots
from rmr1_core.testing import ScriptedEngine, example_pair
from rmr1_core.values import FailedJudgment, Order

PAIRS = [example_pair(number) for number in range(9)]
ODD_IDS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=9, unique=True
)


class Plain(PromptStrategy, frozen=True, kw_only=True):
    def render(self, comparison: Comparison) -> tuple[Message, ...]:
        return (*comparison.prompt, Message("user", f"{comparison.a} or {comparison.b}"))

    def parse(self, text: str) -> Verdict:
        return Verdict(text)


STRATEGY = Plain(name="plain", summary="the answers")


def judge(
    journal: Path,
    pairs: Iterable[Pair] = PAIRS,
    write: Callable[[Request], Any] = lambda request: "A",
    benchmarks: Iterable[str] = ("small",),
    **protocol: Any,
) -> tuple[list[JournalLine], list[Request]]:
    """Judge with a scripted engine: the new lines of the journal, and the requests."""
    rules = EvalProtocol(**protocol)
    judging = Judging(STRATEGY, rules, journal)
    wanted = [slot for name in benchmarks for slot in slots(name, list(pairs), rules)]
    requests = judging.pending(wanted, 100)
    with ScriptedEngine(name="scripted", write=write).open(
        Backbone(name="x", model="x")
    ) as session:
        lines = list(judging.run(session, requests))
    return lines, session.requests


def identities(lines: Iterable[JournalLine]) -> list[tuple[str, str, bool, int]]:
    return [(line.benchmark, line.pair_id, line.chosen_first, line.sample) for line in lines]


# orders


@pytest.mark.parametrize("order", get_args(Order))
def test_orders_are_the_same_every_time(order: Order) -> None:
    assert assign_orders(PAIRS, order, 7) == assign_orders(list(PAIRS), order, 7)


@pytest.mark.parametrize("order", ["balanced", "random"])
def test_another_seed_gives_other_orders(order: Order) -> None:
    pairs = [example_pair(number) for number in range(64)]
    assert assign_orders(pairs, order, 0) != assign_orders(pairs, order, 1)


def test_both_judges_every_pair_in_both_orders() -> None:
    assert assign_orders(PAIRS, "both", 0) == [(True, False)] * 9


def test_chosen_first_puts_the_chosen_answer_first() -> None:
    assert assign_orders(PAIRS, "chosen-first", 0) == [(True,)] * 9


@given(ids=ODD_IDS, seed=st.integers())
def test_balanced_is_half_and_half_exactly(ids: list[str], seed: int) -> None:
    orders = assign_orders([example_pair(0, id=name) for name in ids], "balanced", seed)
    counts = Counter(orders)
    assert 0 <= counts[(True,)] - counts[(False,)] <= 1
    assert counts.total() == len(ids)


def test_random_draws_each_pair_alone() -> None:
    pairs = [example_pair(number) for number in range(400)]
    orders = assign_orders(pairs, "random", 3)
    assert orders[100:] == assign_orders(pairs[100:], "random", 3)
    assert 160 <= orders.count((True,)) <= 240


@pytest.mark.parametrize("order", ["both", "random", "chosen-first"])
def test_a_pair_keeps_its_order_whatever_else_is_judged(order: Order) -> None:
    assert assign_orders(PAIRS[3:4], order, 5) == assign_orders(PAIRS, order, 5)[3:4]


# slots


@given(ids=ODD_IDS, samples=st.integers(1, 3))
def test_every_judgment_has_its_own_key_whatever_the_ids(ids: list[str], samples: int) -> None:
    pairs = [example_pair(0, id=name) for name in ids]
    protocol = EvalProtocol(samples=samples)
    keys = [slot.key for name in ("x", 'y"') for slot in slots(name, pairs, protocol)]
    assert len(set(keys)) == len(keys) == 4 * samples * len(ids)


def test_comparisons_that_begin_alike_are_asked_next_to_each_other() -> None:
    cells = [
        example_pair(0, id=f"{group} {c} {r}", group=group, chosen=f"good {c}", rejected=f"bad {r}")
        for c in range(3)
        for r in range(3)
        for group in ("one", "two")
    ]
    first_answers = [
        (slot.pair.group, slot.pair.comparison(slot.chosen_first).a)
        for slot in slots("rm", cells, EvalProtocol())
    ]
    changes = sum(a != b for a, b in pairwise(first_answers))
    assert changes == len(set(first_answers)) - 1
    assert [group for group, _ in first_answers] == ["one"] * 18 + ["two"] * 18


# requests


def test_every_slot_gets_a_judgment(tmp_path: Path) -> None:
    lines, requests = judge(tmp_path / "j", samples=2, temperature=1.0)
    assert len(requests) == len(lines) == 36
    assert len(set(identities(lines))) == 36
    assert list(Judging.stored(tmp_path / "j")) == lines


def test_the_judge_sees_the_answers_in_the_order_of_the_slot(tmp_path: Path) -> None:
    lines, requests = judge(tmp_path / "j", PAIRS[:1])
    assert [request.messages[-1].content for request in requests] == [
        "bad answer 0 or good answer 0",
        "good answer 0 or bad answer 0",
    ]
    assert [line.chosen_first for line in lines] == [False, True]


def test_what_the_protocol_says_reaches_the_engine(tmp_path: Path) -> None:
    _, (request,) = judge(
        tmp_path / "j", PAIRS[:1], order="chosen-first", temperature=0.7, top_p=0.9, seed=3
    )
    sampling = request.sampling
    assert (sampling.max_new_tokens, sampling.temperature, sampling.top_p) == (100, 0.7, 0.9)
    assert sampling.stop == ("</answer>",)


def test_samples_differ_by_a_seed_that_is_the_same_every_time(tmp_path: Path) -> None:
    _, once = judge(tmp_path / "1", samples=3, temperature=1.0, seed=1)
    _, again = judge(tmp_path / "2", samples=3, temperature=1.0, seed=1)
    _, other = judge(tmp_path / "3", samples=3, temperature=1.0, seed=2)
    assert len({request.sampling.seed for request in once}) == len(once)
    assert once == again
    assert once != other


def test_identical_requests_are_asked_once(tmp_path: Path) -> None:
    lines, requests = judge(tmp_path / "j", samples=3, benchmarks=("one", "two"))
    assert len(requests) == 18
    assert len(set(identities(lines))) == len(lines) == 108


def test_what_a_shared_request_costs_is_paid_once(tmp_path: Path) -> None:
    paid = Completion(
        text="A", finish_reason="stop", prompt_tokens=8, completion_tokens=1, cost=0.5
    )
    lines, requests = judge(tmp_path / "j", PAIRS[:1], write=lambda request: paid, samples=3)
    assert len(requests) == 2
    costs = [line.completion.cost for line in lines if isinstance(line, Judgment)]
    assert sorted(costs) == [0, 0, 0, 0, 0.5, 0.5]


def test_pairs_of_two_benchmarks_may_have_the_same_ids(tmp_path: Path) -> None:
    lines, _ = judge(tmp_path / "j", benchmarks=("one", "two"))
    assert Counter(line.benchmark for line in lines) == {"one": 18, "two": 18}
    assert judge(tmp_path / "j", benchmarks=("one", "two")) == ([], [])


def test_what_is_in_the_journal_is_not_asked_again(tmp_path: Path) -> None:
    judge(tmp_path / "j", PAIRS[:4])
    lines, requests = judge(tmp_path / "j", PAIRS)
    assert len(requests) == len(lines) == 10
    assert len(list(Judging.stored(tmp_path / "j"))) == 18


def test_a_journal_is_only_appended_to(tmp_path: Path) -> None:
    judge(tmp_path / "j", PAIRS[:4])
    before = (tmp_path / "j").read_bytes()
    judge(tmp_path / "j", PAIRS)
    assert (tmp_path / "j").read_bytes().startswith(before)


def test_of_a_repeated_judgment_the_first_counts(tmp_path: Path) -> None:
    judge(tmp_path / "j", PAIRS[:1], write=lambda request: "A")
    first = (tmp_path / "j").read_bytes()
    (tmp_path / "j").write_bytes(first + first.replace(b'"verdict":"A"', b'"verdict":"B"'))
    assert {judgment.verdict for judgment in Judging.stored(tmp_path / "j")} == {Verdict.A}
    assert len(list(Judging.stored(tmp_path / "j"))) == 2


# what goes wrong


def test_a_failed_request_is_recorded_and_asked_again(tmp_path: Path) -> None:
    def half(request: Request) -> object:
        return RequestFailed(error="no room") if "pair-3" in request.id else "A"

    lines, _ = judge(tmp_path / "j", write=half)
    failed = [line for line in lines if isinstance(line, FailedJudgment)]
    assert {(line.pair_id, line.error) for line in failed} == {("pair-3", "no room")}
    again, requests = judge(tmp_path / "j")
    assert len(requests) == 2
    assert {line.pair_id for line in again} == {"pair-3"}
    assert len(list(Judging.stored(tmp_path / "j"))) == 18


def test_a_failed_request_fails_all_that_wanted_it(tmp_path: Path) -> None:
    lines, requests = judge(
        tmp_path / "j", PAIRS[:1], write=lambda request: RequestFailed(error="x"), samples=3
    )
    assert len(requests) == 2
    assert [type(line) for line in lines] == [FailedJudgment] * 6


class Session(EngineSession):
    def __init__(self, answers: Callable[[Request], Iterable[Answer]]) -> None:
        self._answers = answers

    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        for request in requests:
            yield from self._answers(request)


def answer(request: Request) -> Answer:
    return Answer(
        id=request.id,
        result=Completion(text="A", finish_reason="stop", prompt_tokens=1, completion_tokens=1),
    )


def ask(journal: Path, answers: Callable[[Request], Iterable[Answer]]) -> list[JournalLine]:
    judging = Judging(STRATEGY, EvalProtocol(order="chosen-first"), journal)
    requests = judging.pending(slots("small", PAIRS, EvalProtocol(order="chosen-first")), 100)
    return list(judging.run(Session(answers), requests))


def test_requests_that_an_engine_forgets_are_failed(tmp_path: Path) -> None:
    lines = ask(tmp_path / "j", lambda r: [] if "pair-5" in r.id else [answer(r)])
    assert [(line.pair_id, line.error) for line in lines if isinstance(line, FailedJudgment)] == [
        ("pair-5", "the engine gave no answer")
    ]
    assert len(list(Judging.stored(tmp_path / "j"))) == 8


@pytest.mark.parametrize("stray", ["no-such-id", None])
def test_an_answer_that_nobody_asked_for_is_the_engines_failure(
    tmp_path: Path, stray: str | None
) -> None:
    def answers(request: Request) -> list[Answer]:
        if "pair-2" not in request.id:
            return [answer(request)]
        return [answer(request), Answer(id=stray or request.id, result=answer(request).result)]

    with pytest.raises(PluginFailed, match="which was not asked or is answered"):
        ask(tmp_path / "j", answers)
    assert [line.pair_id for line in Judging.stored(tmp_path / "j")] == [
        "pair-0",
        "pair-1",
        "pair-2",
    ]


def test_an_engine_may_answer_in_any_order(tmp_path: Path) -> None:
    class Backwards(EngineSession):
        def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
            return map(answer, reversed(list(requests)))

    judging = Judging(STRATEGY, EvalProtocol(), tmp_path / "j")
    requests = judging.pending(slots("small", PAIRS, EvalProtocol()), 100)
    assert len(list(judging.run(Backwards(), requests))) == 18


def test_text_that_is_no_text_is_kept_as_far_as_it_is(tmp_path: Path) -> None:
    class Lenient(Plain, frozen=True, kw_only=True):
        def parse(self, text: str) -> Verdict:
            return Verdict.UNPARSED

    judging = Judging(Lenient(name="lenient"), EvalProtocol(order="chosen-first"), tmp_path / "j")
    requests = judging.pending(slots("small", PAIRS[:1], EvalProtocol(order="chosen-first")), 9)
    engine = ScriptedEngine(name="scripted", write=lambda request: "half \ud83d a pair")
    with engine.open(Backbone(name="x", model="x")) as session:
        list(judging.run(session, requests))
    (line,) = Judging.stored(tmp_path / "j")
    assert line.completion.text == "half ? a pair"


def test_a_strategy_that_cannot_render_is_named_with_the_pair(tmp_path: Path) -> None:
    class Broken(Plain, frozen=True, kw_only=True):
        def render(self, comparison: Comparison) -> tuple[Message, ...]:
            raise KeyError("question")

    judging = Judging(Broken(name="broken"), EvalProtocol(), tmp_path / "j")
    with pytest.raises(
        PluginFailed, match=r"render of prompt 'broken' on pair pair-0 raised KeyError"
    ):
        judging.pending(slots("small", PAIRS, EvalProtocol()), 100)


@pytest.mark.parametrize("text", ["no verdict", ""])
def test_a_parser_that_is_not_total_is_named(text: str) -> None:
    with pytest.raises(PluginFailed, match="parse of prompt 'plain' raised ValueError"):
        read_verdict(STRATEGY, text)


# the journal


def test_keys_are_json() -> None:
    slot = Slot("rm", example_pair(0, id='a"b'), True, 2)
    assert slot.key == '["rm","a\\"b",true,2]'


def test_a_journal_cut_anywhere_ends_whole(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole, _ = judge(path, PAIRS[:3])
    content = path.read_bytes()
    for cut in range(0, len(content) + 1, 7):
        path.write_bytes(content[:cut])
        judge(path, PAIRS[:3])
        lines = list(jsonl.read(path, JournalLine))
        assert sorted(identities(lines)) == sorted(identities(whole))
        assert all(isinstance(line, Judgment) for line in lines)


@given(ids=ODD_IDS)
def test_odd_ids_are_found_again(tmp_path_factory: pytest.TempPathFactory, ids: list[str]) -> None:
    path = tmp_path_factory.mktemp("odd") / "j"
    pairs = [example_pair(number, id=name) for number, name in enumerate(ids)]
    judge(path, pairs)
    assert judge(path, pairs) == ([], [])


# engines that score


def test_a_request_says_what_is_compared(tmp_path: Path) -> None:
    _, requests = judge(tmp_path / "j.jsonl", PAIRS[:1])
    for request in requests:
        chosen_first = '",true,0]' in request.id
        assert request.comparison == PAIRS[0].comparison(chosen_first)


def test_other_comparisons_are_asked_apart_even_where_the_words_are_the_same(
    tmp_path: Path,
) -> None:
    swapped = example_pair(0, id="swapped", chosen="a or b", rejected="c")
    split = example_pair(0, id="split", chosen="a", rejected="b or c")
    _, requests = judge(tmp_path / "j.jsonl", [swapped, split], order="chosen-first")
    assert requests[0].messages == requests[1].messages
    assert len(requests) == 2


def test_a_score_that_is_no_finite_number_is_a_failure(tmp_path: Path) -> None:
    def write(request: Request) -> Completion:
        return Completion(
            text="A",
            finish_reason="stop",
            prompt_tokens=1,
            completion_tokens=0,
            scores=(float("nan"), 1.0),
        )

    [line] = judge(tmp_path / "j.jsonl", PAIRS[:1], write, order="chosen-first")[0]
    assert isinstance(line, FailedJudgment)
    assert "no finite number" in line.error
