"""RM-R1's published rows, taken apart into pairs."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from rmr1_core import Comparison, Example, Message, Ref, Verdict
from rmr1_core.datafiles import read_rows, skipping
from rmr1_core.errors import BadInput, UsageError
from rmr1_core.jsonl import write
from rmr1_core.lookup import resolve
from rmr1_core.rendering import training_rows
from rmr1_core.values import Stage
from rmr1_rubrics.learned import TrainingPrompt, learn
from rmr1_rubrics.template import Template, Turns

TEMPLATE = Template(
    format="rmr1-prompt-1",
    system="You weigh two replies and say which one is better.\nEnd with [[A]] or [[B]].",
    single_turn="[Asked by the customer]\n{{question}}\n\n[Agent A says]\n{{answer_a}}\n"
    "[Agent A is done]\n\n[Agent B says]\n{{answer_b}}\n[Agent B is done]",
    multi_turn="[The talk with agent A]\n{{conversation_a}}\n[The talk with agent A is over]\n\n"
    "[The talk with agent B]\n{{conversation_b}}\n[The talk with agent B is over]",
    turns=Turns("Customer: ", assistant_a="Agent A: ", assistant_b="Agent B: "),
)
WORDS = [
    *("river", "stone", "Paris", "42", "why", "the", "a", "light.", "green?", "of!", "seven"),
    *("(maybe)", "no,", "under", "it\nthen"),
]


def text(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(2, 30)))


def shown(number: int) -> Comparison:
    rng = random.Random(number)
    roles = ["user", "assistant", "user"][: 3 if number % 3 == 0 else 1]
    prompt = tuple(Message(role, text(rng)) for role in roles)  # type: ignore[arg-type]
    return Comparison(prompt=prompt, a=text(rng), b=text(rng))


def rows(count: int, template: Template = TEMPLATE) -> list[dict[str, Any]]:
    return [
        {
            "context_messages": template.render(shown(n)),
            "winner": "model_a" if n % 2 else "model_b",
        }
        for n in range(count)
    ]


def dataset(path: Path, name: str = "rm-r1-rlvr", **options: Any) -> Any:
    return resolve("dataset", Ref(name=name, options={"path": str(path), **options}))


def examples(tmp_path: Path, data: Iterable[Any], **options: Any) -> list[Example]:
    write(tmp_path / "train.jsonl", data)
    return list(dataset(tmp_path / "train.jsonl", **options).examples("train", seed=0))


def test_rows_become_the_pairs_that_they_were_made_from(tmp_path: Path) -> None:
    found = examples(tmp_path, rows(90))
    assert [e.pair.comparison(e.chosen_first) for e in found] == [shown(n) for n in range(90)]
    assert [e.chosen_first for e in found] == [n % 2 == 1 for n in range(90)]
    assert len({e.pair.id for e in found}) == 90
    assert {e.trace for e in found} == {""}


def test_a_pair_says_which_row_it_is_from(tmp_path: Path) -> None:
    pair = examples(tmp_path, rows(30))[6].pair
    assert pair.tags == {
        "source": "rm-r1-rlvr",
        "row_id": "train.jsonl:7",
        "licence": "see the card of the set on the hub",
    }
    assert pair.id == "rm-r1-rlvr-train-train.jsonl:7"


def test_two_wordings_in_one_set_are_told_apart(tmp_path: Path) -> None:
    other = Template(
        format="rmr1-prompt-1",
        single_turn="Q: {{question}} || one: {{answer_a}} || two: {{answer_b}} || which?",
    )
    single = [n for n in range(90) if n % 3]
    mixed = rows(90) + [
        {"context_messages": other.render(shown(n)), "winner": "model_a"} for n in single
    ]
    found = examples(tmp_path, mixed)
    expected = [*map(shown, range(90)), *map(shown, single)]
    assert [e.pair.comparison(e.chosen_first) for e in found] == expected


def test_a_row_of_no_wording_is_named_with_file_row_and_field(tmp_path: Path) -> None:
    data = rows(40)
    data[4]["context_messages"] = [
        {"role": "system", "content": TEMPLATE.system},
        {"role": "user", "content": "hello there"},
    ]
    with pytest.raises(BadInput, match=r"begins 'hello there'.*allow_misfits=1") as caught:
        examples(tmp_path, data)
    error = caught.value
    assert (error.path, error.row, error.field) == (
        str(tmp_path / "train.jsonl"),
        5,
        "context_messages",
    )


def test_so_many_misfits_as_are_allowed_are_left_out(tmp_path: Path) -> None:
    data = rows(40)
    for row in (4, 7):
        data[row]["winner"] = "both"
    assert len(examples(tmp_path, data, allow_misfits=2)) == 38
    with pytest.raises(BadInput, match=r"row 8, field 'winner'.*'both'.*allow_misfits=2"):
        examples(tmp_path, data, allow_misfits=1)


def test_misfits_are_left_out_with_the_rows_that_cannot_be_read(tmp_path: Path) -> None:
    data: list[Any] = rows(40)
    data[4]["winner"] = "both"
    data[6] = {"winner": "model_a"}
    data[8]["context_messages"] = [{"role": "user", "content": "hello there"}]
    write(tmp_path / "train.jsonl", [*data, ["no", "object"]])
    with skipping() as skipped:
        found = list(dataset(tmp_path / "train.jsonl").examples("train", seed=0))
    assert len(found) == 37
    assert sorted((error.row, error.field) for error in skipped if error.field) == [
        *((5, "winner"), (7, "context_messages"), (9, "context_messages"))
    ]
    assert [error.row for error in skipped if not error.field] == [41]


def test_rows_without_a_common_wording_are_refused(tmp_path: Path) -> None:
    data = [
        {
            "context_messages": [{"role": "user", "content": chr(64 + n) * 2 * n}],
            "winner": "model_a",
        }
        for n in range(1, 20)
    ]
    with pytest.raises(UsageError, match="no wording of a prompt was found in 19 rows"):
        examples(tmp_path, data)


def distilled(count: int) -> list[dict[str, Any]]:
    return [
        {
            "context_messages": row["context_messages"],
            "winner": f"<eval>so</eval><answer>[[{'A' if n % 2 else 'B'}]]</answer>",
            "ground_truth": row["winner"],
        }
        for n, row in enumerate(rows(count))
    ]


def test_traces_and_labels_of_distillation_are_in_fields_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "d.jsonl", distilled(30))
    found = list(dataset(tmp_path / "d.jsonl", "rm-r1-distill").examples("train", seed=0))
    assert found[1].trace == "<eval>so</eval><answer>[[A]]</answer>"
    assert [e.chosen_first for e in found] == [n % 2 == 1 for n in range(30)]


def test_a_trace_that_contradicts_its_label_is_a_misfit(tmp_path: Path) -> None:
    data = distilled(30)
    data[3]["ground_truth"] = "model_b"
    write(tmp_path / "d.jsonl", data)
    with pytest.raises(BadInput, match=r"row 4, field 'winner': its verdict is A, and .* says B"):
        list(dataset(tmp_path / "d.jsonl", "rm-r1-distill").examples("train", seed=0))


def test_the_verdict_alone_can_be_the_trace(tmp_path: Path) -> None:
    found = examples(tmp_path, rows(30), traces="verdict")
    assert {e.trace for e in found if e.chosen_first} == {"<answer>[[A]]</answer>"}
    assert {e.trace for e in found if not e.chosen_first} == {"<answer>[[B]]</answer>"}


def test_a_set_without_traces_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no traces; say which field: trace_field"):
        examples(tmp_path, rows(30), traces="published")


def test_a_folder_has_the_splits_of_its_files(tmp_path: Path) -> None:
    write(tmp_path / "train-00000-of-00002.jsonl", rows(60)[:20])
    write(tmp_path / "train-00001-of-00002.jsonl", rows(60)[20:])
    write(tmp_path / "test.jsonl", rows(30))
    both = dataset(tmp_path)
    assert len(list(both.examples("train", seed=0))) == 60
    assert len({e.pair.id for e in both.examples("train", seed=0)}) == 60
    assert len(list(both.examples("test", seed=0))) == 30
    with pytest.raises(UsageError, match="no data file for the split 'dev'"):
        both.check_split("dev")


def test_the_hub_has_one_split() -> None:
    with pytest.raises(UsageError, match="has no split 'test'; it has train"):
        resolve("dataset", "rm-r1-rlvr").check_split("test")


def test_a_limit_takes_the_first_rows(tmp_path: Path) -> None:
    assert examples(tmp_path, rows(30), limit=5) == examples(tmp_path, rows(30))[:5]


def test_a_set_that_cannot_be_had_from_the_hub_says_how_else() -> None:
    with pytest.raises(UsageError, match=r"-RLVR'.* use rm-r1-rlvr:PATH.* --set stages"):
        next(resolve("dataset", "rm-r1-rlvr").examples("train", seed=0))


# the sample of the format


@pytest.mark.parametrize(("split", "count", "firsts"), [("train", 3000, 1447), ("test", 400, 195)])
def test_the_sample_is_taken_apart_whole(shared: Path, split: str, count: int, firsts: int) -> None:
    folder = shared / "data" / "rm-r1-training-format"
    found = list(dataset(folder).examples(split, seed=0))
    raw = list(read_rows(folder / f"{split}.jsonl.gz"))
    assert (len(found), sum(e.chosen_first for e in found)) == (count, firsts)
    assert [e.chosen_first for e in found] == [r.values["winner"] == "model_a" for r in raw]


def test_the_sample_renders_again_byte_for_byte(shared: Path) -> None:
    folder = shared / "data" / "rm-r1-training-format"
    raw = [
        TrainingPrompt(r.number, tuple(r.get("context_messages", list[Message])))
        for r in read_rows(folder / "train.jsonl.gz")
    ]
    template = learn(raw, "the sample").template
    for row, example in zip(raw, dataset(folder).examples("train", seed=0), strict=True):
        assert template.render(example.pair.comparison(example.chosen_first)) == row.messages


def test_training_asks_the_sample_as_evaluation_would(shared: Path) -> None:
    folder = shared / "data" / "rm-r1-training-format"
    options = {"path": str(folder), "limit": 3}
    stage = Stage(
        name="rl",
        trainer=Ref(name="local-grpo"),
        dataset=Ref(name="rm-r1-rlvr", options=options),
    )
    strategy = resolve("prompt", "cor-instruct")
    made = list(training_rows(stage, resolve("trainer", "local-grpo"), strategy, seed=0))
    asked = islice(dataset(folder).examples("train", seed=0), 3)
    for row, example in zip(made, asked, strict=True):
        comparison = example.pair.comparison(example.chosen_first)
        assert row.messages == strategy.render(comparison)
        assert Verdict(row.label) is Verdict.favouring_chosen(example.chosen_first)
        assert json.loads(json.dumps(row.source)) == "rm-r1-rlvr"


@pytest.mark.slow
def test_thousands_of_real_pairs_come_back_as_they_were(shared: Path, tmp_path: Path) -> None:
    """Conversations of one to five turns, code and lists among them, in the two wordings of a set
    like the published ones."""
    rng = random.Random(0)
    pairs = [
        pair
        for name in ("rmb", "rewardbench")
        for pair in resolve("benchmark", name).pairs(shared / "data" / name)
    ]
    shown_ = [(pair.comparison(first), first) for pair in pairs for first in [rng.random() < 0.5]]
    write(
        tmp_path / "train.jsonl",
        (
            {"context_messages": TEMPLATE.render(c), "winner": "model_a" if a else "model_b"}
            for c, a in shown_
        ),
    )
    found = dataset(tmp_path / "train.jsonl").examples("train", seed=0)
    assert len(shown_) > 20_000
    for (comparison, first), example in zip(shown_, found, strict=True):
        assert (example.pair.comparison(first), example.chosen_first) == (comparison, first)
