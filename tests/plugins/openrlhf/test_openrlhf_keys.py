"""What releases call their flags, and who is told when one is not known."""

from __future__ import annotations

import msgspec
import pytest
from openrlhf_stages import TRAINER, stage_task

from rmr1_core.errors import BadOption
from rmr1_openrlhf.inside import keys


def words(release: str, **options: object) -> list[str]:
    return list(msgspec.structs.replace(TRAINER, release=release, **options).flags(stage_task()))


def test_every_release_has_a_name_for_every_option():
    tables = list(keys.NAMES.values())
    assert all(table.keys() == tables[0].keys() for table in tables)
    assert all(len(set(table.values())) == len(table) for table in tables)


@pytest.mark.parametrize(
    ("release", "rate", "dtype"),
    [
        ("0.8.11", "--learning_rate", "--bf16"),
        ("0.9.1.post1", "--learning_rate", "--bf16"),
        ("0.9.2", "--learning_rate", "--param_dtype"),
        ("0.10.1.post2", "--learning_rate", "--param_dtype"),
        ("0.10.2", "--adam.lr", "--ds.param_dtype"),
        ("0.11.2", "--adam.lr", "--ds.param_dtype"),
        ("1.0", "--adam.lr", "--ds.param_dtype"),
    ],
)
def test_a_release_gets_its_own_names(release, rate, dtype):
    flags = words(release)
    assert flags[flags.index(rate) + 1] == "5e-06"
    after = flags[flags.index(dtype) + 1]
    assert (after == "bf16") == (dtype != "--bf16")


def test_names_of_one_release_are_not_in_another():
    old = {word for word in words("0.10.1") if word.startswith("--")}
    new = {word for word in words("0.10.2") if word.startswith("--")}
    assert old & new == {"--lr_scheduler", "--lr_warmup_ratio"}


def test_a_release_before_the_table_is_refused():
    with pytest.raises(
        BadOption, match=r"openrlhf '0\.8\.5' is none of the releases from 0\.8\.11"
    ):
        words("0.8.5")


def test_a_release_that_is_no_number_is_refused():
    with pytest.raises(BadOption, match="'latest' is none of the releases"):
        words("latest")


def test_what_was_given_is_found_in_both_spellings():
    assert keys.given("packing", ["--ds.packing_samples"], "0.11.2") == ""
    assert keys.given("max_length", ["--data.max_len", "7"], "0.11.2") == "7"
    assert keys.given("max_length", ["--data.max_len=7"], "0.11.2") == "7"
    assert keys.given("max_length", ["--max_len", "7"], "0.11.2") == ""


def test_a_renamed_flag_is_known_by_its_old_name():
    assert keys.renamed("--l2", "0.11.2") == "--adam.weight_decay"
    assert keys.renamed("--adam.weight_decay", "0.9.3") == "--l2"
    assert keys.renamed("--no_such", "0.11.2") == ""
