"""The project's promise, end to end: one command trains a judge, and another evaluates it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # several minutes on two cores


def rmr1(folder: Path, *args: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "rmr1_core", *args, "--json", "--runs-dir", str(folder)],
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "RMR1_REPORT": "yes"},
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def accuracies(run: dict) -> dict[str, float]:
    """Headline by stage, of the recipe itself."""
    return {
        result["stage"]: result["reports"][0]["scores"]["headline"]["value"]
        for result in run["results"]
        if not result["variant"]
    }


@pytest.fixture(scope="module", params=[0, 1])
def smoke(request, tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("smoke")
    return rmr1(folder, "run", "--smoke", "--seed", str(request.param))


def test_the_smoke_run_rises_on_problems_that_it_never_saw(smoke):
    reached = accuracies(smoke)
    assert reached["before"] < 0.5 < reached["sft"]
    assert reached["grpo"] >= max(reached["sft"] - 0.01, 0.95)


def test_the_scripts_of_a_dry_run_work_by_hand(tmp_path):
    few = [f"--set=stages.{stage}.trainer.options.steps=2" for stage in ("sft", "grpo")]
    folder = Path(rmr1(tmp_path, "run", "--smoke", *few, "--dry-run")["folder"])
    for stage in ("sft", "grpo"):
        script = folder / "stages" / stage / "run.sh"
        done = subprocess.run([script], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        assert (script.parent / "checkpoint" / "config.json").exists()


def test_its_sampled_answers_rise_too(smoke):
    sampled = [r["sampled"][0]["scores"]["headline"]["value"] for r in smoke["results"]]
    assert sampled[0] < sampled[1] < sampled[2]


def test_a_run_leaves_everything_that_repeats_and_explains_it(smoke):
    folder = Path(smoke["folder"])
    kept = ("run.json", "recipe.toml", "results.json", "learning_curve.png", "report.html")
    for name in kept:
        assert (folder / name).stat().st_size > 0
    for stage in ("sft", "grpo"):
        steps = [json.loads(line) for line in (folder / f"stages/{stage}/metrics.jsonl").open()]
        assert [s["step"] for s in steps[:-1]] == list(range(1, len(steps)))
        assert steps[-1]["event"] == "done"
        assert list((folder / f"stages/{stage}/checkpoint").glob("*.safetensors"))


def test_the_trained_judge_is_evaluated_on_the_real_benchmarks_in_one_go(smoke, shared, tmp_path):
    checkpoint = Path(smoke["folder"]) / "stages" / "grpo" / "checkpoint"
    names = ("rewardbench", "rm-bench", "rmb")
    asked = ("--data", str(shared / "data"), "--allow-partial", "--limit", "12")
    run = rmr1(tmp_path, "bench", *names, "--backbone", str(checkpoint), *asked)
    assert [report["benchmark"] for report in run["reports"]] == list(names)
    for report in run["reports"]:
        assert report["missing"], "a limited run says what it left out"
        assert report["validity"]["judgments"] > 0
        assert 0 <= report["scores"]["headline"]["value"] <= 1


def test_the_trained_judge_says_what_its_reasoning_is_worth(smoke, tmp_path):
    checkpoint = Path(smoke["folder"]) / "stages" / "grpo" / "checkpoint"
    asked = ("--backbone", str(checkpoint), "--limit", "40", "--budget", "4,16")
    run = rmr1(tmp_path, "bench", "toy", *asked)
    (curve,) = run["curves"]
    tokens = [point["tokens"] for point in curve["points"]]
    assert [point["at"] for point in curve["points"]] == [4, 16, None]
    assert tokens[0] < tokens[1] < tokens[2], "a larger budget writes more"
    evaluation = Path(run["folder"]) / "evaluation"
    whole, cut = (
        {
            (line["pair_id"], line["chosen_first"]): line
            for line in map(json.loads, (folder / "judgments.jsonl").read_text().splitlines())
        }
        for folder in (evaluation, evaluation / "budgets" / "16")
    )
    assert cut.keys() == whole.keys()
    short = [key for key in whole if whole[key]["completion"]["completion_tokens"] <= 16]
    assert len(short) < len(whole)
    assert all(cut[key] == whole[key] for key in short), "what is not longer is not asked again"


def test_the_whole_recipe_learns_to_judge(tmp_path):
    reached = accuracies(rmr1(tmp_path, "run"))
    assert reached["before"] < 0.1
    assert reached["grpo"] >= 0.97
    assert reached["grpo"] >= reached["sft"] + 0.05
