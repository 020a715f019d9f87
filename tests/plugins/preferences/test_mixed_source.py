"""What `rmr1 data` wrote, read as it was."""

from __future__ import annotations

import pytest
from preference_rows import source

from rmr1_core import Example
from rmr1_core.datafiles import skipping
from rmr1_core.errors import BadInput, UsageError
from rmr1_core.examples_file import write
from rmr1_core.testing import example_pair

EXAMPLES = [
    Example(pair=example_pair(n), chosen_first=n % 3 == 0, trace=f"<answer>[[A]]</answer> {n}")
    for n in range(7)
]


def read(path, split="train"):
    return list(source(path, "mixed").examples(split, seed=5))


@pytest.mark.parametrize("name", ["train.jsonl", "train.jsonl.gz"])
def test_a_folder_is_read_with_everything_as_it_was(tmp_path, name):
    write(tmp_path / name, EXAMPLES)
    assert read(tmp_path) == read(tmp_path / name) == EXAMPLES


def test_other_splits_are_other_files(tmp_path):
    write(tmp_path / "train.jsonl", EXAMPLES)
    write(tmp_path / "test.jsonl", EXAMPLES[:2])
    assert read(tmp_path, "test") == EXAMPLES[:2]
    with pytest.raises(UsageError, match=r"no file other\.jsonl"):
        source(tmp_path, "mixed").check_split("other")
    with pytest.raises(UsageError, match="the split 'train'"):
        read(tmp_path / "train.jsonl", "test")


@pytest.mark.parametrize(
    ("name", "says"), [("none", "no such file or folder"), ("", "mixed:FOLDER")]
)
def test_what_is_not_there_gets_one_sentence(tmp_path, name, says):
    with pytest.raises(UsageError, match=says):
        read(tmp_path / name if name else "")


def test_a_bad_line_is_named_and_can_be_skipped(tmp_path):
    write(tmp_path / "train.jsonl", EXAMPLES)
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write('{"id": "x", "prompt": "no list"}\n')
    with pytest.raises(BadInput, match="row 8, field 'prompt'"):
        read(tmp_path)
    with skipping() as skipped:
        assert read(tmp_path) == EXAMPLES
    assert len(skipped) == 1
