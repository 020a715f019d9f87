"""The published sets by name, on small data in their layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from preference_rows import QUESTION, TALK, said, source

from rmr1_core import Message
from rmr1_core.errors import BadInput, UsageError
from rmr1_core.jsonl import write
from rmr1_core.lookup import find, resolve

NAMES = ("skywork-80k", "code-preference-pairs", "math-step-dpo", "helpsteer2", "ultrafeedback")


def train(path: Path, name: str, **options: Any) -> list[Any]:
    return list(source(path, name, **options).examples("train", seed=0))


def skywork(part: str, number: int, prompt: tuple[Message, ...] = QUESTION) -> dict[str, Any]:
    return {
        "chosen": said(prompt, f"good {number}"),
        "rejected": said(prompt, f"bad {number}"),
        "source": part,
    }


def test_skywork_is_read_without_magpie_ultra(tmp_path):
    parts = ["magpie_ultra", "wildguard", "magpie_pro_llama3.1", "magpie_ultra", "helpsteer2"]
    rows = [skywork(part, number) for number, part in enumerate(parts)]
    write(tmp_path / "data" / "train-00000-of-00001.jsonl", rows)
    found = train(tmp_path, "skywork-80k")
    assert [example.pair.chosen for example in found] == ["good 1", "good 2", "good 4"]
    assert [example.chosen_first for example in found] == [True, False, True]
    assert [(e.pair.tags["part"], e.pair.tags.get("domain")) for e in found] == [
        ("wildguard", "safety"), ("magpie_pro_llama3.1", None), ("helpsteer2", "chat")
    ]  # fmt: skip
    assert found[1].pair.id == "skywork-80k-train-train-00000-of-00001.jsonl:3"


def test_skywork_keeps_conversations_of_several_turns(tmp_path):
    write(tmp_path / "train.jsonl", [skywork("wildguard", 1, TALK)])
    (example,) = train(tmp_path, "skywork-80k")
    assert example.pair.prompt == TALK


def test_a_row_of_skywork_that_does_not_say_its_source_is_an_error(tmp_path):
    row = skywork("x", 1)
    del row["source"]
    write(tmp_path / "train.jsonl", [row])
    with pytest.raises(BadInput, match="row 1, field 'source': is missing"):
        train(tmp_path, "skywork-80k")


def code(number: int) -> dict[str, Any]:
    return {"input": f"sort {number}", "accepted": f"good {number}", "rejected": f"bad {number}"}


def test_code_is_the_sample_that_rm_r1_draws(tmp_path):
    import datasets

    rows = [code(number) for number in range(60)]
    write(tmp_path / "Code-Preference-Pairs.jsonl", rows)
    theirs = datasets.Dataset.from_list(rows).shuffle(seed=42).select(range(8))
    found = train(tmp_path, "code-preference-pairs", sample=8)
    assert [example.pair.chosen for example in found] == theirs["accepted"][:]
    assert [e.pair.prompt[0].content for e in found] == theirs["input"][:]
    assert {example.pair.tags["domain"] for example in found} == {"code"}
    assert find("dataset", "code-preference-pairs").sample == 8000
    assert find("dataset", "code-preference-pairs").sample_seed == 42
    with pytest.raises(UsageError, match="60 rows, and 8000"):
        train(tmp_path, "code-preference-pairs")


def test_the_initial_steps_of_math_are_put_before_both_answers(tmp_path):
    row = {
        "dataset": "MATH_Rephrased",
        "prompt": "What is 2 + 2?",
        "initial_reason_steps": "Let's see.\nStep 1: ",
        "chosen": " two twos,",
        "rejected": " a two,",
        "full_chosen": "two twos, so 4.",
        "full_rejected": "a two, so 2.",
        "answer": "4",
    }
    write(tmp_path / "train.jsonl", [row, row | {"full_rejected": ""}])
    one, empty = train(tmp_path, "math-step-dpo")
    assert one.pair.prompt == QUESTION
    assert one.pair.chosen == "Let's see.\nStep 1: two twos, so 4."
    assert one.pair.rejected == "Let's see.\nStep 1: a two, so 2."
    assert empty.pair.rejected == "Let's see.\nStep 1: "
    assert one.pair.tags["domain"] == "math"


@pytest.mark.parametrize(
    ("name", "row", "field"),
    [
        ("skywork-80k", skywork("wildguard", 1) | {"chosen": "text"}, "chosen"),
        ("code-preference-pairs", code(1) | {"accepted": None}, "accepted"),
        (
            "math-step-dpo",
            {"prompt": "q", "full_chosen": "x", "full_rejected": "y"},
            "initial_reason_steps",
        ),
    ],
)
def test_a_row_that_does_not_fit_is_named_with_file_row_and_field(tmp_path, name, row, field):
    good = {
        "skywork-80k": skywork("wildguard", 0),
        "code-preference-pairs": code(0),
        "math-step-dpo": {
            **dict.fromkeys(("prompt", "full_chosen", "full_rejected"), "x"),
            "initial_reason_steps": "",
        },
    }[name]
    write(tmp_path / "train.jsonl", [good, row])
    options = {"sample": 2} if name.startswith("code") else {}
    with pytest.raises(BadInput) as caught:
        train(tmp_path, name, **options)
    assert (caught.value.path, caught.value.row, caught.value.field) == (
        *(str(tmp_path / "train.jsonl"), 2, field),
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_had_from_the_hub_says_how_else(name):
    with pytest.raises(UsageError, match=rf"cannot load '.*/.*use {name}:PATH"):
        list(resolve("dataset", name).examples("train", seed=0))


def test_a_snapshot_of_helpsteer_is_read_by_its_splits(tmp_path):
    ratings = {"helpfulness": 3}
    rows = [{"prompt": "q", "response": "a", **ratings}, {"prompt": "q", "response": "b",
            "helpfulness": 1}]  # fmt: skip
    write(tmp_path / "train.jsonl.gz", rows)
    write(tmp_path / "validation.jsonl.gz", rows[::-1])
    write(tmp_path / "preference" / "preference.jsonl.gz", [{"prompt": "q"}])
    helpsteer = source(tmp_path, "helpsteer2")
    for split in ("train", "validation"):
        (example,) = helpsteer.examples(split, seed=0)
        assert example.pair.chosen == "a"


def test_a_snapshot_with_the_same_rows_in_two_kinds_of_file_is_read_once(tmp_path):
    row = {
        "source": "flan", "instruction": "q",
        "completions": [{"response": str(n), "overall_score": n} for n in range(2)],
    }  # fmt: skip
    for name in ("flan.jsonl", "sharegpt.jsonl", "flan.json", "sharegpt.json"):
        write(tmp_path / name, [row])
    assert len(train(tmp_path, "ultrafeedback")) == 2
