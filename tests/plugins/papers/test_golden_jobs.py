"""Every argument of every job that the papers' recipes plan, by equality."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from recipe_jobs import FOLDER, NAMES, text_of

from rmr1_core import Ref, TrainingRow, jsonl, recipes, runs, train
from rmr1_core.lookup import resolve_recipe


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_plans_the_jobs_that_are_written_down(name: str) -> None:
    """After a wanted change, write them anew: python tests/plugins/papers/recipe_jobs.py."""
    assert text_of(name) == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def test_a_dry_run_of_the_whole_recipe_writes_every_stage(shared: Path, tmp_path: Path) -> None:
    """With the sample in the place of the published sets: what is on the hub is not fetched."""
    sample = {"path": str(shared / "data/rm-r1-training-format/test.jsonl.gz")}
    recipe = recipes.with_settings(
        resolve_recipe("rm-r1-qwen14b"),
        [f"stages.rl.dataset.options.path={sample['path']}", "launcher.name=local"],
    )
    verdicts = Ref(name="rm-r1-rlvr", options={**sample, "traces": "verdict"})
    recipe = recipes.with_settings(
        recipe,
        [
            f"stages.sft.dataset.name={verdicts.name}",
            f'stages.sft.dataset.options={{"path": "{sample["path"]}", "traces": "verdict"}}',
        ],
    )
    folder = train.start(tmp_path, recipe, dry_run=True)
    rows = {
        name: list(jsonl.read(folder / f"stages/{name}/data.jsonl", TrainingRow))
        for name in ("sft", "rl")
    }
    assert {name: len(found) for name, found in rows.items()} == {"sft": 400, "rl": 400}
    assert {row.completion for row in rows["sft"]} == {
        "<answer>[[A]]</answer>",
        "<answer>[[B]]</answer>",
    }
    stored = recipes.read(folder / "recipe.toml")
    assert [stage.trainer.options["learning_rate"] for stage in stored.stages] == [3e-6, 7e-7]
    assert stored.stages[1].trainer.options["nodes"] == 2
    assert runs.read_record(folder).status == "planned"
    script = folder / "stages" / "rl" / "run.sh"
    assert subprocess.run(["/bin/sh", "-n", str(script)], check=False).returncode == 0
