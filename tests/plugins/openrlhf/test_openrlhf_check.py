"""A release's own parser is asked: here of releases that are a parser and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from rmr1_openrlhf.inside import check

PROGRAM = """
    import argparse
    from datetime import datetime

    from openrlhf.datasets import SFTDataset
    from openrlhf.models import Actor

    if __name__ == "__main__":
        parser = argparse.ArgumentParser()
        {flags}
        args = parser.parse_args()
        raise SystemExit("it trained")
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install an OpenRLHF whose trainer has these flags."""

    def install(release: str, **flags: str) -> None:
        folder = tmp_path / "openrlhf" / "cli"
        folder.mkdir(parents=True)
        lines = [f'parser.add_argument("--{name.replace("__", ".")}", {how})'
                 for name, how in flags.items()]  # fmt: skip
        (folder / "train_sft.py").write_text(dedent(PROGRAM.format(flags="\n        ".join(lines))))
        info = tmp_path / f"openrlhf-{release}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: openrlhf\nVersion: {release}\n"
        )
        (info / "RECORD").write_text("openrlhf/cli/train_sft.py,,\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


@pytest.fixture
def today(installed):
    installed(
        "0.11.2",
        adam__lr="type=float",
        data__max_len="type=int",
        ds__packing_samples='action="store_true"',
        optim='choices=["adam", "muon"]',
    )


def test_flags_that_it_knows_are_taken(today):
    assert check.wrong(["--adam.lr", "1e-5", "--ds.packing_samples", "--optim=muon"]) == ""


def test_an_earlier_name_is_given_its_present_one(today):
    assert check.wrong(["--learning_rate", "1"]) == (
        "OpenRLHF 0.11.2 has no flag --learning_rate; it calls that --adam.lr"
    )


def test_of_a_flag_that_is_none_the_nearest_is_named(today):
    assert check.wrong(["--data.max_length", "1"]) == (
        "OpenRLHF 0.11.2 has no flag --data.max_length; did you mean --data.max_len?"
    )
    assert check.wrong(["--packing_sample"]).endswith("did you mean --ds.packing_samples?")
    assert check.wrong(["--nothing.like.it"]) == "OpenRLHF 0.11.2 has no flag --nothing.like.it"


def test_a_beginning_of_a_flag_is_not_that_flag(today):
    assert check.wrong(["--data.max", "1"]).startswith("OpenRLHF 0.11.2 has no flag --data.max")


def test_a_later_name_is_given_its_name_in_an_earlier_release(installed):
    installed("0.9.10", learning_rate="type=float")
    assert check.wrong(["--adam.lr", "1"]) == (
        "OpenRLHF 0.9.10 has no flag --adam.lr; it calls that --learning_rate"
    )


def test_a_value_that_does_not_fit_is_named(today):
    assert check.wrong(["--adam.lr", "fast"]) == (
        "OpenRLHF 0.11.2: argument --adam.lr: invalid float value: 'fast'"
    )
    assert "invalid choice: 'sgd'" in check.wrong(["--optim", "sgd"])


def test_a_word_too_many_is_named(today):
    assert check.wrong(["--adam.lr", "1", "2"]) == "OpenRLHF 0.11.2 does not know what '2' is for"


def test_asking_leaves_no_trace(today):
    check.wrong([])
    import argparse

    assert argparse.ArgumentParser.parse_args.__module__ == "argparse"
    assert not [name for name in sys.modules if name.partition(".")[0] == "openrlhf"]


def test_the_step_of_a_job_ends_with_one_sentence(today, capsys):
    assert check.run("--l2", "0") == 2
    assert capsys.readouterr().err == "UsageError: OpenRLHF 0.11.2 has no flag --l2\n"
    assert check.run("--adam.lr", "1") == 0


def test_who_asks_is_told(today, capsys):
    assert check.run("--tell", "--adam.lr", "1") == 0
    assert check.run("--tell", "--adam.lr", "x") == 0
    assert [line[:15] for line in capsys.readouterr().out.splitlines()] == [
        "told: ",
        "told: OpenRLHF ",
    ]


def test_a_program_that_parses_nothing_is_not_guessed_at(installed, tmp_path: Path):
    installed("9.0")
    (tmp_path / "openrlhf/cli/train_sft.py").write_text("")
    with pytest.raises(RuntimeError, match="parses no command line; this release is not known"):
        check.wrong([])
