from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Cli = Callable[..., Any]
JUDGE = ("sample-one", "--backbone", "nobody", "--engine", "scripted")


def test_repeating_says_what_the_engine_alone_changes(cli: Cli) -> None:
    done = cli("bench", *JUDGE, "--repeat", "3", "-o", "engine.drift=4")
    assert done.code == 0
    assert "sample-one: asked 3 times: " in done.out
    assert "the engine's own nondeterminism moves accuracy by ±" in done.out
    assert "sample of pairs" in done.out
    assert "judging sample-one (repeats/3)" in done.err
    shown = cli("runs", "show", "last")
    assert "asked 3 times" in shown.out
    (repeated,) = cli("runs", "show", "last", "--json").json["repeated"]
    assert repeated["passes"] == 3
    assert len(repeated["spreads"][0]["values"]) == 3
    again = cli("bench", "--resume", "last", "--json").json
    assert again["repeated"] == [repeated]


def test_a_run_that_is_asked_once_says_nothing_of_repeating(cli: Cli) -> None:
    assert "asked" not in cli("bench", *JUDGE).out
    assert cli("runs", "show", "last", "--json").json["repeated"] == []


def test_a_run_shows_the_hashes_of_what_it_asked(cli: Cli) -> None:
    cli("bench", *JUDGE)
    shown = cli("runs", "show", "last")
    hashes = cli("runs", "show", "last", "--json").json["fingerprints"]["sample-one"]
    assert f"  asked     sample-one: prompts {hashes['prompts'][:16]}, with" in shown.out
    assert hashes["count"] == 24


def test_a_dry_run_counts_all_passes(cli: Cli) -> None:
    done = cli("bench", *JUDGE, "--repeat", "3", "--dry-run")
    assert "72" in done.out
    assert "in 3 passes, which all ask the same" in done.out
    assert cli("bench", *JUDGE, "--repeat", "3", "--dry-run", "--json").json[0]["requests"] == 72


def test_a_plan_counts_all_passes(cli: Cli) -> None:
    once, thrice = (
        cli("bench", *JUDGE, "--repeat", count, "--plan", "--json").json for count in ("1", "3")
    )
    for field in ("requests", "prompt_tokens", "answer_tokens"):
        assert thrice["together"][field] == 3 * once["together"][field]
    assert thrice["benchmarks"][0]["detectable"] == once["benchmarks"][0]["detectable"]


def test_repeating_no_times_is_refused(cli: Cli) -> None:
    assert cli("bench", *JUDGE, "--repeat", "0").code == 2


def test_a_repeated_run_is_replayed(cli: Cli) -> None:
    first = cli("bench", *JUDGE, "--repeat", "2", "-o", "engine.drift=4", "--json").json
    replayed = cli(
        *("bench", "sample-one", "--prompt", "plain", "--repeat", "2", "--json"),
        *("--engine", f"replay:{Path(first['folder'])}"),
    ).json
    assert replayed["reports"][0]["scores"] == first["reports"][0]["scores"]
    assert replayed["repeated"][0]["same_text"] == 24
