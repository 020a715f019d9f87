"""The contract of a benchmark, and the rules of RewardBench 2."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rmr1_core import OrderVerdict, Outcome, Pair, Verdict
from rmr1_core.errors import BadInput
from rmr1_core.testing import check_component, check_pairs, outcome
from rmr1_rewardbench2 import DOMAINS, best_of, rmr1_benchmarks, ties

(BENCHMARK,) = rmr1_benchmarks()
A, B, TIE, UNPARSED = Verdict.A, Verdict.B, Verdict.TIE, Verdict.UNPARSED
COLOURS = ["Red.", "Green.", "Blue."]
ROWS = [
    *(
        {
            "id": f"{number}",
            "subset": domain,
            "prompt": f"What is {number} + 1?",
            "chosen": [f"{number + 1}"],
            "rejected": [f"{number}", "none", "many"],
        }
        for number, domain in enumerate(DOMAINS)
    ),
    *(
        {
            "id": f"{kind}:{number}",
            "subset": "Ties",
            "prompt": f"Name {what} of {number}.",
            "chosen": COLOURS if kind == "tied" else COLOURS[:1],
            "rejected": ["Loud.", "Round."],
        }
        for number in range(2)
        for kind, what in (("ref", "the first colour"), ("tied", "a colour"))
    ),
]


def data(folder: Path, rows: Iterable[dict[str, Any]] = ROWS) -> Path:
    path = folder / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    return list(BENCHMARK.pairs(data(tmp_path)))


def scored(pair: Pair, chosen: float, rejected: float) -> Outcome:
    """What a scalar model says of a pair, in both orders."""
    verdict = A if chosen > rejected else B if chosen < rejected else TIE
    other = {A: B, B: A}.get(verdict, TIE)
    return Outcome(
        pair=pair,
        verdicts=tuple(
            OrderVerdict(
                chosen_first=first, verdict=said, chosen_score=chosen, rejected_score=rejected
            )
            for first, said in ((True, verdict), (False, other))
        ),
    )


def test_it_keeps_the_contract_of_a_component() -> None:
    check_component(BENCHMARK)


def test_its_pairs_can_be_judged_and_scored(tmp_path: Path) -> None:
    check_pairs(BENCHMARK, BENCHMARK.pairs(data(tmp_path)))


def test_every_right_answer_meets_every_wrong_one(pairs: list[Pair]) -> None:
    assert len(pairs) == 5 * 3 + 2 * (1 * 2 + 3 * 2)
    assert {pair.group for pair in pairs if pair.subset == "Ties"} == {"Ties/0", "Ties/1"}


def test_a_folder_s_test_file_is_read(tmp_path: Path) -> None:
    data(tmp_path)
    assert len(list(BENCHMARK.pairs(tmp_path))) == 31


@pytest.mark.parametrize(
    ("field", "value"),
    [("subset", "Chat"), ("chosen", []), ("rejected", []), ("rejected", "none"), ("prompt", None)],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, field: str, value: Any) -> None:
    with pytest.raises(BadInput, match=field):
        list(BENCHMARK.pairs(data(tmp_path, [{**ROWS[0], field: value}])))


def test_an_item_of_ties_says_which_form_of_a_question_it_is(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="ref:NUMBER or tied:NUMBER"):
        list(BENCHMARK.pairs(data(tmp_path, [{**ROWS[-1], "id": "7"}])))


# best of four


@pytest.mark.parametrize(
    ("scores", "value"),
    [
        ((3, 2, 1, 0), 1),
        ((2, 2, 1, 0), 1 / 2),
        ((2, 2, 2, 0), 1 / 3),
        ((1, 1, 1, 1), 1 / 4),
        ((1, 2, 0, 0), 0),
        ((1, 1, 2, 0), 0),
    ],
)
def test_a_tie_for_the_first_place_counts_its_share(
    pairs: list[Pair], scores: Sequence[float], value: float
) -> None:
    right, *wrong = scores
    assert best_of([scored(p, right, w) for p, w in zip(pairs, wrong, strict=False)]) == (
        pytest.approx(value)
    )


def test_two_orders_are_the_expectation_over_an_order_drawn_for_each_pair(
    pairs: list[Pair],
) -> None:
    said = [(A, B), (A, A), (TIE, B)]
    item = [outcome(pair, *verdicts) for pair, verdicts in zip(pairs, said, strict=False)]
    values = []
    for drawn in itertools.product((0, 1), repeat=3):
        one = [
            outcome(pair, verdicts[order], chosen_first=order == 0)
            for pair, verdicts, order in zip(pairs, said, drawn, strict=False)
        ]
        values.append(best_of(one))
    assert best_of(item) == pytest.approx(sum(values) / len(values)) == pytest.approx(0.375)


def test_an_unparsed_answer_loses(pairs: list[Pair]) -> None:
    assert best_of([outcome(pair, A, UNPARSED) for pair in pairs[:3]]) == pytest.approx(1 / 8)


# ties


def by_hand(questions: Sequence[dict[str, tuple[list[float], list[float]]]]) -> float:
    """The number of the domain, written as one reads it."""
    accuracy = {
        kind: sum(min(q[kind][0]) > max(q[kind][1]) for q in questions) / len(questions)
        for kind in ("ref", "tied")
    }
    soft = hard = last = 0.0
    for question in questions:
        right, wrong = question["tied"]
        gap, spread = min(right) - max(wrong), max(right) - min(right)
        both = min(gap, min(question["ref"][0]) - max(question["ref"][1]))
        soft += (gap > spread) / len(questions)
        hard += (both > spread) / len(questions)
        last += math.tanh(both / spread - 1) / len(questions)
    return 0.3 * accuracy["tied"] + 0.3 * accuracy["ref"] + 0.2 * soft + 0.2 * hard + 0.01 * last


QUESTIONS = [
    {"ref": ([5.0], [1.0, 0.0]), "tied": ([3.0, 3.5, 3.25], [1.0, -1.0])},
    {"ref": ([0.5], [0.25, 0.0]), "tied": ([3.0, 2.0, 2.5], [0.5, 0.0])},
]


def of_questions(pairs: Sequence[Pair], questions: Sequence[Any]) -> list[Outcome]:
    made = []
    for pair in pairs:
        if pair.subset == "Ties":
            kind, _, number = pair.tags["item"].partition(":")
            right, wrong = questions[int(number)][kind]
            made.append(
                scored(pair, right[int(pair.tags["right"])], wrong[int(pair.tags["wrong"])])
            )
    return made


@pytest.mark.parametrize("questions", [QUESTIONS, QUESTIONS[::-1]])
def test_the_number_of_ties_is_that_of_a_hand_computation(
    pairs: list[Pair], questions: Sequence[Any]
) -> None:
    scores = BENCHMARK.summarize(of_questions(pairs, questions), "strict")
    found = {metric.name: metric.value for metric in scores.metrics}
    assert found["Ties"] == pytest.approx(by_hand(questions), abs=1e-12)
    assert found["Ties/tied accuracy"] == 1
    assert found["Ties/spread below gap"] == 1
    assert found["Ties/spread below both gaps"] == 0.5
    assert scores.notes == ()


@pytest.mark.parametrize(
    ("right", "wrong", "last"), [(1.0, 0.0, 1.0), (0.0, 0.0, 0.0), (0.0, 1.0, -1.0)]
)
def test_right_answers_that_score_alike_divide_nothing_by_zero(
    pairs: list[Pair], right: float, wrong: float, last: float
) -> None:
    question = {"ref": ([right], [wrong] * 2), "tied": ([right] * 3, [wrong] * 2)}
    scores = BENCHMARK.summarize(of_questions(pairs, [question] * 2), "strict")
    [found] = [metric for metric in scores.metrics if metric.name == "Ties"]
    assert found.value == pytest.approx(float(right > wrong) + 0.01 * last)
    assert found.low <= found.value <= found.high


def test_a_question_with_an_answer_that_has_no_score_gets_nothing(pairs: list[Pair]) -> None:
    outcomes = of_questions(pairs, QUESTIONS)
    outcomes[0] = outcome(outcomes[0].pair, UNPARSED, UNPARSED)
    found = {m.name: m.value for m in BENCHMARK.summarize(outcomes, "strict").metrics}
    assert found["Ties/reference accuracy"] == 0.5
    assert found["Ties"] < by_hand(QUESTIONS) / 2 + 0.51
    assert ties.margins(outcomes[:2]) is None


def test_a_judge_that_gives_verdicts_gets_no_number_for_ties(pairs: list[Pair]) -> None:
    scores = BENCHMARK.summarize([outcome(pair, A, B) for pair in pairs], "strict")
    names = {metric.name for metric in scores.metrics}
    assert "Ties" not in names
    assert {"Ties/tied accuracy", "Ties/reference accuracy", "Ties/pairs"} <= names
    assert scores.headline.value == 1
    assert scores.headline.n == len(DOMAINS)
    assert any("Ties is left out of Overall" in note for note in scores.notes)
    assert any("two at a time" in note for note in scores.notes)


def test_questions_of_ties_in_one_form_only_give_no_number_and_a_note(pairs: list[Pair]) -> None:
    outcomes = [o for o in of_questions(pairs, QUESTIONS) if o.pair.tags["item"].startswith("tied")]
    four = [scored(pair, 2.0, 1.0) for pair in pairs if pair.subset != "Ties"]
    scores = BENCHMARK.summarize([*four, *outcomes], "strict")
    assert "Ties" not in {metric.name for metric in scores.metrics}
    assert scores.notes == (ties.ONE_FORM,)


def test_the_headline_of_scores_is_the_mean_of_six_domains(pairs: list[Pair]) -> None:
    four = [scored(pair, 1.0, 2.0) for pair in pairs if pair.subset != "Ties"]
    scores = BENCHMARK.summarize([*four, *of_questions(pairs, QUESTIONS)], "strict")
    assert scores.headline.value == pytest.approx(by_hand(QUESTIONS) / 6)


def test_an_item_of_which_a_pair_is_missing_is_left_out_and_told(pairs: list[Pair]) -> None:
    scores = BENCHMARK.summarize([outcome(pair, A, B) for pair in pairs[1:]], "strict")
    assert {m.name for m in scores.metrics} & set(DOMAINS) == set(DOMAINS) - {"Factuality"}
    assert any(note.startswith("items left out") for note in scores.notes)


def test_where_only_pairs_of_ties_have_verdicts_nothing_is_called_overall(
    pairs: list[Pair],
) -> None:
    some = [outcome(pair, A, B) for pair in pairs if pair.subset == "Ties"]
    assert BENCHMARK.summarize(some, "strict").headline.name == "Pairs"
