from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmr1_core import Completion, EvalProtocol, Judgment, Message, Pair, Verdict
from rmr1_core.judging import JournalLine
from rmr1_core.testing import example_pair, judgment, outcome
from rmr1_core.values import FailedJudgment

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_values_do_not_change() -> None:
    with pytest.raises(AttributeError):
        example_pair().id = "other"  # type: ignore[misc]


def test_a_comparison_has_no_label() -> None:
    assert not {"chosen", "rejected", "label"} & set(
        type(example_pair().comparison(True)).__struct_fields__
    )


def test_an_order_says_where_the_chosen_answer_stands() -> None:
    pair = example_pair()
    first, second = pair.comparison(True), pair.comparison(False)
    assert (first.a, first.b) == (pair.chosen, pair.rejected)
    assert (second.a, second.b) == (pair.rejected, pair.chosen)


@pytest.mark.parametrize(
    ("verdict", "chosen_first", "correct"),
    [
        (Verdict.A, True, True),
        (Verdict.B, True, False),
        (Verdict.B, False, True),
        (Verdict.A, False, False),
        (Verdict.TIE, True, False),
        (Verdict.UNPARSED, False, False),
    ],
)
def test_the_right_verdict_depends_on_the_order(
    verdict: Verdict, chosen_first: bool, correct: bool
) -> None:
    assert judgment(example_pair(), verdict, chosen_first=chosen_first).correct is correct


@given(st.sampled_from(Verdict), st.sampled_from(Verdict), st.floats(0, 1), st.floats(0, 1))
def test_a_score_is_the_mean_over_the_orders(
    first: Verdict, second: Verdict, unparsed: float, tie: float
) -> None:
    pair = example_pair()
    both = outcome(pair, first, second).score(unparsed=unparsed, tie=tie)
    alone = [
        outcome(pair, first).score(unparsed=unparsed, tie=tie),
        outcome(pair, second, chosen_first=False).score(unparsed=unparsed, tie=tie),
    ]
    assert both == sum(alone) / 2
    assert 0 <= both <= 1


@given(
    pair=st.builds(
        Pair,
        id=TEXT,
        subset=TEXT,
        group=TEXT,
        prompt=st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), TEXT)).map(
            tuple
        ),
        chosen=TEXT,
        rejected=TEXT,
        tags=st.dictionaries(TEXT, TEXT),
    )
)
def test_a_pair_round_trips_through_json(pair: Pair) -> None:
    assert msgspec.json.decode(msgspec.json.encode(pair), type=Pair) == pair


@given(text=TEXT, verdict=st.sampled_from(Verdict), order=st.booleans(), sample=st.integers(0, 99))
def test_a_line_of_the_journal_round_trips(
    text: str, verdict: Verdict, order: bool, sample: int
) -> None:
    completion = Completion(text=text, finish_reason="length", prompt_tokens=1, completion_tokens=2)
    made = Judgment(
        benchmark=text,
        pair_id=text,
        chosen_first=order,
        sample=sample,
        verdict=verdict,
        completion=completion,
    )
    failed = FailedJudgment(
        benchmark=text, pair_id=text, chosen_first=order, sample=sample, error=text
    )
    for line in (made, failed):
        assert msgspec.json.decode(msgspec.json.encode(line), type=JournalLine) == line


@pytest.mark.parametrize(
    "fields",
    [
        {"samples": 0},
        {"limit": 0},
        {"temperature": -1},
        {"top_p": 0},
        {"order": "x"},
        {"smaples": 2},
    ],
)
def test_a_protocol_that_cannot_be_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, EvalProtocol)


def test_scores_are_in_a_line_only_where_there_are_any() -> None:
    line = judgment(example_pair(), Verdict.A)
    assert b"scores" not in msgspec.json.encode(line)
    scored = msgspec.structs.replace(
        line, completion=msgspec.structs.replace(line.completion, scores=(1.5, -2.0))
    )
    assert msgspec.json.decode(msgspec.json.encode(scored), type=JournalLine) == scored
