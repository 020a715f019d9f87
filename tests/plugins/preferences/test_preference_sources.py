"""Where preferences come from, and what a pair keeps of its row."""

from __future__ import annotations

import json

import pytest
from preference_rows import QUESTION, answers, examples, openai, source

from rmr1_core import Ref
from rmr1_core.datafiles import skipping
from rmr1_core.errors import BadInput, UsageError
from rmr1_core.jsonl import write
from rmr1_core.lookup import pinned, resolve

ROWS = [answers(QUESTION, str(n), f"not {n}") for n in range(6)]


def ids(found):
    return [example.pair.id for example in found]


def train(dataset, split="train"):
    return list(dataset.examples(split, seed=0))


def test_a_pair_says_where_it_is_from(tmp_path):
    pair = examples(tmp_path, ROWS, licence="MIT", domain="math")[2].pair
    assert pair.id == "mine-train-mine.jsonl:3"
    assert pair.subset == "mine"
    assert pair.tags == {
        "source": "mine", "row_id": "mine.jsonl:3", "licence": "MIT", "domain": "math"
    }  # fmt: skip


def test_the_source_may_be_named(tmp_path):
    pair = examples(tmp_path, ROWS, source="ours")[0].pair
    assert (pair.id, pair.tags["source"]) == ("ours-train-mine.jsonl:1", "ours")


def test_where_the_file_lies_makes_no_difference(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    assert examples(tmp_path / "one", ROWS) == examples(tmp_path / "two", ROWS)


def test_a_link_is_called_what_it_is_called_and_not_what_it_leads_to(tmp_path):
    write(tmp_path / "blobs" / "0123abcd.jsonl", ROWS)
    (tmp_path / "named.jsonl").symlink_to(tmp_path / "blobs" / "0123abcd.jsonl")
    pair = train(source(tmp_path / "named.jsonl"))[0].pair
    assert (pair.tags["source"], pair.tags["row_id"]) == ("named", "named.jsonl:1")


def test_ids_are_unique_even_where_upstreams_are_not(tmp_path):
    rows = [row | {"id": 5} for row in ROWS]
    found = examples(tmp_path, rows, id_field="id")
    assert len(set(ids(found))) == 6
    assert {example.pair.tags["row_id"] for example in found} == {"5"}


def test_domains_may_be_renamed_and_the_field_is_kept(tmp_path):
    rows = [row | {"from": part} for row, part in zip(ROWS, "abc", strict=False)]
    found = examples(tmp_path, rows, domain_field="from", domains={"a": "chat", "b": "code"})
    assert [(e.pair.tags["part"], e.pair.tags.get("domain")) for e in found] == [
        ("a", "chat"), ("b", "code"), ("c", None)
    ]  # fmt: skip


def test_rows_may_be_left_out_by_a_field(tmp_path):
    rows = [row | {"from": part} for row, part in zip(ROWS, "ababab", strict=True)]
    found = examples(tmp_path, rows, leave_out='{"from": ["b"]}')
    assert [example.pair.chosen for example in found] == ["0", "2", "4"]
    assert [example.chosen_first for example in found] == [True, False, True]


def test_a_limit_takes_the_first_pairs(tmp_path):
    assert examples(tmp_path, ROWS, limit=2) == examples(tmp_path, ROWS)[:2]


def test_a_sample_is_the_one_of_the_library_datasets(tmp_path):
    import datasets

    rows = [{"prompt": "q", "chosen": str(n), "rejected": "x"} for n in range(200)]
    theirs = datasets.Dataset.from_list(rows).shuffle(seed=42).select(range(30))
    found = examples(tmp_path, rows, sample=30)
    assert [example.pair.chosen for example in found] == theirs["chosen"][:]
    other = examples(tmp_path, rows, sample=30, sample_seed=7)
    assert other != found


def test_a_sample_of_more_than_there_is_gets_one_sentence(tmp_path):
    with pytest.raises(UsageError, match=r"there are 6 rows, and 7 are to be drawn.*sample=0"):
        examples(tmp_path, ROWS, sample=7)


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_files_may_be_gzipped(tmp_path, name):
    write(tmp_path / name, ROWS)
    found = train(source(tmp_path / name))
    assert [example.pair.chosen for example in found] == list("012345")
    assert found[0].pair.tags["source"] == "x"


def test_a_json_array_and_parquet_are_read(tmp_path):
    import pyarrow
    import pyarrow.parquet

    (tmp_path / "x.json").write_text(json.dumps(ROWS))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "x.parquet")
    for name in ("x.json", "x.parquet"):
        assert [example.pair.chosen for example in train(source(tmp_path / name))] == list("012345")


def test_parquet_with_columns_of_another_form_that_are_null_is_read(tmp_path):
    import pyarrow
    import pyarrow.parquet

    rows = [row | {"response_a": None, "label": None} for row in ROWS]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "x.parquet")
    assert len(train(source(tmp_path / "x.parquet"))) == 6


def test_a_folder_has_a_file_for_each_split(tmp_path):
    write(tmp_path / "data" / "train-00000-of-00002.jsonl", ROWS[:2])
    write(tmp_path / "data" / "train-00001-of-00002.jsonl", ROWS[2:4])
    write(tmp_path / "data" / "test.jsonl", ROWS[4:])
    dataset = source(tmp_path)
    assert [example.pair.chosen for example in train(dataset)] == list("0123")
    assert len(set(ids(train(dataset)))) == 4
    assert [example.pair.chosen for example in train(dataset, "test")] == list("45")
    with pytest.raises(UsageError, match="no data file for the split 'other'"):
        dataset.check_split("other")


def test_a_folder_of_files_with_other_names_is_the_split_train(tmp_path):
    write(tmp_path / "b.jsonl", ROWS[3:])
    write(tmp_path / "a.jsonl", ROWS[:3])
    write(tmp_path / "test.jsonl", ROWS[:1])
    assert [example.pair.chosen for example in train(source(tmp_path))] == list("012345")


def test_a_file_is_the_split_train_and_no_other(tmp_path):
    write(tmp_path / "x.jsonl", ROWS)
    with pytest.raises(UsageError, match=r"is the split 'train'.*test.jsonl"):
        train(source(tmp_path / "x.jsonl"), "test")


def test_an_empty_file_has_no_pairs(tmp_path):
    (tmp_path / "x.jsonl").write_text("")
    assert train(source(tmp_path / "x.jsonl")) == []


@pytest.mark.parametrize("path", ["/none/x.jsonl", "none.jsonl", "./none", "folder/none.parquet"])
def test_a_path_that_is_not_there_gets_one_sentence(path):
    with pytest.raises(BadInput, match="no such file or folder"):
        train(source(path))


def test_without_a_place_there_is_one_sentence():
    with pytest.raises(UsageError, match="say where the data is, with preferences:PATH"):
        train(resolve("dataset", "preferences"))


def test_a_hub_id_is_asked_of_the_hub():
    for dataset in (
        source("an-org/not-there"),
        resolve("dataset", Ref(name="preferences", options={"hub": "an-org/not-there"})),
    ):
        with pytest.raises(UsageError, match=r"cannot load 'an-org/not-there'.*preferences:PATH"):
            train(dataset)


def test_a_folder_in_the_place_of_a_hub_id_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "an-org" / "not-there" / "train.jsonl", ROWS)
    assert len(train(source("an-org/not-there"))) == 6
    assert pinned("dataset", Ref(name="preferences:an-org/not-there")).name.endswith(
        f"{tmp_path}/an-org/not-there"
    )


def test_a_local_folder_that_the_library_datasets_can_read_is_read_as_from_the_hub(tmp_path):
    write(tmp_path / "data.jsonl", ROWS)
    found = train(resolve("dataset", Ref(name="preferences", options={"hub": str(tmp_path)})))
    assert [example.pair.chosen for example in found] == list("012345")
    assert found[0].pair.tags["source"] == tmp_path.name


def test_broken_lines_and_bad_rows_are_skipped_together(tmp_path):
    path = tmp_path / "x.jsonl"
    write(path, ROWS)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b'{"prompt": "\xff"}\n', lines[1], b"{\n", b"{}\n"]))
    with skipping() as skipped:
        assert len(train(source(path))) == 2
    assert [error.row for error in skipped] == [2, 4, 5]


def test_examples_are_streamed(tmp_path):
    path = tmp_path / "x.jsonl"
    write(path, [*ROWS * 50, openai(QUESTION, "4", "5")])
    found = source(path).examples("train", seed=0)
    assert sum(1 for _, _ in zip(range(300), found, strict=False)) == 300
    with pytest.raises(BadInput, match="row 301"):
        next(found)
