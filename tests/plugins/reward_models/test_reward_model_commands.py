"""A reward model as a user meets it: benchmarks, exports, replays, and a judge."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from scored_answers import ANSWERS, PROMPTS

from rmr1_core import Judge, Verdict
from rmr1_core.cli import run_command
from rmr1_core.evaluation import Evaluation
from rmr1_core.runs import read_record


@pytest.fixture(autouse=True)
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RMR1_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("RMR1_REPORT", "no")
    return tmp_path


def bench(where: Path, *options: str) -> Path:
    """The folder of a new run."""
    before = set((where / "runs").glob("*"))
    assert run_command(["bench", "toy", "--limit", "4", *options]) == 0
    [folder] = set((where / "runs").glob("*")) - before
    return folder


def test_a_run_keeps_scores_and_exports_them_by_answer(classifier: Path, where: Path) -> None:
    folder = bench(where, "--backbone", str(classifier), "--engine", "reward-model")
    versions = read_record(folder).versions
    assert versions["answers scored"].startswith("8, ")
    assert run_command(["report", folder.name]) == 0
    page = (folder / "report.html").read_text()
    for word in ("tokens p50", "budgets", "What the judge was asked first"):
        assert word not in page
    assert not (folder / "evaluation" / "prompt.json").exists()  # which a report would show
    assert versions["reward from"] == "LlamaForSequenceClassification"
    assert run_command(["export", folder.name, "--to", "csv", "-o", str(where / "rows.csv")]) == 0
    rows = list(csv.DictReader((where / "rows.csv").open()))
    assert len(rows) == 8
    for row in rows:
        better = float(row["chosen_score"]) > float(row["rejected_score"])
        assert row["correct"] == str(better).lower()
    by_pair = {row["pair_id"]: (row["chosen_score"], row["rejected_score"]) for row in rows}
    assert [by_pair[row["pair_id"]] for row in rows] == [
        (row["chosen_score"], row["rejected_score"]) for row in rows
    ]


@pytest.mark.parametrize("engine", ["reward-model", "dpo-reward"])
def test_a_dry_run_shows_no_prompt_where_none_is_asked(
    engine: str, where: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["bench", "toy", "--limit", "4", "--backbone", "x/y", "--engine", engine, "--dry-run"]
    assert run_command(command) == 0
    said = capsys.readouterr().out
    assert "The first prompt" not in said
    assert said.rstrip().endswith("No prompt is asked: the engine scores answers.")
    assert run_command([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["example"] == []
    judged = ["judge", "--backbone", "x/y", "--engine", engine, "q", "a", "b", "--dry-run"]
    assert run_command(judged) == 0
    assert "The first prompt" not in capsys.readouterr().out


def test_a_replay_has_the_scores_too(classifier: Path, where: Path) -> None:
    first = bench(where, "--backbone", str(classifier), "--engine", "reward-model")
    again = bench(where, "--engine", f"replay:{first}")
    scores = [
        {j.pair_id: j.completion.scores for j in Evaluation(f / "evaluation").judgments()}
        for f in (first, again)
    ]
    assert scores[0] == scores[1]
    assert all(scores[0].values())


def test_a_judge_compares_and_ranks_by_scores(classifier: Path) -> None:
    with Judge(str(classifier), engine="reward-model") as judge:
        decision = judge.compare(PROMPTS[0], *ANSWERS[:2])
        first, second = (o.completion.scores for o in decision.opinions)
        assert first is not None
        assert second is not None
        assert first == second[::-1]
        assert decision.verdict is (Verdict.A if first[0] > first[1] else Verdict.B)
        assert not decision.flipped
        ranking = judge.rank(PROMPTS[0], ANSWERS)
    assert len(ranking.order) == len(ANSWERS)
    found = {}
    for match in ranking.matches:
        for opinion in match.decision.opinions:
            assert opinion.completion.scores is not None
            places = (match.i, match.j) if opinion.a_first else (match.j, match.i)
            found |= dict(zip(places, opinion.completion.scores, strict=True))
    assert sorted(found, key=lambda place: -found[place]) == list(ranking.order)


def test_a_judged_comparison_says_the_scores_of_the_answers_as_they_were_given(
    classifier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = ["--backbone", str(classifier), "--engine", "reward-model"]
    assert run_command(["judge", *judge, "--json", PROMPTS[0], *ANSWERS[:2]]) == 0
    said = json.loads(capsys.readouterr().out)
    first, second = (opinion["scores"] for opinion in said["opinions"])
    assert first == second
    assert said["verdict"] == ("A" if first[0] > first[1] else "B")
