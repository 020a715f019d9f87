from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
JUDGE = ("--backbone", "nobody", "--engine", "scripted")


def test_help_with_an_engine_shows_its_options(cli: Cli) -> None:
    shown = cli("bench", "--engine", "scripted", "--help").out
    own, _, of_engine = shown.partition("Options of engine scripted:")
    assert "--crash-after" in of_engine
    assert "--crash-after" not in own
    assert "time per request" in of_engine.replace("\n", " ").lower()


@pytest.mark.parametrize("typed", [("--engine=scripted",), ("--engine", "scripted")])
def test_an_option_of_the_engine_is_a_flag(cli: Cli, typed: tuple[str, ...]) -> None:
    done = cli("bench", "sample-one", "--backbone", "nobody", *typed, "--crash-after", "3")
    assert (done.code, done.err.splitlines()[-1]) == (1, "error: the script says: crash")


def test_of_two_engines_the_flags_are_those_of_the_last_which_judges(cli: Cli) -> None:
    twice = ("--engine", "replay:nowhere", "--engine", "scripted")
    done = cli("bench", "sample-one", "--backbone", "nobody", *twice, "--crash-after", "3")
    assert (done.code, done.err.splitlines()[-1]) == (1, "error: the script says: crash")


def test_without_a_word_bench_says_what_it_needs(cli: Cli) -> None:
    done = cli("bench")
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("error: ")


def test_a_flag_and_a_setting_say_the_same(cli: Cli, tmp_path: Path) -> None:
    cli("bench", "sample-one", *JUDGE, "--log", str(tmp_path / "log"))
    by_flag = cli("runs", "show", "last", "--json").json["record"]["engine"]
    cli("bench", "sample-one", *JUDGE, "-o", f"engine.log={tmp_path / 'log'}")
    assert cli("runs", "show", "last", "--json").json["record"]["engine"] == by_flag
    assert by_flag["options"] == {"log": str(tmp_path / "log")}


def test_a_misspelt_flag_of_an_engine_is_guessed(cli: Cli) -> None:
    done = cli("bench", "sample-one", *JUDGE, "--crash-aftr", "3")
    assert done.code == 2
    assert "did you mean '--crash-after'?" in done.err


def test_a_flag_that_does_not_fit_is_refused_with_the_option_that_it_sets(cli: Cli) -> None:
    done = cli("bench", "sample-one", *JUDGE, "--crash-after", "soon")
    assert done.code == 2
    assert "option 'crash_after': expected int" in done.err


def test_a_flag_of_another_engine_is_no_flag(cli: Cli) -> None:
    done = cli("bench", "sample-one", *JUDGE, "--max-context", "3")
    assert done.code == 2
    assert "no such option '--max-context'" in done.err


def test_the_flag_of_an_engine_is_refused_with_resume(cli: Cli) -> None:
    cli("bench", "sample-one", *JUDGE)
    done = cli("bench", "--resume", "last", "--engine", "scripted", "--seconds", "1")
    assert done.code == 2
    assert "leave out --" in done.err


def test_an_unknown_engine_is_named_as_such_and_not_its_flags(cli: Cli) -> None:
    done = cli("bench", "sample-one", "--backbone", "nobody", "--engine", "scriptd")
    assert done.code == 2
    assert "no engine named 'scriptd'; did you mean 'scripted'?" in done.err
