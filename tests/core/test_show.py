from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from rmr1_core import EvalProtocol, Metric, Report, Scores, recipes, runs, show
from rmr1_core.values import Missing, StageResult, Validity

FACTS = Validity(
    judgments=200,
    unparsed=3,
    truncated=1,
    ties=2,
    prompt_too_long=1,
    pairs_in_both_orders=80,
    flipped=10,
    prompt_tokens=1000,
    completion_tokens=500,
)


def metric(name: str, value: float, n: int = 100) -> Metric:
    return Metric(name=name, value=value, n=n, low=value - 0.05, high=value + 0.05)


REPORT = Report(
    benchmark="rm-bench",
    scoring="strict",
    scores=Scores(
        headline=metric("total", 0.725),
        metrics=(metric("hard [red]", 0.5, 40), metric("code/hard", 0.25, 10)),
        notes=("[[A]] and [/b] are :smile: words",),
    ),
    validity=FACTS,
    alternatives={"as-published": Scores(headline=metric("total", 0.75))},
)
PARTIAL = msgspec.structs.replace(REPORT, missing=(Missing(subset="chat", have=1, expected=9),))


def printed(capsys: pytest.CaptureFixture[str], *reports: Report, every: bool = False) -> str:
    show.print_reports(reports, every=every)
    return capsys.readouterr().out


def test_every_number_stands_beside_its_n_and_its_interval(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = printed(capsys, REPORT, REPORT)
    assert text.startswith("rm-bench, strict scoring\n")
    line = text.splitlines()[-2]
    for word in ("rm-bench", "72.5", "67.5 to 77.5", "100", "1.5", "12.5", "strict"):
        assert word in line, word
    assert "partial" not in line


def test_one_report_needs_no_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, REPORT).count("67.5 to 77.5") == 1


def test_a_partial_score_is_marked_and_says_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = printed(capsys, PARTIAL, REPORT)
    assert text.startswith("rm-bench (partial), strict scoring; partial: chat 1 of 9\n")
    assert "rm-bench (partial)" in text
    assert "rm-bench is partial: chat 1 of 9" in text


def test_tables_fit_a_terminal_of_80_columns() -> None:
    console = Console(width=80, file=io.StringIO())
    many = [msgspec.structs.replace(PARTIAL, benchmark="rewardbench"), REPORT]
    results = [StageResult(variant="", stage="distillate", reports=(REPORT,))]
    for table in (show.summary_table(many), show.results_table(results)):
        console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert text.count("67.5 to 77.5") == 3


def test_the_other_rules_stand_beside_the_chosen_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert "as-published: total" in printed(capsys, REPORT)


def test_the_finest_metrics_are_shown_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert "code/hard" not in printed(capsys, REPORT)
    assert "code/hard" in printed(capsys, REPORT, every=True)


def test_brackets_and_colons_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, REPORT)
    assert "hard [red]" in text
    assert "note: [[A]] and [/b] are :smile: words" in text


def test_the_validity_line_says_what_one_must_know() -> None:
    assert show.validity_line(FACTS) == (
        "200 judgments, 1.5 % unparsed, 0.5 % truncated, 1 prompts too long, 2 ties, "
        "12.5 % of 80 pairs flip with the order, 2 tokens per answer"
    )


def test_the_validity_line_says_how_long_answers_are_and_what_they_cost() -> None:
    facts = msgspec.structs.replace(
        FACTS,
        completion_tokens_p50=2,
        completion_tokens_p95=9,
        prompt_tokens=1000,
        cached_tokens=250,
        cost=1.234,
    )
    assert show.validity_line(facts).endswith(
        "2 tokens per answer (median 2, 95 % within 9), "
        "25.0 % of the prompts from the prefix cache, 1.23 USD"
    )


def test_answers_that_were_scored_once_are_said_to_be_not_read_again() -> None:
    scored = {"completion_tokens": 0, "prompt_tokens": 1000, "cached_tokens": 500}
    line = show.validity_line(msgspec.structs.replace(FACTS, **scored))
    assert line.endswith("50.0 % of the prompts not read again")
    assert "prefix cache" not in line


def test_without_both_orders_nothing_is_said_of_flips() -> None:
    facts = msgspec.structs.replace(FACTS, pairs_in_both_orders=0, flipped=0)
    assert "flip" not in show.validity_line(facts)


def test_json_has_what_is_worked_out() -> None:
    (plain,) = show.plain_reports([PARTIAL])
    assert plain["partial"] is True
    assert plain["validity"]["flip_rate"] == 0.125
    assert plain["missing"] == ({"subset": "chat", "have": 1, "expected": 9},)
    assert msgspec.json.decode(msgspec.json.encode(plain))["benchmark"] == "rm-bench"


@pytest.mark.parametrize(
    ("share", "text"), [(0.725, "72.5"), (1, "100.0"), (0, "0.0"), (None, "-")]
)
def test_shares_are_printed_in_percent(share: float | None, text: str) -> None:
    assert show.percent(share) == text


def test_wide_tables_are_not_cut_when_they_are_piped(capsys: pytest.CaptureFixture[str]) -> None:
    show.print_table(("a", "b"), [("x" * 60, "y" * 60)])
    assert "x" * 60 in capsys.readouterr().out


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        (EvalProtocol(), "greedy answers, order both"),
        (EvalProtocol(order="random"), "greedy answers, order random"),
        (
            EvalProtocol(temperature=0.7, samples=5, order="balanced"),
            "answers at temperature 0.7, the majority of 5, order balanced",
        ),
    ],
)
def test_a_table_of_training_says_how_its_scores_were_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], protocol: EvalProtocol, words: str
) -> None:
    recipe = msgspec.structs.replace(
        recipes.choose("sample"), evaluation=protocol, sampled_evaluation=EvalProtocol()
    )
    runs.write_record(tmp_path, runs.new_record(tmp_path, "run", recipe=recipe))
    result = StageResult(variant="", stage="before", reports=(REPORT,), sampled=(PARTIAL,))
    show.print_results([result], tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert f"score: {words}" in lines
    assert "sampled: greedy answers, order both" in lines
