from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
JUDGE = ("--backbone", "nobody", "--engine", "scripted")


@pytest.fixture
def two(cli: Cli) -> tuple[str, str]:
    """Two runs whose judge was asked in other words, and says other things: their ids."""
    for greeting in ("", "hello "):
        cli("bench", "sample-one", *JUDGE, "-o", f"prompt.greeting={greeting}")
    first, second = sorted(Path("runs").iterdir())
    return first.name, second.name


def test_two_runs_are_compared_in_a_table_and_a_sentence(cli: Cli, two: tuple[str, str]) -> None:
    done = cli("compare", *two)
    assert done.code == 0, done.err
    assert f"A: {two[0]} (baseline, nobody, plain" in done.out
    assert "sample-one, strict scoring: 12 pairs of 6 prompts" in done.out
    assert "95 % interval" in done.out
    assert re.search(
        r"sample-one \(accuracy\): no difference can be told \(B .* points, .*; p = .* after "
        r"correction over 2 tests\); one of .* points or more would have been seen with 80 % power",
        done.out,
    )


def test_two_runs_that_were_asked_other_prompts_say_so(cli: Cli, two: tuple[str, str]) -> None:
    note = "A and B were not judged alike: other prompts on sample-one"
    assert note in cli("compare", *two).out
    cli("bench", "sample-one", *JUDGE)
    assert "not judged alike" not in cli("compare", two[0], "last").out


def test_a_comparison_is_json_with_its_sentences(cli: Cli, two: tuple[str, str]) -> None:
    found = cli("compare", *two, "--json").json
    assert [side["run"] for side in found["sides"]] == list(two)
    (made,) = found["compared"][0]["benchmarks"]
    assert made["sentence"].startswith("sample-one (accuracy): ")
    assert made["pairs"]["partial"] is False
    assert {"gained", "lost", "p", "corrected_p"} <= set(made["flips"])


def test_a_comparison_is_markdown_that_shows_names_as_they_are(
    cli: Cli, two: tuple[str, str]
) -> None:
    done = cli("compare", *two, "--markdown", "--flips", "1")
    assert done.code == 0
    assert "| metric | A | B | difference |" in done.out
    assert "|---|---:|" in done.out
    assert re.search(r"^- (gained|lost) \[pair-\d+\]\(http://127.0.0.1:8000/#", done.out, re.M)


def test_a_gate_ends_with_1_after_the_comparison_was_printed(
    cli: Cli, two: tuple[str, str]
) -> None:
    assert cli("compare", *two, "--fail-below", "100").code == 0
    done = cli("compare", *two, "--fail-below", "0", "--json")
    assert done.code == 1
    assert done.json["tests"] == 2
    assert re.match(
        r"error: sample-one: B may be worse than A by [\d.]+ points \(allowed: 0\); "
        r"see the pairs with: rmr1 view runs/",
        done.err,
    )


def test_a_gate_of_no_number_is_refused(cli: Cli, two: tuple[str, str]) -> None:
    """Nothing is above NaN: the gate would be open, whatever came."""
    refused = cli("compare", *two, "--fail-below", "nan")
    assert (refused.code, refused.out) == (2, "")
    assert "--fail-below" in refused.err


def test_a_training_run_alone_is_compared_with_itself_before_training(cli: Cli) -> None:
    assert cli("run", "--recipe", "sample").code == 0
    done = cli("compare", "last")
    assert done.code == 0, done.err
    assert re.search(
        r"^A: .*:before \(baseline, nobody, recipe sample, before training\)", done.out
    )
    assert "C: " in done.out
    assert cli("compare", "last:second", "last:before", "--json").code == 0


def test_what_excludes_one_another_is_refused(cli: Cli, two: tuple[str, str]) -> None:
    done = cli("compare", *two, "--all", "--headlines")
    assert done.code == 2
    assert "--all and --headlines exclude one another" in done.err
