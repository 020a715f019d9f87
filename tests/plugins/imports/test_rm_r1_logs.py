"""RM-R1's logs become runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_logs import SECOND, logged, said, style_record, talk, three_files, verdict, write

from rmr1_core import Ref, Verdict
from rmr1_core.errors import BadInput, UsageError
from rmr1_core.importing import Found, ImportRequest, find
from rmr1_core.lookup import resolve
from rmr1_core.testing import check_component
from rmr1_imports import rmr1_importers

CHAT = "Pairwise_set/Helpfulness/Chat/Discussion"
BON = "BoN_set/Helpfulness/Chat/Discussion"


def found(path: Path, **asked: Any) -> Found:
    return find(ImportRequest(path=str(path), **asked))


def only(path: Path, **asked: Any) -> Any:
    (part,) = found(path, **asked).parts
    return part


def test_the_formats_keep_the_contract() -> None:
    for importer in rmr1_importers():
        check_component(importer)


def test_a_log_of_rewardbench_has_the_ids_of_the_benchmark(tmp_path: Path) -> None:
    records = [
        logged(said("A"), second=False, result=1, subset="alpacaeval-easy", id=30),
        logged(said("A"), second=True, result=0, question="b?", subset="hep-go", id=30),
    ]
    data = [
        {
            "id": 30,
            "prompt": record["text_chosen"][0]["content"],
            "chosen": record["text_chosen"][1]["content"],
            "rejected": record["text_rejected"][1]["content"],
            "subset": record["subset"],
        }
        for record in records
    ]
    part = only(write(tmp_path / "logs.json", records))
    ours = list(resolve("benchmark", "rewardbench").pairs(write(tmp_path / "data.json", data)))
    assert [pair.id for pair in part.pairs] == ["alpacaeval-easy/0", "hep-go/1"]
    for pair, own in zip(part.pairs, ours, strict=True):
        texts = (pair.id, pair.subset, pair.group, pair.prompt, pair.chosen, pair.rejected)
        assert texts == (own.id, own.subset, own.group, own.prompt, own.chosen, own.rejected)
    assert [(j.verdict, j.chosen_first) for j in part.judgments] == [
        (Verdict.A, True),
        (Verdict.A, False),
    ]


def test_three_files_of_rm_bench_are_the_nine_cells_of_the_benchmark(tmp_path: Path) -> None:
    matrix = [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    folder = three_files(tmp_path / "logs", [("chat/1", "chat", matrix)])
    part = only(folder)
    data = write(tmp_path / "total_dataset.json", [style_record("chat/1", "chat")])
    ours = {pair.id: pair for pair in resolve("benchmark", "rm-bench").pairs(data)}
    assert {pair.id: pair for pair in part.pairs} == ours
    right = {j.pair_id.rpartition("/")[2]: j.correct for j in part.judgments}
    styles = ("concise", "plain", "markdown")
    assert right == {
        f"{styles[i]}-{styles[j]}": bool(matrix[i][j]) for i in range(3) for j in range(3)
    }


def test_three_judgments_in_a_file_of_another_name_are_of_nobody_knows_which_styles(
    tmp_path: Path,
) -> None:
    folder = three_files(tmp_path / "logs", [("chat/1", "chat", [[1, 0, 0]] * 3)])
    moved = (folder / "total_dataset_2_model.json").rename(tmp_path / "second.json")
    with pytest.raises(BadInput, match="only the file's name says of which styles"):
        found(moved)


def test_nine_judgments_in_one_file_are_read_row_by_row(tmp_path: Path) -> None:
    record = style_record("7", "code", output=[said("A")] * 8 + [said("B")], result=[1] * 8 + [0])
    record[SECOND] = [False] * 9
    part = only(write(tmp_path / "total_dataset_x.json", [record]))
    assert part.judgments[-1].pair_id == "code/7/markdown-markdown"
    assert [j.correct for j in part.judgments] == [True] * 8 + [False]


def test_an_item_of_best_of_n_is_told_apart_by_the_data(tmp_path: Path) -> None:
    both = {"bon_uid": "9", "category_path": BON}
    records = [
        logged(verdict(right, False), second=False, result=right, **both) for right in (True, False)
    ]
    records[1]["text_rejected"] = talk("which?", "worse")
    log = write(tmp_path / "log/raw_logs.json", records)
    write(tmp_path / "log/group_by_same_id_logs.json", {"0": records})
    assert [pair.id for pair in only(log.parent).pairs] == ["bon/9#1", "bon/9#2"]
    item = {
        "bon_uid": 9,
        "category_path": BON,
        "conversation_input": [{"role": "user", "content": "which?"}],
        "bon_best": {"llm_name": "best", "answer": "good of which?"},
        "loser_list": [
            {"llm_name": "two", "answer": "worse"},
            {"llm_name": "one", "answer": "bad of which?"},
        ],
    }
    data = write(tmp_path / "data.json", [item])
    part = only(log.parent, data={"rmb": str(data)})
    assert part.pairs == list(resolve("benchmark", "rmb").pairs(data))
    assert {j.pair_id: j.correct for j in part.judgments} == {"bon/9/one": True, "bon/9/two": False}


def test_a_judgment_of_a_pair_that_the_data_lacks_is_named(tmp_path: Path) -> None:
    log = write(
        tmp_path / "logs.json",
        [logged(said("A"), second=False, result=1, pair_uid="9", category_path=CHAT)],
    )
    row = {
        "pair_uid": "9",
        "category_path": CHAT,
        "conversation_input": [{"role": "user", "content": "which?"}],
        "chosen": {"llm_name": "a", "answer": "another answer"},
        "reject": {"llm_name": "b", "answer": "bad of which?"},
    }
    data = write(tmp_path / "data.json", [row])
    with pytest.raises(BadInput, match="row 1: rmb has no pair 'pairwise/9' and these answers"):
        found(log, data={"": str(data)})


def test_answers_are_read_again_and_what_differs_from_the_log_is_counted(tmp_path: Path) -> None:
    records = [
        logged(said("A"), second=False, result=1, pair_uid="1", category_path=CHAT),
        logged(
            "[[A]] or <answer>[[B]]</answer>",
            second=True,
            result=0,
            question="b?",
            pair_uid="2",
            category_path=CHAT,
        ),
    ]
    log = write(tmp_path / "logs.json", records)
    read = found(log)
    assert [j.verdict for j in read.parts[0].judgments] == [Verdict.A, Verdict.B]
    assert (read.imported.compared, read.imported.differ) == (2, 1)
    theirs = found(log, as_logged=True)
    assert [j.verdict for j in theirs.parts[0].judgments] == [Verdict.A, Verdict.UNPARSED]
    assert theirs.imported.as_logged
    published = found(log, prompt=Ref(name="", options={"parser": "rmr1-eval"}))
    assert published.imported.differ == 0


def test_repeats_in_one_file_are_samples_and_in_two_files_another_judge(tmp_path: Path) -> None:
    record = logged(said("A"), second=False, result=1, pair_uid="1", category_path=CHAT)
    one = write(tmp_path / "a/logs.json", [record, record])
    assert [j.sample for j in only(one).judgments] == [0, 1]
    write(tmp_path / "b/logs.json", [record])
    with pytest.raises(UsageError, match=r"a/logs\.json and .*b/logs\.json judge the same pairs"):
        found(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("answers", 3, "field 'answers': expected `str`, got `int`"),
        (SECOND, "no", f"field '{SECOND}': expected `bool`"),
        ("results", 7, "field 'results': expected 1, 0 or 0.5, and not 7"),
        ("text_chosen", [{"role": "user", "content": "q"}], "no conversation before the answer"),
        ("category_path", "Chat", "'Chat' is no category of RMB"),
        ("category_path", "Pairwise_set/Helpfulness/Sport", "is no subset of rmb"),
    ],
)
def test_a_record_that_cannot_be_used_is_named_or_left_out(
    tmp_path: Path, field: str, value: Any, problem: str
) -> None:
    good = logged(said("A"), second=False, result=1, pair_uid="1", category_path=CHAT)
    bad = {**good, "pair_uid": "2", field: value}
    log = write(tmp_path / "logs.json", [good, bad])
    with pytest.raises(BadInput, match=r"logs\.json, row 2.*; keep the rest with --skip-bad") as e:
        found(log)
    assert problem in str(e.value)
    kept = found(log, skip_bad=True)
    assert len(kept.parts[0].judgments) == 1
    assert len(kept.imported.left_out) == 1


def test_every_published_judgment_is_read_as_it_was_counted(shared: Path) -> None:
    for model in sorted((shared / "data/published").iterdir()):
        read = found(model, prompt=Ref(name="", options={"parser": "rmr1-eval"}))
        (part,) = read.parts
        assert (len(part.judgments), read.imported.compared, read.imported.differ) == (8, 8, 0)
        raw = [
            json.loads(path.read_text())
            for path in sorted(model.glob("rmb/*/*logs.json"))
            if path.name != "group_by_same_id_logs.json"
        ]
        results = [record["results"] for records in raw for record in records]
        assert [j.correct for j in part.judgments] == [bool(result) for result in results]


def test_the_published_log_that_is_broken_keeps_its_records(shared: Path) -> None:
    folder = shared / "data/published/RM-R1-Qwen2.5-Instruct-32B/rmb/BoN_set_Helpfulness"
    path = folder / "group_by_same_id_logs.json"
    with pytest.raises(BadInput, match=r"row 3: not JSON: .* at line 62, column 1; keep the rest"):
        found(path)
    kept = found(path, skip_bad=True)
    assert len(kept.imported.left_out) == 1
    assert [j.completion for j in kept.parts[0].judgments] == [
        j.completion for j in only(folder / "raw_logs.json").judgments
    ]
