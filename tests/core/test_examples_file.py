from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmr1_core import Example, Message, Pair
from rmr1_core.datafiles import prompt_key, skipping
from rmr1_core.errors import BadInput
from rmr1_core.examples_file import read, to_example, to_row, write

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
turns = st.builds(Message, st.sampled_from(["system", "user", "assistant"]), texts)
pairs = st.builds(
    Pair,
    id=texts,
    subset=texts,
    group=texts,
    prompt=st.lists(turns, max_size=3).map(tuple),
    chosen=texts,
    rejected=texts,
    tags=st.dictionaries(st.sampled_from(["source", "row_id", "licence", "domain"]), texts),
)
usual = pairs.map(
    lambda pair: Pair(
        id=pair.id,
        subset=pair.tags.get("source", ""),
        group=prompt_key(pair.prompt),
        prompt=pair.prompt,
        chosen=pair.chosen,
        rejected=pair.rejected,
        tags=pair.tags,
    )
)
examples = st.builds(Example, pair=pairs | usual, chosen_first=st.booleans(), trace=texts)


def example(number=0, **tags):
    prompt = (Message("user", f"question {number}"),)
    pair = Pair(
        id=f"mine-train-{number}",
        subset="mine",
        group=prompt_key(prompt),
        prompt=prompt,
        chosen="good",
        rejected="bad",
        tags={"source": "mine", "row_id": f"mine.jsonl:{number}", **tags},
    )
    return Example(pair=pair, chosen_first=number % 2 == 0)


# a pair without a subset or group is given the usual one
named = examples.filter(lambda e: e.pair.subset and e.pair.group)


@given(st.lists(named, max_size=5))
@settings(deadline=None)
def test_examples_come_back_as_they_were(tmp_path_factory, listed):
    path = tmp_path_factory.mktemp("examples") / "train.jsonl"
    write(path, listed)
    assert list(read(path)) == listed


def test_a_line_has_no_more_than_it_needs(tmp_path):
    write(tmp_path / "train.jsonl", [example(3, domain="math")])
    assert json.loads((tmp_path / "train.jsonl").read_text()) == {
        "id": "mine-train-3",
        "prompt": [{"role": "user", "content": "question 3"}],
        "chosen": "good",
        "rejected": "bad",
        "chosen_first": False,
        "tags": {"source": "mine", "row_id": "mine.jsonl:3", "domain": "math"},
    }


def test_a_gzipped_file_is_written_and_read(tmp_path):
    path = tmp_path / "train.jsonl.gz"
    write(path, map(example, range(5)))
    assert list(read(path)) == list(map(example, range(5)))


def test_a_file_is_there_only_when_it_is_whole(tmp_path):
    def broken():
        yield example()
        raise BadInput("x", "is broken")

    with pytest.raises(BadInput, match="is broken"):
        write(tmp_path / "train.jsonl", broken())
    assert not (tmp_path / "train.jsonl").exists()


def test_examples_are_read_one_by_one(tmp_path):
    path = tmp_path / "train.jsonl"
    write(path, [example()])
    with path.open("a") as file:
        file.write("broken\n")
    found = read(path)
    assert next(found) == example()
    with pytest.raises(BadInput, match="row 2"):
        next(found)


@pytest.mark.parametrize(
    ("line", "field", "says"),
    [
        (b'{"id": "x"', None, "not JSON"),
        (b'{"id": "\xff"}', None, "not JSON: byte 0xff is not UTF-8"),
        (b"[1]", None, "expected 'object'"),
        (b'{"id": 3}', "id", "expected 'str', got 'int'"),
        (b'{"id": "x", "prompt": []}', "chosen", "is missing"),
        (b'{"prompt": [{"role": "tool", "content": ""}]}', "prompt[0].role", "invalid enum value"),
        (b'{"prompt": [{"role": "user"}]}', "prompt[0].content", "is missing"),
    ],
)
def test_a_bad_line_is_named_with_row_and_field(tmp_path, line, field, says):
    path = tmp_path / "train.jsonl"
    write(path, [example()])
    path.write_bytes(path.read_bytes() + line + b"\n" + path.read_bytes())
    with pytest.raises(BadInput) as caught:
        list(read(path))
    error = caught.value
    assert (error.path, error.row, error.field) == (str(path), 2, field)
    assert says in str(error)
    assert "\n" not in str(error)
    with skipping() as skipped:
        assert list(read(path)) == [example(), example()]
    assert [str(e) for e in skipped] == [str(error)]


def test_a_missing_file_gets_one_sentence(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        list(read(tmp_path / "none.jsonl"))


@given(named)
@settings(deadline=None)
def test_a_row_is_an_example_and_back(one):
    assert to_example(to_row(one)) == one
