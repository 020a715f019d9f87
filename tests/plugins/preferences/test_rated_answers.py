"""Rated answers become pairs: higher against lower, and no ties."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from preference_rows import source

from rmr1_core import Message
from rmr1_core.datafiles import skipping
from rmr1_core.errors import BadInput
from rmr1_core.jsonl import write

RATINGS = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


def steered(prompt: str, response: str, *ratings: int) -> dict[str, Any]:
    """A row as HelpSteer2 has it."""
    padded = (*ratings, *[2] * len(RATINGS))
    return {"prompt": prompt, "response": response, **dict(zip(RATINGS, padded, strict=False))}


def rated(instruction: str, *scores: float, part: str = "sharegpt") -> dict[str, Any]:
    """A row as UltraFeedback has it."""
    completions = [
        {
            "annotations": {"helpfulness": {"Rating": "5", "Rationale": "so"}},
            "custom_system_prompt": "Be good.",
            "critique": "fine",
            "fine-grained_score": 5 - score / 2,
            "model": f"model-{number}",
            "overall_score": score,
            "principle": "honesty",
            "response": f"answer {number}",
        }
        for number, score in enumerate(scores)
    ]
    return {
        "source": part,
        "instruction": instruction,
        "models": [c["model"] for c in completions],
        "completions": completions,
        "correct_answers": ["None"],
        "incorrect_answers": ["None"],
    }


def pairs(folder: Path, name: str, rows: list[Any], **options: Any) -> list[Any]:
    write(folder / "train.jsonl", rows)
    found = source(folder / "train.jsonl", name, **options).examples("train", seed=0)
    return [example.pair for example in found]


def texts(found: list[Any]) -> list[tuple[str, str]]:
    return [(pair.chosen, pair.rejected) for pair in found]


def test_the_more_helpful_of_two_answers_is_the_better_one(tmp_path):
    rows = [
        *(steered("one?", "a", 3), steered("one?", "b", 4)),
        *(steered("two?", "c", 2), steered("two?", "d", 2)),
        *(steered("three?", "e", 4), steered("three?", "f", 0)),
    ]
    found = pairs(tmp_path, "helpsteer2", rows)
    assert texts(found) == [("b", "a"), ("e", "f")]
    assert found[0].prompt == (Message("user", "one?"),)
    assert found[0].id == "helpsteer2-train-train.jsonl:1-2-1"
    assert found[1].tags == {
        "source": "helpsteer2",
        "row_id": "train.jsonl:5-1-2",
        "licence": "CC-BY-4.0, as stated on the card",
        "domain": "chat",
    }


def test_a_prompt_may_have_turns_in_helpsteers_marks(tmp_path):
    prompt = "Hi\n\n<extra_id_1>Assistant\nHello!\n\n<extra_id_1>User\nWhat is 2 + 2?\nThink.\n"
    (pair,) = pairs(tmp_path, "helpsteer2", [steered(prompt, "4", 4), steered(prompt, "5", 0)])
    assert pair.prompt == (
        Message("user", "Hi"),
        Message("assistant", "Hello!"),
        Message("user", "What is 2 + 2?\nThink.\n"),
    )


def test_a_rating_may_be_the_mean_of_several_fields(tmp_path):
    rows = [steered("one?", "a", 4, 0), steered("one?", "b", 3, 3)]
    assert texts(pairs(tmp_path, "helpsteer2", rows)) == [("a", "b")]
    both = pairs(tmp_path, "helpsteer2", rows, score_fields="helpfulness,correctness")
    assert texts(both) == [("b", "a")]


def test_an_answer_without_another_makes_no_pair(tmp_path):
    assert pairs(tmp_path, "helpsteer2", [steered("one?", "a", 3), steered("two?", "b", 4)]) == []


def test_the_best_of_a_set_stands_against_the_worst(tmp_path):
    found = pairs(tmp_path, "ultrafeedback", [rated("one?", 5, 8.5, 2, 7), rated("two?", 3, 3)])
    assert texts(found) == [("answer 1", "answer 2")]
    assert found[0].tags == {
        "source": "ultrafeedback",
        "row_id": "train.jsonl:1-2-3",
        "licence": "MIT, as stated on the card",
        "domain": "chat",
        "part": "sharegpt",
    }


def test_all_pairs_of_a_set_can_be_had(tmp_path):
    found = pairs(tmp_path, "ultrafeedback", [rated("one?", 5, 8, 5)], pairs="all")
    assert texts(found) == [("answer 1", "answer 0"), ("answer 1", "answer 2")]
    assert len({pair.id for pair in found}) == 2


def test_another_score_can_be_taken(tmp_path):
    rows = [rated("one?", 5, 8, 2)]
    found = pairs(tmp_path, "ultrafeedback", rows, score_fields="fine-grained_score")
    assert texts(found) == [("answer 2", "answer 1")]


def test_anybodys_ratings_can_be_read(tmp_path):
    rows = [
        {"ask": "one?", "text": "a", "stars": 2, "id": 1},
        {"ask": "one?", "text": "b", "stars": 4.5, "id": 2},
    ]
    named = {"prompt_field": "ask", "answer_field": "text", "score_fields": "stars"}
    (pair,) = pairs(tmp_path, "ratings", rows, licence="ours", **named)
    assert (pair.chosen, pair.rejected) == ("b", "a")
    assert pair.tags == {"source": "train", "row_id": "train.jsonl:1-2-1", "licence": "ours"}


@pytest.mark.parametrize("scores", [(), (5,)])
def test_a_set_of_fewer_than_two_answers_makes_no_pair(tmp_path, scores):
    assert pairs(tmp_path, "ultrafeedback", [rated("one?", *scores)]) == []


@given(
    scores=st.lists(st.integers(0, 10), max_size=6),
    margin=st.sampled_from([0, 1, 2.5, 4]),
    every=st.booleans(),
)
@settings(deadline=None)
def test_a_pair_is_never_a_tie_nor_below_the_margin(tmp_path_factory, scores, margin, every):
    found = pairs(
        tmp_path_factory.mktemp("rated"), "ultrafeedback", [rated("one?", *scores)],
        margin=margin, pairs="all" if every else "best-worst",
    )  # fmt: skip
    differences = [
        scores[int(chosen.removeprefix("answer "))] - scores[int(rejected.removeprefix("answer "))]
        for chosen, rejected in texts(found)
    ]
    wide = [abs(a - b) for a, b in combinations(scores, 2) if a != b and abs(a - b) >= margin]
    assert sorted(differences) == (sorted(wide) if every else [max(wide)] if wide else [])


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"helpfulness": None}, "helpfulness", "expected `float`, got `null`"),
        ({"helpfulness": "4"}, "helpfulness", "expected `float`, got `str`"),
        ({"response": 4}, "response", "expected `str`"),
        ({"prompt": "Hi\n<extra_id_1>Assistant\nHello!"}, "prompt", "user's turn"),
    ],
)
def test_a_bad_row_of_helpsteer_is_named_with_row_and_field(tmp_path, change, field, says):
    good = [steered("one?", "a", 3), steered("one?", "b", 4)]
    rows = [*good, steered("two?", "c", 3) | change, steered("two?", "d", 4), *good]
    named(tmp_path, "helpsteer2", rows, field, says)


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"completions": None}, "completions", "expected `array`, got `null`"),
        ({"completions": [{}]}, "completions[0].overall_score", "is missing"),
        (
            {"completions": [{"overall_score": 3, "response": None}]},
            "completions[0].response",
            "expected `str`, got `null`",
        ),
        ({"instruction": ["x"]}, "instruction", "expected `object`, got `str`"),
    ],
)
def test_a_bad_row_of_ultrafeedback_is_named_with_row_and_field(tmp_path, change, field, says):
    good = [rated("one?", 1, 2)] * 2
    named(tmp_path, "ultrafeedback", [*good, rated("two?", 1, 2) | change, *good], field, says)


def named(tmp_path, name, rows, field, says):
    with pytest.raises(BadInput) as caught:
        pairs(tmp_path, name, rows)
    error = caught.value
    assert (error.path, error.row, error.field) == (str(tmp_path / "train.jsonl"), 3, field)
    assert says in str(error)
    with skipping() as skipped:
        assert pairs(tmp_path, name, rows)
    assert [str(one) for one in skipped] == [str(error)]
