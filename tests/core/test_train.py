from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rmr1_core import EvalProtocol, Recipe, Ref, Stage, TrainingRow, jsonl, recipes, runs, train
from rmr1_core.defaults import with_defaults
from rmr1_core.errors import BadInput, EngineFailed, JobFailed, UsageError
from rmr1_core.lookup import resolve
from rmr1_core.values import Variant

pytestmark = pytest.mark.usefixtures("sample")


@pytest.fixture(autouse=True)
def without_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where matplotlib is broken: a picture takes longer than all the rest."""
    if "curve" not in request.node.name:
        monkeypatch.setitem(sys.modules, "matplotlib", None)


def stage(name: str, trainer: str = "echo", **changes: Any) -> Stage:
    return Stage(name=name, trainer=Ref(name=trainer), dataset=Ref(name="rows"), **changes)


def recipe(*settings: str, **changes: Any) -> Recipe:
    changed = msgspec.structs.replace(recipes.choose("sample"), **changes)
    return recipes.with_settings(changed, settings)


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def asked(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if line != "open"]


def test_a_recipe_is_evaluated_before_between_and_after_its_stages(tmp_path: Path) -> None:
    folder = train.start(tmp_path, recipe())
    results = train.execute(folder)
    assert [result.stage for result in results] == ["before", "first", "second"]
    assert [report.benchmark for result in results for report in result.reports] == [
        "sample-one"
    ] * 3
    assert train.stored_results(folder) == results
    record = runs.read_record(folder)
    assert (record.status, record.versions["script"]) == ("done", "7")


def test_what_a_stage_cost_is_in_its_result(tmp_path: Path) -> None:
    before, first, _ = train.execute(train.start(tmp_path, recipe()))
    assert (before.cpu_seconds, first.cpu_seconds, first.wall_seconds) == (0.0, 2.5, 3.5)


def test_each_stage_starts_from_the_one_before(tmp_path: Path) -> None:
    folder = train.start(tmp_path, recipe())
    assert (folder / "stages/first/model.txt").read_text() == "nowhere"
    assert (folder / "stages/second/model.txt").read_text() == os.fspath(
        folder / "stages/first/checkpoint"
    )


def test_starting_writes_every_file_and_starts_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    folder = train.start(tmp_path, recipe(f"engine.options.log={log}"))
    of_a_stage = {"data.jsonl", "model.txt", "run.sh", "worker.py"}
    assert everything(folder) == {"recipe.toml", "run.json"} | {
        f"stages/{name}/{file}" for name in ("first", "second") for file in of_a_stage
    }
    assert not log.exists()


def test_the_stored_recipe_has_every_option_and_resolves_to_the_same(tmp_path: Path) -> None:
    changed = recipe("stages.first.trainer.options.fail_while=/elsewhere", seed=3)
    folder = train.start(tmp_path, changed)
    stored, taken = recipes.read(folder / "recipe.toml"), runs.read_record(folder).recipe
    assert taken is not None
    assert stored.stages[0].trainer.options == {
        "fail_while": "/elsewhere",
        "wait_while": "/no/such/file",
    }
    assert stored.requires == ("installed_sample>=1.0",)
    assert with_defaults(taken) == msgspec.structs.replace(stored, requires=())
    assert (stored.seed, resolve("engine", stored.engine)) == (3, resolve("engine", taken.engine))


def test_training_data_is_rendered_as_evaluation_renders_it(tmp_path: Path) -> None:
    folder = train.start(tmp_path, recipe())
    rows = list(jsonl.read(folder / "stages/first/data.jsonl", TrainingRow))
    assert [row.label for row in rows] == ["A", "B", "A", "B"]
    assert {row.completion for row in rows} == {"<answer>[[A]]</answer>"}
    (example, *_) = resolve("dataset", "rows").examples("train", seed=0)
    strategy = resolve("prompt", "plain")
    assert rows[0].messages == strategy.render(example.pair.comparison(True))
    assert rows[0].twin == ()


def test_data_for_reinforcement_has_the_swapped_twin(tmp_path: Path) -> None:
    folder = train.start(tmp_path, recipe())
    (row, *_) = jsonl.read(folder / "stages/second/data.jsonl", TrainingRow)
    (example, *_) = resolve("dataset", "rows").examples("train", seed=0)
    assert row.twin == resolve("prompt", "plain").render(example.pair.comparison(False))


def test_a_checkpoint_is_a_backbone_that_is_asked_as_it_was_trained(tmp_path: Path) -> None:
    folder = train.start(tmp_path, recipe("prompt.options.parser=bare"))
    train.execute(folder)
    trained = resolve("backbone", str(folder / "stages/second/checkpoint"))
    assert trained.name == "sample-second"
    assert trained.model == str(folder / "stages/second/checkpoint")
    assert (trained.prompt, trained.prompt_options) == ("plain", {"parser": "bare"})


def test_a_failed_stage_is_resumed_and_what_is_complete_is_kept(tmp_path: Path) -> None:
    fail, log = tmp_path / "fail", tmp_path / "log"
    fail.touch()
    folder = train.start(
        tmp_path,
        recipe(f"stages.second.trainer.options.fail_while={fail}", f"engine.options.log={log}"),
    )
    with pytest.raises(JobFailed, match="echo second failed: ValueError: the file says: fail"):
        train.execute(folder)
    assert [result.stage for result in train.stored_results(folder)] == ["before", "first"]
    assert runs.read_record(folder).status == "failed"
    once = asked(log)
    fail.unlink()
    results = train.execute(folder)
    assert [result.stage for result in results] == ["before", "first", "second"]
    assert (folder / "stages/first/log.txt").read_text() == ""
    events = [json.loads(line) for line in (folder / "stages/first/metrics.jsonl").open()]
    assert [event["event"] for event in events] == ["step", "step", "step", "done"]
    assert asked(log) == [*once, *once[:24]]


def test_an_evaluation_that_breaks_off_goes_on_where_it_was(tmp_path: Path) -> None:
    log = tmp_path / "log"
    settings = ("engine.options.crash_after=20", f"engine.options.log={log}")
    folder = train.start(tmp_path, recipe(*settings))
    for _ in range(3):
        with pytest.raises(EngineFailed):
            train.execute(folder)
    results = train.execute(folder)
    assert len(asked(log)) == 3 * 24
    whole = train.execute(train.start(tmp_path / "whole", recipe()))
    assert [result.reports for result in results] == [result.reports for result in whole]


def test_a_done_run_that_is_resumed_does_nothing_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    folder = train.start(tmp_path, recipe(f"engine.options.log={log}"))
    results = train.execute(folder)
    files = {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.name in ("metrics.jsonl", "data.jsonl", "judgments.jsonl")
    }
    once = asked(log)
    assert train.execute(folder) == results
    assert asked(log) == once
    assert files == {path: path.stat().st_mtime_ns for path in files}


def test_a_sampled_evaluation_stands_beside_the_greedy_one(tmp_path: Path) -> None:
    sampled = EvalProtocol(temperature=1.0, samples=2)
    folder = train.start(tmp_path, recipe(sampled_evaluation=sampled))
    for result in train.execute(folder):
        assert result.sampled[0].validity.judgments == 48
        assert result.reports[0].validity.judgments == 24


ABLATIONS = {
    "more": Variant(
        description="the first stage continued",
        stages=(stage("more", start_from="first", compute_of=("first", "second")),),
    ),
    "only-rl": Variant(description="without the first", stages=(stage("rl", "echo-rl"),)),
}


def test_ablations_stand_in_the_table_with_their_cost(tmp_path: Path) -> None:
    mine = recipe(variants=ABLATIONS)
    results = train.execute(train.start(tmp_path, mine, ["more", "only-rl"]))
    assert [(result.variant, result.stage) for result in results][3:] == [
        ("more", "more"),
        ("only-rl", "rl"),
    ]
    assert results[-1].cpu_seconds == 2.5


def test_a_budget_is_what_the_stages_it_names_have_cost(tmp_path: Path) -> None:
    folder = train.start(tmp_path, recipe(variants=ABLATIONS), ["more"])
    train.execute(folder)
    of_more = folder / "ablations/more/stages/more"
    last = (of_more / "metrics.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["budget"] == "5.0"
    assert (of_more / "model.txt").read_text() == str(folder / "stages/first/checkpoint")


def test_a_stage_without_a_budget_has_none(tmp_path: Path) -> None:
    folder = train.start(tmp_path, recipe())
    train.execute(folder)
    last = (folder / "stages/first/metrics.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["budget"] == "None"


def test_a_variant_of_several_stages_costs_all_of_them(tmp_path: Path) -> None:
    two = Variant(description="two", stages=(stage("a"), stage("b")))
    folder = train.start(tmp_path, recipe(variants={"two": two}), ["two"])
    result = train.execute(folder)[-1]
    assert (result.variant, result.stage, result.cpu_seconds) == ("two", "b", 5.0)


def test_a_variant_may_have_a_backbone_of_its_own(tmp_path: Path) -> None:
    other = Variant(
        description="other weights",
        backbone=Ref(name="nobody", options={"model": "elsewhere"}),
        stages=(stage("a"),),
    )
    folder = train.start(tmp_path, recipe(variants={"other": other}), ["other"])
    assert (folder / "ablations/other/stages/a/model.txt").read_text() == "elsewhere"


def test_a_dry_run_writes_the_ablations_too(tmp_path: Path) -> None:
    folder = train.start(tmp_path, recipe(variants=ABLATIONS), ["more"])
    assert (folder / "ablations/more/stages/more/data.jsonl").exists()
    assert (folder / "ablations/more/stages/more/run.sh").exists()


def broken(**changes: Any) -> dict[str, Variant]:
    return {"bad": Variant(description="broken", stages=(stage("x", **changes),))}


@pytest.mark.parametrize(
    ("changes", "ablations", "error"),
    [
        ({"stages": (stage("a", "eccho"),)}, [], "no trainer named 'eccho'; did you mean 'echo'"),
        ({"stages": (stage("a"), stage("a"))}, [], "two stages have the same name"),
        ({"stages": (stage("a", split="sft"),)}, [], "no split 'sft'; it has train"),
        ({"prompt": Ref(name="plane")}, [], "did you mean 'plain'"),
        ({"reward": Ref(name="fixt")}, [], "did you mean 'fixed'"),
        ({"engine": Ref(name="scriptd")}, [], "did you mean 'scripted'"),
        ({"launcher": Ref(name="locl")}, [], "did you mean 'local'"),
        ({"benchmarks": (Ref(name="sample-ome"),)}, [], "did you mean 'sample-one'"),
        ({"evaluation": EvalProtocol(scoring="strickt")}, [], "did you mean 'strict'"),
        ({"sampled_evaluation": EvalProtocol(scoring="strickt")}, [], "did you mean 'strict'"),
        ({"stages": (stage("a", start_from="b"),)}, [], "run it with: rmr1 run --ablations"),
        ({}, ["no-such"], "no variant of recipe 'sample' named 'no-such'"),
        ({"variants": broken(start_from="frist")}, ["bad"], "did you mean 'first'"),
        ({"variants": broken(compute_of=("frist",))}, ["bad"], "did you mean 'first'"),
        ({"variants": broken(trainer="eccho")}, ["bad"], "did you mean 'echo'"),
    ],
)
def test_a_run_that_cannot_start_leaves_no_folder(
    tmp_path: Path, changes: dict[str, Any], ablations: list[str], error: str
) -> None:
    with pytest.raises(UsageError, match=error):
        train.start(tmp_path, recipe(**changes), ablations)
    assert not list(tmp_path.glob("*-run-*"))


def test_distillation_needs_traces(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"dataset 'rows', split 'train', row 1, field 'trace'"):
        train.start(tmp_path, recipe("stages.first.dataset.options.traces=false"))


def test_reinforcement_needs_none(tmp_path: Path) -> None:
    train.start(tmp_path, recipe("stages.second.dataset.options.traces=false"))


def test_a_run_of_the_other_command_is_refused(tmp_path: Path) -> None:
    runs.write_record(tmp_path, runs.new_record(tmp_path, "bench"))
    with pytest.raises(UsageError, match="not a run of rmr1 run"):
        train.execute(tmp_path)


def test_damaged_results_are_named(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(BadInput, match=r"results\.json"):
        train.stored_results(tmp_path)


def test_a_picture_that_cannot_be_drawn_is_named_and_fails_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train.execute(train.start(tmp_path, recipe()))
    assert "warning: the learning curve cannot be drawn" in capsys.readouterr().err


def test_a_learning_curve_is_drawn(tmp_path: Path) -> None:
    folder = train.start(tmp_path, recipe())
    train.execute(folder)
    assert (folder / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
