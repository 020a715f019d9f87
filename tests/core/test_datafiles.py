from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmr1_core import Message
from rmr1_core.datafiles import Row, find_data, hub_rows, is_data_file, prompt_key, read_rows
from rmr1_core.errors import BadInput, UsageError

ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "é 漢 🙂"}]
LINES = "\n".join(json.dumps(row) for row in ROWS)

texts = st.text(max_size=20)
turns = st.builds(Message, st.sampled_from(["system", "user", "assistant"]), texts)


def values(path):
    return [row.values for row in read_rows(path)]


def problem(path):
    with pytest.raises(BadInput) as caught:
        values(path)
    return caught.value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.jsonl", LINES),
        ("x.jsonl", LINES + "\n\n  \n"),
        ("x.jsonl", LINES.replace("\n", "\r\n")),
        ("x.jsonl", "\ufeff" + LINES),
        ("x.json", json.dumps(ROWS)),
        ("x.json", json.dumps(ROWS, indent=2)),
        ("x.json", "\ufeff" + json.dumps(ROWS)),
        ("x.json", LINES),
        ("x.json", "\ufeff\n" + LINES + "\n"),
        ("name with spaces.v1.json", json.dumps(ROWS)),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_json_files_are_read_whatever_their_layout(tmp_path, name, text, zipped):
    path = tmp_path / (name + ".gz" if zipped else name)
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    assert values(path) == ROWS


def test_parquet_is_read(tmp_path):
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path, row_group_size=1)
    assert values(path) == ROWS
    assert [row.number for row in read_rows(path)] == [1, 2]


def test_rows_are_numbered_as_editors_number_lines(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n\n{"a": 2}\n')
    assert [row.number for row in read_rows(path)] == [1, 3]


def test_lines_are_streamed(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\nbroken\n')
    rows = read_rows(path)
    assert next(rows).values == {"a": 1}
    with pytest.raises(BadInput, match="row 2"):
        next(rows)


@pytest.mark.parametrize(
    ("name", "content", "row", "says"),
    [
        ("x.jsonl", b'{"a": 1}\n{"a": ', 2, "not JSON"),
        ("x.jsonl", b'{"a": 1}\n[1]\n', 2, "expected an object"),
        ("x.jsonl", b'{"a": "\xff"}\n', 1, "not JSON: byte 0xff is not UTF-8"),
        ("x.json", b'[{"a": "\xff"}]', None, "not JSON: byte 0xff is not UTF-8"),
        ("x.json", b"", None, "not JSON"),
        ("x.json", b"[1, 2", None, "not JSON"),
        ("x.json", b'[{"a": 1}, 2]', 2, "expected an object"),
        ("x.json", b'"text"', None, "expected an array of objects"),
        ("x.json", b'{"a": 1}\n{"a": ', 2, "not JSON"),
        ("x.json.gz", b"not gzip", None, "cannot be read"),
        ("x.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 9, mtime=0)[:-12], None, "cannot be read"),
        ("x.jsonl.gz", gzip.compress(b"x", mtime=0)[:10] + b"\xff" * 40, None, "cannot be read"),
        ("x.parquet", b"not parquet", None, "cannot be read as parquet"),
        ("x.csv", b"a,b", None, "not a data file"),
        ("x.json.txt", b"[]", None, "not a data file"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_sentence(tmp_path, name, content, row, says):
    path = tmp_path / name
    path.write_bytes(content)
    error = problem(path)
    assert (error.path, error.row) == (str(path), row)
    assert says in str(error)
    assert "\n" not in str(error)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        assert f"{path}: no such file" in str(problem(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_gets_one_sentence(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("[]")
    path.chmod(0)
    assert "cannot be read" in str(problem(path))


def test_the_known_endings_are_data_files():
    names = ["a.json", "a.json.gz", "a.jsonl", "a.jsonl.gz", "a.parquet", "a.txt", "json", "a.gz"]
    assert [is_data_file(Path(name)) for name in names] == [True] * 5 + [False] * 3


def test_a_field_is_checked_against_its_type():
    row = Row("file.json", 7, {"a": [1, 2], "n": None})
    assert row.get("a", list[int]) == [1, 2]
    with pytest.raises(
        BadInput, match=r"^file.json, row 7, field 'a': expected `str`, got `array`"
    ):
        row.get("a", str)
    with pytest.raises(BadInput, match=r"field 'n': expected `str`, got `null`"):
        row.get("n", str)
    with pytest.raises(BadInput, match=r"row 7, field 'b': is missing"):
        row.get("b", str)


def test_a_string_is_one_users_turn_and_a_list_is_a_conversation():
    turns = [{"role": "user", "content": "hi", "language": "English"}]
    row = Row("f", 1, {"text": "hi", "turns": turns, "none": [], "odd": [{"role": "user"}]})
    assert row.messages("text") == row.messages("turns") == (Message("user", "hi"),)
    with pytest.raises(BadInput, match="field 'none': has no turn"):
        row.messages("none")
    with pytest.raises(BadInput, match="field 'odd'"):
        row.messages("odd")
    with pytest.raises(BadInput, match="field 'absent': is missing"):
        row.messages("absent")


def test_a_place_is_the_same_on_every_machine(tmp_path):
    assert Row(tmp_path / "train.jsonl", 7, {}).place == "train.jsonl:7"
    assert Row("hub:org/name", 7, {}).place == "org/name:7"


@given(st.lists(turns, max_size=4), st.lists(turns, max_size=4))
def test_only_equal_conversations_have_the_same_key(one, other):
    assert (prompt_key(one) == prompt_key(other)) == (one == other)


def test_turns_that_run_together_do_not_have_the_same_key():
    split = [Message("user", "a"), Message("user", "b")]
    assert prompt_key(split) != prompt_key([Message("user", "ab")])
    assert prompt_key([Message("user", "auser 1 b")]) != prompt_key(split)


def files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("[]")


def found(folder, *patterns):
    return [str(path.relative_to(folder)) for path in find_data(folder, *patterns)]


def test_the_first_pattern_that_matches_wins(tmp_path):
    files(tmp_path, "b.json", "a.json", "data/first.json")
    assert found(tmp_path, "first*", "*") == ["data/first.json"]
    assert found(tmp_path, "absent*", "*") == ["a.json", "b.json"]
    assert found(tmp_path, "absent*") == []


def test_the_folder_nearest_to_the_top_wins(tmp_path):
    files(tmp_path, "data/x.json", "data/old/x.json", "a/b/x.json")
    assert found(tmp_path, "x*") == ["data/x.json"]


def test_hidden_folders_and_other_files_do_not_count(tmp_path):
    files(tmp_path, ".cache/x.json", "x.json.lock", "x.md", "deep/er/x.json")
    assert found(tmp_path, "x*") == ["deep/er/x.json"]


def test_two_folders_equally_near_are_an_error(tmp_path):
    files(tmp_path, "one/x.json", "two/x.json")
    with pytest.raises(UsageError, match=r"several folders with x\*.*--data PATH"):
        find_data(tmp_path, "x*")


def test_a_local_folder_loads_like_a_dataset_of_the_hub(tmp_path):
    (tmp_path / "data.json").write_text(json.dumps(ROWS))
    rows = list(hub_rows(str(tmp_path), split="train"))
    assert [row.values for row in rows] == ROWS
    assert [row.number for row in rows] == [1, 2]


def test_a_split_that_is_not_there_gets_one_sentence(tmp_path):
    (tmp_path / "data.json").write_text(json.dumps(ROWS))
    with pytest.raises(UsageError, match=r"cannot load .* \(split 'filtered'\).*--data PATH") as e:
        list(hub_rows(str(tmp_path), split="filtered"))
    assert "\n" not in str(e.value)


def test_without_a_network_the_hub_gives_one_sentence(tmp_path):
    program = (
        "from rmr1_core.datafiles import hub_rows\n"
        "from rmr1_core.errors import UsageError\n"
        "try:\n"
        "    list(hub_rows('allenai/reward-bench', split='filtered'))\n"
        "except UsageError as error:\n"
        "    print(error)\n"
    )
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | offline, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert run.stdout.startswith("cannot load 'allenai/reward-bench' (split 'filtered')")
    assert run.stdout.count("\n") == 1
    assert "cannot be reached" in run.stdout
    assert "--data PATH" in run.stdout
