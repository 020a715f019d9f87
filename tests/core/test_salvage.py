"""Records out of JSON that breaks somewhere."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmr1_core.errors import BadInput
from rmr1_core.salvage import beginning, read_records
from rmr1_core.skipping import skipping

ONE = {"id": 1, "text_chosen": [{"role": "user", "content": 'a "{[" b'}], "answers": "x"}
TWO = {**ONE, "id": 2}
THREE = {**ONE, "id": 3}
THREE_RECORDS = [ONE, TWO, THREE]


def write(folder: Path, text: str | bytes, name: str = "logs.json") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def ids(path: Path) -> list[int]:
    return [row.values["id"] for row in read_records(path)]


def kept(path: Path) -> tuple[list[int], list[str]]:
    with skipping() as left_out:
        return ids(path), [error.problem for error in left_out]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("logs.json", json.dumps(THREE_RECORDS)),
        ("logs.json", json.dumps(THREE_RECORDS, indent=2)),
        ("logs.json", json.dumps({"a": [ONE, TWO], "b": [THREE]}, indent=2)),
        ("logs.json", json.dumps({"a": [ONE, TWO, THREE], "b": []})),
        ("logs.json", "\ufeff" + "\n".join(map(json.dumps, THREE_RECORDS))),
        ("logs.jsonl", "\n".join(map(json.dumps, THREE_RECORDS)) + "\n\n"),
    ],
)
def test_whole_files_are_read_in_order(tmp_path: Path, name: str, text: str) -> None:
    path = write(tmp_path, text, name)
    rows = list(read_records(path))
    assert [(row.number, row.values["id"]) for row in rows] == [(1, 1), (2, 2), (3, 3)]
    zipped = write(tmp_path, gzip.compress(text.encode()), f"{name}.gz")
    assert ids(zipped) == [1, 2, 3]
    assert beginning(zipped, 5) == text.encode()[:5]


def test_one_object_is_one_record(tmp_path: Path) -> None:
    assert ids(write(tmp_path, json.dumps(ONE, indent=1))) == [1]


def test_a_break_is_named_with_file_record_line_and_column(tmp_path: Path) -> None:
    text = json.dumps(THREE_RECORDS, indent=2).replace('"id": 2,', '"id": 2')
    path = write(tmp_path, text)
    line = text.split("\n").index('    "id": 2') + 2
    with pytest.raises(BadInput) as caught:
        ids(path)
    place = f"at line {line}, column 5"
    assert str(caught.value) == f"{path}, row 2: not JSON: expecting ',' delimiter {place}"


@pytest.mark.parametrize("indent", [None, 2])
def test_a_broken_record_in_the_middle_is_left_out_alone(
    tmp_path: Path, indent: int | None
) -> None:
    text = json.dumps(THREE_RECORDS, indent=indent).replace('"id": 2,', '"id": 2')
    with skipping() as left_out:
        rows = list(read_records(write(tmp_path, text)))
    assert [(row.number, row.values["id"]) for row in rows] == [(1, 1), (3, 3)]
    assert [error.row for error in left_out] == [2]


def test_records_after_two_broken_ones_keep_their_numbers(tmp_path: Path) -> None:
    text = json.dumps([ONE, TWO, TWO, THREE], indent=2).replace('"id": 2,', '"id": 2')
    with skipping():
        rows = list(read_records(write(tmp_path, text)))
    assert [(row.number, row.values["id"]) for row in rows] == [(1, 1), (4, 3)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"0": [%s],\n}', "a comma without a name after it at line 2, column 1"),
        ('{"0": [%s]} x', "there is more after the end"),
        ('{"0": [%s]', "expecting ',' or '}'"),
        ("[%s,\n]", "a comma without a record after it"),
        ("[%s", "the file ends inside of its list"),
        ("[%s] [", "there is more after the end"),
        ("[%s 7]", "expecting ',' or ']'"),
    ],
)
def test_what_breaks_between_records_loses_none(tmp_path: Path, text: str, problem: str) -> None:
    path = write(tmp_path, text % json.dumps(ONE))
    with pytest.raises(BadInput, match="not JSON"):
        ids(path)
    found, (left_out,) = kept(path)
    assert found == [1]
    assert problem in left_out


def test_a_bad_line_is_left_out_alone(tmp_path: Path) -> None:
    lines = [json.dumps(ONE), '{"id": 2,', "[4]", json.dumps(THREE)]
    found, left_out = kept(write(tmp_path, "\n".join(lines), "logs.jsonl"))
    assert found == [1, 3]
    assert "at line 2, column" in left_out[0]
    assert left_out[1] == "expected an object"


def test_bytes_that_are_no_text_spoil_their_record_alone(tmp_path: Path) -> None:
    text = json.dumps(THREE_RECORDS).encode().replace(b'"id": 2', b'"id": 2, "name": "\xff"')
    found, left_out = kept(write(tmp_path, text))
    assert found == [1, 3]
    assert left_out == ["has bytes that are not UTF-8"]


def test_deep_nesting_is_a_broken_record(tmp_path: Path) -> None:
    path = write(tmp_path, f"[{json.dumps(ONE)}, {'[' * 100_000}")
    found, left_out = kept(path)
    assert found == [1]
    assert "not JSON" in left_out[0]


@pytest.mark.parametrize("text", ["", "nothing here", "{", '{"a": 1'])
def test_a_file_without_records_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BadInput, match="row 1: not JSON"):
        ids(path)
    assert kept(path)[0] == []


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, gzip.compress(b"[{}]")[:-9], "logs.json.gz")
    with pytest.raises(BadInput, match=r"logs\.json\.gz: cannot be read"):
        ids(path)
    assert beginning(tmp_path / "missing") == b""


def _list(pieces: list[str]) -> list[str]:
    return ["[\n  ", *_between(pieces, ",\n  "), "\n]"]


def _compact(pieces: list[str]) -> list[str]:
    return ["[", *_between([json.dumps(json.loads(p)) for p in pieces], ", "), "]"]


def _grouped(pieces: list[str]) -> list[str]:
    return ['{\n  "0": [\n  ', *_between(pieces, '\n], "1": [\n  '), "\n  ]\n}"]


def _lines(pieces: list[str]) -> list[str]:
    return [*_between([json.dumps(json.loads(p)) for p in pieces], "\n"), "\n"]


def _between(pieces: list[str], separator: str) -> list[str]:
    return [part for piece in pieces for part in (piece, separator)][:-1]


@settings(max_examples=150, deadline=None)
@given(
    texts=st.lists(st.text(max_size=12), min_size=1, max_size=5),
    form=st.sampled_from([_list, _compact, _grouped, _lines]),
    data=st.data(),
)
def test_wherever_a_file_is_cut_all_whole_records_before_are_kept(
    texts: list[str], form: Callable[[list[str]], list[str]], data: st.DataObject
) -> None:
    records = [{"id": n, "turn": {"content": text}, "c": "é"} for n, text in enumerate(texts)]
    parts = form([json.dumps(record, ensure_ascii=n % 2 == 0) for n, record in enumerate(records)])
    whole = "".join(parts).encode("utf-8", "surrogatepass")
    cut = data.draw(st.integers(0, len(whole)))
    ends, end = [], 0
    for part in parts:
        end += len(part.encode("utf-8", "surrogatepass"))
        if part.startswith("{") and '"turn"' in part:
            ends.append(end)
    expected = sum(end <= cut for end in ends)
    with tempfile.TemporaryDirectory() as folder:
        name = "logs.jsonl" if form is _lines else "logs.json"
        path = write(Path(folder), whole[:cut], name)
        assert kept(path)[0] == list(range(expected))
