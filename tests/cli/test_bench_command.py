from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
JUDGE = ("--backbone", "nobody", "--engine", "scripted")


def runs_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("runs/*-bench-*"))


def test_a_benchmark_is_judged_and_reported(cli: Cli) -> None:
    done = cli("bench", "sample-one", *JUDGE)
    assert done.code == 0
    for word in ("sample-one", "accuracy", "95 % interval", "24 judgments", "unparsed", "flip"):
        assert word in done.out
    assert "run runs/" in done.err
    assert "(partial)" not in done.out


def test_json_stands_alone_on_standard_output(cli: Cli) -> None:
    done = cli("bench", "sample-one", "sample-two", *JUDGE, "--json")
    assert [report["benchmark"] for report in done.json["reports"]] == ["sample-one", "sample-two"]
    (report, _) = done.json["reports"]
    assert report["partial"] is False
    assert 0 <= report["validity"]["flip_rate"] <= 1
    assert report["scores"]["headline"]["n"] == 12
    assert Path(done.json["folder"]).name == done.json["run"]


def test_json_stands_alone_in_a_process_of_its_own(
    sample: None, rmr1: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = rmr1("bench", "sample-one", *JUDGE, "--json", "-o", "engine.crash_after=3")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "error: the script says: crash"
    assert "Traceback" not in done.stderr


def test_a_limited_run_is_marked_partial_everywhere(cli: Cli) -> None:
    table = cli("bench", "sample-one", *JUDGE, "--limit", "4").out
    assert "(partial)" in table
    assert "partial: easy 2 of 6, hard 2 of 6" in table
    shown = cli("runs", "show", "last")
    assert "(partial)" in shown.out
    assert "easy 2 of 6" in shown.out
    assert cli("runs", "show", "last", "--json").json["reports"][0]["partial"] is True
    assert "(partial)" in cli("runs", "rescore", "last").out
    assert cli("runs", "rescore", "last", "--json").json[0]["partial"] is True
    assert cli("bench", "--resume", "last", "--json").json["reports"][0]["partial"] is True


def test_incomplete_data_needs_a_word(cli: Cli) -> None:
    asked = ("bench", "sample-one", *JUDGE, "-o", "benchmark.sample-one.size=6")
    refused = cli(*asked)
    assert refused.code == 2
    assert refused.out == ""
    assert refused.err == (
        "error: sample-one: the data is incomplete: easy 3 of 6, hard 3 of 6; "
        "score it all the same, marked as partial, with --allow-partial\n"
    )
    assert "(partial)" in cli(*asked, "--allow-partial").out


def test_failed_requests_end_with_how_to_go_on(cli: Cli) -> None:
    done = cli("bench", "sample-one", *JUDGE, "-o", "engine.fail=good 5")
    (folder,) = runs_in(Path())
    assert done.code == 1
    assert done.out == ""
    assert done.err.splitlines()[-1] == (
        "error: 2 requests failed (the first: the script says: fail); what was done is kept; "
        f"ask them again with: --resume {folder.name}"
    )
    shown = cli("runs", "show", "last")
    assert "incomplete" in shown.out
    assert f"no results yet; go on with: rmr1 bench --resume {folder.name}" in shown.out
    assert "accuracy" not in shown.out
    rescored = cli("runs", "rescore", "last")
    assert (rescored.code, rescored.out) == (2, "")


def test_an_interrupted_run_ends_with_130_and_how_to_go_on(cli: Cli) -> None:
    done = cli("bench", "sample-one", *JUDGE, "-o", "engine.interrupt_after=3")
    assert done.code == 130
    assert done.err.splitlines()[-1].endswith(
        "what was done is kept, go on with: rmr1 bench --resume last"
    )
    assert cli("runs", "list", "--json").json[0]["status"] == "interrupted"
    assert cli("bench", "--resume", "last").code == 130
    (folder,) = runs_in(Path())
    assert (folder / "evaluation" / "judgments.jsonl").read_bytes().count(b"\n") == 6


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("sample-one",), "say who judges with --backbone"),
        ((), "name a benchmark; see: rmr1 list benchmarks"),
        (("sample-ome", *JUDGE), "no benchmark named 'sample-ome'; did you mean 'sample-one'?"),
        (("sample-one", "sample-one", *JUDGE), "a benchmark is named twice"),
        (("sample-one", *JUDGE, "--engine", "scriptd"), "did you mean 'scripted'?"),
        (("sample-one", *JUDGE, "-o", "engine.logg=x"), "no option 'logg'; its options: crash_"),
        (("sample-one", *JUDGE, "-o", "engine.seconds=x"), "option 'seconds': expected float"),
        (("sample-one", *JUDGE, "-o", "seconds=1"), "write it as KIND.OPTION=VALUE"),
        (("sample-one", *JUDGE, "-o", "motor.seconds=1"), "no kind named 'motor'; there are"),
        (("sample-one", *JUDGE, "-o", "trainer.steps=1"), "rmr1 bench uses no such component"),
        (("sample-one", *JUDGE, "-o", "benchmark.size=1"), "benchmark.NAME.OPTION=VALUE"),
        (
            ("sample-one", *JUDGE, "-o", "benchmark.sampel.size=1"),
            "no benchmark 'sampel' is used",
        ),
        (("sample-one", "-o", "backbone.family=x", *JUDGE[2:]), "whose options these are"),
        (("sample-one", *JUDGE, "-n", "2", "--temperature", "0"), "leave out one of them"),
        (("sample-one", *JUDGE, "--data", "no-such"), "--data no-such: no such file or folder"),
        (("sample-one", *JUDGE, "--data", "sample-two=."), "no benchmark 'sample-two' is used"),
        (("sample-one", *JUDGE, "--data", ".", "--data", "."), "given twice for all benchmarks"),
        (("sample-one", *JUDGE, "--scoring", "lenent"), "did you mean 'lenient'?"),
        (("sample-one", *JUDGE, "--prompt", "file:no-such"), "no-such"),
        (("sample-one", *JUDGE, "--parser", "no-such"), "option 'parser': "),
    ],
)
def test_what_cannot_work_is_one_sentence_and_leaves_nothing(
    cli: Cli, args: tuple[str, ...], error: str
) -> None:
    done = cli("bench", *args)
    assert (done.code, done.out) == (2, "")
    assert error in done.err
    assert done.err.startswith("error: ")
    assert len(done.err.splitlines()) == 1
    assert runs_in(Path()) == []


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("--limt", "3"), "did you mean"),
        (("--order", "bothe"), "'bothe' is not one of 'both', 'balanced', 'chosen-first'"),
        (("--limit", "0"), "0 is not in the range x>=1"),
        (("-n", "x"), "'x' is not a valid integer"),
        (("--temperature", "-1"), "range x>=0"),
        (("--top-p", "0"), "0<x<=1"),
    ],
)
def test_a_wrong_option_is_explained(cli: Cli, args: tuple[str, ...], error: str) -> None:
    done = cli("bench", "sample-one", *JUDGE, *args)
    assert done.code == 2
    assert error.lower() in done.err.lower()
    assert runs_in(Path()) == []


@pytest.mark.parametrize(
    "args",
    [
        ("sample-one",),
        ("--limit", "3"),
        ("-n", "1"),
        ("--engine", "scripted"),
        ("--dry-run",),
        ("--order", "both"),
        ("-o", "engine.seconds=1"),
    ],
)
def test_what_a_resumed_run_would_not_heed_is_refused(cli: Cli, args: tuple[str, ...]) -> None:
    cli("bench", "sample-one", *JUDGE)
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    done = cli("bench", "--resume", "last", *args)
    assert done.code == 2
    assert "--resume goes on with a run as it was; leave out" in done.err
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before


def test_a_dry_run_says_what_would_be_asked(cli: Cli) -> None:
    done = cli("bench", "sample-one", *JUDGE, "-n", "2", "--dry-run", "-o", "engine.log=log")
    assert done.code == 0
    assert done.out.split("The first prompt:")[0].split()[-4:] == ["sample-one", "12", "48", "48"]
    assert "--- user\nquestion 0 0\nA: bad 0\nB: good 0" in done.out
    assert list(Path().iterdir()) == []


def test_a_dry_run_in_json(cli: Cli) -> None:
    (plan,) = cli("bench", "sample-one", *JUDGE, "--dry-run", "--json").json
    assert (plan["pairs"], plan["judgments"], plan["requests"]) == (12, 24, 24)


def test_data_and_options_of_a_benchmark_go_by_its_name_with_or_without_plugin(cli: Cli) -> None:
    rows = Path("rows.jsonl")
    rows.write_text("".join(f'{{"number": {number}}}\n' for number in range(4)))
    for typed, named in (("sample/sample-one", "sample-one"), ("sample-one", "sample-one")):
        done = cli(
            *("bench", typed, *JUDGE, "--allow-partial", "--json"),
            *("--data", f"{named}=rows.jsonl", "-o", f"benchmark.{named}.prefix=mine"),
        )
        assert done.code == 0, done.err
        journal = Path(done.json["folder"], "evaluation", "judgments.jsonl").read_text()
        assert journal.count('"pair_id":"mine-') == 8


def test_bad_data_is_named_by_file_row_and_field(cli: Cli) -> None:
    Path("rows.jsonl").write_text('{"number": 1}\n{"number": "x"}\n')
    done = cli("bench", "sample-one", *JUDGE, "--data", "rows.jsonl")
    assert done.code == 2
    assert done.err.startswith("error: rows.jsonl, row 2, field 'number': ")
    assert runs_in(Path()) == []


def test_runs_are_kept_where_one_says(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("bench", "sample-one", *JUDGE, "--runs-dir", "here").code == 0
    monkeypatch.setenv("RMR1_RUNS", "there")
    assert cli("bench", "sample-one", *JUDGE).code == 0
    assert len(list(Path("here").iterdir())) == len(list(Path("there").iterdir())) == 1


def test_several_samples_are_drawn_at_temperature_one(cli: Cli) -> None:
    cli("bench", "sample-one", *JUDGE, "-n", "3")
    protocol = cli("runs", "show", "last", "--json").json["record"]["protocol"]
    assert (protocol["samples"], protocol["temperature"]) == (3, 1.0)


def test_a_full_disk_is_one_sentence_and_keeps_what_was_done(
    sample: None, rmr1: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    import sys

    limited = (
        "import resource, sys; from rmr1_core.cli import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2500, resource.RLIM_INFINITY)); main()"
    )
    args = ["bench", "sample-one", *JUDGE, "--runs-dir", str(tmp_path / "runs")]
    done = subprocess.run(
        [sys.executable, "-c", limited, *args], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "judgments.jsonl: File too large; what was written before is kept"
    )
    assert "Traceback" not in done.stderr
    resumed = rmr1("bench", "--resume", "last", "--json", "--runs-dir", str(tmp_path / "runs"))
    assert resumed.returncode == 0, resumed.stderr
    (journal,) = (tmp_path / "runs").glob("*/evaluation/judgments.jsonl")
    assert journal.read_bytes().count(b"\n") == 24


def test_a_plan_says_what_a_run_takes_and_sees_and_starts_none(cli: Cli) -> None:
    done = cli("bench", "sample-one", "sample-two", *JUDGE, "--plan")
    assert done.code == 0, done.err
    for word in ("sample-one", "together", "prompt tokens", "sees (points)", "80 % power"):
        assert word in done.out
    assert not Path("runs").exists()
    found = cli("bench", "sample-one", *JUDGE, "--plan", "--json").json
    assert found["together"]["requests"] == 24
    assert 0 < found["benchmarks"][0]["detectable"] <= 1


def test_votes_are_a_curve_of_accuracy_against_tokens(cli: Cli) -> None:
    done = cli("bench", "sample-one", *JUDGE, "-n", "3")
    assert "accuracy against tokens" in done.out
    assert "even split is a tie" in done.out
    (curve,) = cli("runs", "show", "last", "--json").json["curves"]
    assert [point["at"] for point in curve["points"]] == [1, 2, 3]
    assert cli("bench", "--resume", "last", "--json").json["curves"] == [curve]


def test_a_vote_ends_early_where_it_is_settled(cli: Cli) -> None:
    done = cli("bench", "sample-one", *JUDGE, "-n", "9", "--adaptive", "1")
    assert "Every vote ended as all 9 samples would have." in done.out
    assert "% of the tokens saved" in cli("runs", "show", "last").out
    full = cli("bench", "sample-one", *JUDGE, "-n", "9", "--json").json["reports"]
    early = cli("runs", "show", runs_in(Path())[0].name, "--json").json
    assert early["reports"][0]["scores"] == full[0]["scores"]
    assert 0 < early["savings"][0]["saved"] < 1
    assert cli("runs", "rescore", runs_in(Path())[0].name, "--scoring", "lenient").code == 0


def test_a_vote_of_one_cannot_end_early(cli: Cli) -> None:
    done = cli("bench", "sample-one", *JUDGE, "--adaptive", "0.9")
    assert done.code == 2
    assert "add -n 16" in done.err


def test_budgets_are_a_curve_and_another_pass(cli: Cli) -> None:
    planned = cli("bench", "sample-one", *JUDGE, "--budget", "64, 16", "--dry-run")
    assert "at most 48 answers are cut at the budgets" in planned.out
    done = cli("bench", "sample-one", *JUDGE, "--budget", "64, 16")
    assert "tokens of reasoning" in done.out
    (curve,) = cli("runs", "show", "last", "--json").json["curves"]
    assert [point["at"] for point in curve["points"]] == [16, 64, None]
    (folder,) = runs_in(Path())
    assert (folder / "evaluation" / "budgets" / "16" / "judgments.jsonl").exists()
    replayed = cli("bench", "sample-one", "--engine", f"replay:{folder}", "--json").json
    resumed = cli("bench", "--resume", folder.name, "--json").json
    assert replayed["reports"][0]["scores"] == resumed["reports"][0]["scores"]
    assert cli("bench", "sample-one", *JUDGE, "--budget", "many").code == 2
    refused = cli("bench", "sample-one", "--engine", f"replay:{folder}", "--budget", "16")
    assert refused.code == 2
    assert "cannot go on with an answer that is cut" in refused.err
