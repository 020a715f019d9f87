from __future__ import annotations

import json

import pytest

from rmr1_core.datafiles import made, read_rows, skipping
from rmr1_core.errors import BadInput

BROKEN = b'{"a": 1}\n{"a": \n[2]\n{"a": "\xff"}\n{"a": "x"}\n{"a": 5}\n'


def number(row):
    return row.get("a", int)


def test_the_first_bad_row_raises(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(BROKEN)
    found = made(read_rows(path), number)
    assert next(found) == 1
    with pytest.raises(BadInput, match="row 2"):
        next(found)


def test_inside_of_skipping_bad_rows_are_listed_and_the_others_are_read(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(BROKEN)
    with skipping() as skipped:
        assert list(made(read_rows(path), number)) == [1, 5]
    assert [(error.row, error.field) for error in skipped] == [
        *((2, None), (3, None), (4, None), (5, "a"))
    ]
    assert all(error.path == str(path) for error in skipped)
    assert all("\n" not in str(error) for error in skipped)


def test_a_row_that_is_read_twice_is_listed_once(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(BROKEN)
    with skipping() as skipped:
        for _ in range(2):
            assert list(made(read_rows(path), number)) == [1, 5]
    assert len(skipped) == 4


def test_an_array_with_something_else_in_it_goes_on_behind_it(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"a": 1}, "two", {"a": 3}]))
    with skipping() as skipped:
        assert [row.number for row in read_rows(path)] == [1, 3]
    assert [error.row for error in skipped] == [2]


@pytest.mark.parametrize("name", ["none.jsonl", "whole.json", "torn.parquet"])
def test_a_file_that_cannot_be_read_is_no_row_and_raises(tmp_path, name):
    for file in ("whole.json", "torn.parquet"):
        (tmp_path / file).write_text("[1, ")
    with skipping() as skipped, pytest.raises(BadInput):
        list(read_rows(tmp_path / name))
    assert skipped == []


def test_after_the_block_bad_rows_raise_again(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(BROKEN)
    with skipping():
        list(read_rows(path))
    with pytest.raises(BadInput):
        list(read_rows(path))


def test_a_block_within_a_block_has_a_list_of_its_own(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(BROKEN)
    with skipping() as outer:
        with skipping() as inner:
            list(read_rows(path))
        assert (len(inner), len(outer)) == (3, 0)


def test_what_is_made_into_none_is_not_wanted():
    assert list(made(range(6), lambda n: n if n % 2 else None)) == [1, 3, 5]
