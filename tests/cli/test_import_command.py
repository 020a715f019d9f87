"""`rmr1 import`, and what other commands do with such a run."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
SECOND = "Is_Chosen_Answer_Shuffled_toPositionB"
CHAT = "Pairwise_set/Helpfulness/Chat/Discussion"


def talk(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def record(number: int, letter: str) -> dict[str, Any]:
    return {
        "pair_uid": str(number),
        "category_path": CHAT,
        "text_chosen": talk(f"q{number}", "good"),
        "text_rejected": talk(f"q{number}", "bad"),
        "results": int(letter == "A"),
        "answers": f"so <answer>[[{letter}]]</answer>",
        SECOND: False,
    }


@pytest.fixture
def log(cli: Run) -> Path:
    path = Path("logs.json").resolve()
    path.write_text(json.dumps([record(n, "AB"[n % 2]) for n in range(6)], indent=2))
    return path


def test_a_log_becomes_a_run_that_says_where_it_is_from(cli: Run, log: Path) -> None:
    done = cli("import", "logs.json", "--backbone", "somebody's judge")
    assert done.code == 0, done.err
    assert "verdicts: read again; 0 of 6 read otherwise by the log's own scorer" in done.out
    assert "tokens and truncation not known" in done.out
    shown = cli("runs", "show", "last").out
    assert "6 judgments in 1 file of the format rm-r1" in shown
    assert f"from {log}" in shown
    assert "somebody's judge" in shown
    facts = cli("runs", "show", "last", "--json").json["record"]
    assert facts["engine"] is None
    assert len(facts["imported"]["files"]["logs.json"]) == 64
    assert "import-somebody-s-judge" in cli("runs", "list").out


def test_an_imported_run_is_scored_again_and_compared(cli: Run, log: Path) -> None:
    cli("import", "logs.json", "--backbone", "one")
    records = json.loads(log.read_text())
    for each in records[:2]:
        each["answers"] = "[[B]]"
    log.write_text(json.dumps(records))
    cli("import", "logs.json", "--backbone", "two")
    again = cli("runs", "rescore", "last", "--parser", "rmr1-train", "--json").json
    assert again[0]["validity"]["unparsed"] == 2
    first, second = sorted(path.name for path in Path("runs").iterdir())
    compared = cli("compare", first, second, "--json")
    assert compared.code == 0, compared.err
    assert "rmb" in compared.out


def test_what_a_log_does_not_say_is_not_made_up(cli: Run, log: Path) -> None:
    cli("import", "logs.json", "--backbone", "rm-r1-qwen32b")
    assert cli("report", "last").code == 0
    (page,) = Path("runs").glob("*/report.html")
    text = page.read_text()
    assert "6 judgments in 1 file of the format rm-r1" in text
    assert "imported: how it was judged is not known" in text
    for unknown in ("truncated", "tokens p50, p95", "temperature 0"):
        assert unknown not in text
    assert cli("export", "last", "--to", "csv", "-o", "out.csv").code == 0
    header, row, *_ = (line.split(",") for line in Path("out.csv").read_text().splitlines())
    at = header.index("finish_reason") - len(header)
    assert row[at : at + 5] == [""] * 5


def test_an_imported_run_has_nothing_to_go_on_with(cli: Run, log: Path) -> None:
    cli("import", "logs.json")
    refused = cli("bench", "--resume", "last")
    assert refused.code == 2
    assert "was imported, and there is nothing to go on with" in refused.err


def test_a_broken_log_is_refused_and_its_whole_records_are_kept_on_request(
    cli: Run, log: Path
) -> None:
    log.write_text(log.read_text()[:-300])
    refused = cli("import", "logs.json")
    assert refused.code == 2
    assert "logs.json, row 6: not JSON: " in refused.err
    assert "at line " in refused.err
    assert refused.err.rstrip().endswith("keep the rest with --skip-bad")
    assert not Path("runs").exists()
    kept = cli("import", "logs.json", "--skip-bad", "--json")
    assert kept.code == 0, kept.err
    assert "1 rows were left out" in kept.err
    assert kept.json["imported"]["judgments"] == 5
    assert "row 6" in kept.json["imported"]["left_out"][0]
    assert "left out: 1, the first: logs.json, row 6" in cli("runs", "show", "last").out


def test_a_dry_run_writes_nothing(cli: Run, log: Path) -> None:
    done = cli("import", "logs.json", "--dry-run")
    assert done.code == 0, done.err
    assert "3 A, 3 B" in done.out
    plain = cli("import", "logs.json", "--dry-run", "--json").json
    assert plain["benchmarks"][0]["pairs"] == 6
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("nowhere",), "nowhere: no such file or folder; say where the logs are"),
        (("note.txt",), "holds no log of a known format; known are judgebench, rewardbench"),
        (("logs.json", "--from", "judgebench"), "holds no log of the format judgebench"),
        (("logs.json", "--from", "rmr1"), "no importer named 'rmr1'; did you mean 'rm-r1'?"),
        (("logs.json", "--scoring", "kind"), "no scoring of rmb (there is strict) named 'kind'"),
        (("logs.json", "--data", "rmb=gone"), "--data rmb=gone: no such file or folder"),
        (("scores.json", "--parser", "allenai"), "a notation of their own, or scores; name"),
    ],
)
def test_what_cannot_be_imported_is_said_in_a_sentence(
    cli: Run, log: Path, args: tuple[str, ...], problem: str
) -> None:
    Path("note.txt").write_text("nothing")
    Path("scores.json").write_text('{"results": [1], "subset": ["hep-go"]}')
    refused = cli("import", *args)
    assert refused.code == 2
    assert problem in refused.err
    assert refused.out == ""


def results_by_prompt(*results: float) -> dict[str, Any]:
    return {
        "text_chosen": [talk(f"q{n}", "good") for n in range(len(results))],
        "text_rejected": [talk(f"q{n}", "bad") for n in range(len(results))],
        "subset": ["hep-go"] * len(results),
        "results": results,
    }


def test_an_order_that_no_log_says_is_neither_drawn_nor_exported(cli: Run, log: Path) -> None:
    Path("gen.json").write_text(json.dumps(results_by_prompt(1, 0, 1)))
    assert cli("import", "gen.json").code == 0
    assert cli("report", "last").code == 0
    (page,) = Path("runs").glob("*/report.html")
    text = page.read_text()
    for unknown in ("says A", "accuracy by position", "Chosen answer as A", "and position"):
        assert unknown not in text
    assert "accuracy by difference in length" in text
    assert 'Names the <span class="wrong">rejected answer</span>' in text
    assert cli("export", "last", "--to", "csv", "-o", "out.csv").code == 0
    with Path("out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["chosen_first"] for row in rows] == [""] * 3
    assert [row["correct"] for row in rows] == ["true", "false", "true"]


def test_an_order_that_a_log_says_is_drawn_and_exported(cli: Run, log: Path) -> None:
    cli("import", "logs.json")
    cli("report", "last")
    (page,) = Path("runs").glob("*/report.html")
    text = page.read_text()
    assert "says A" in text
    assert "accuracy by position" in text
    cli("export", "last", "--to", "csv", "-o", "out.csv")
    with Path("out.csv").open(newline="") as file:
        assert {row["chosen_first"] for row in csv.DictReader(file)} == {"true"}


def test_the_card_of_an_imported_run_makes_up_no_protocol(cli: Run, log: Path) -> None:
    cli("import", "logs.json")
    assert cli("export", "last", "--to", "hf", "-o", "hub").code == 0
    card = Path("hub/README.md").read_text()
    for unknown in ("temperature 0", "seed 0", str(log.parent)):
        assert unknown not in card
    assert "6 judgments in 1 file of the format rm-r1" in card


def test_a_leaderboard_has_no_truncation_that_a_log_does_not_say(cli: Run, log: Path) -> None:
    cli("import", "logs.json")
    table = cli("export", "last", "--to", "leaderboard-md", "-o", "-").out
    header, _, row, *_ = (line.split(" | ") for line in table.splitlines() if line[:1] == "|")
    assert row[header.index("truncated")] == "–"


def test_a_run_of_scores_has_nothing_for_a_parser(cli: Run, log: Path) -> None:
    row = {"text_chosen": [talk("q", "a")], "text_rejected": [talk("q", "b")], "subset": ["hep-go"]}
    Path("scores.json").write_text(json.dumps({**row, "results": [1]}))
    done = cli("import", "scores.json")
    assert "verdicts: those of the log" in done.out
    assert "not known: which answer came first, tokens" in cli("runs", "show", "last").out
    refused = cli("runs", "rescore", "last", "--parser", "allenai")
    assert refused.code == 2
    assert "rmr1 import PATH --prompt NAME" in refused.err
