"""A task to plan from, as `rmr1 run` makes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmr1_core import Recipe, Ref, Stage, TrainingTask


@pytest.fixture
def task(tmp_path: Path) -> TrainingTask:
    recipe = Recipe(
        name="small",
        description="for tests",
        backbone=Ref(name="tiny"),
        prompt=Ref(name="compact"),
        reward=Ref(name="verdict"),
        engine=Ref(name="transformers"),
        launcher=Ref(name="local"),
        stages=(Stage(name="grpo", trainer=Ref(name="verl-grpo"), dataset=Ref(name="toy")),),
    )
    return TrainingTask(
        recipe=recipe,
        stage=recipe.stages[0],
        model=str(tmp_path / "model"),
        data=str(tmp_path / "grpo" / "data.jsonl"),
        output=str(tmp_path / "grpo"),
        seed=3,
    )
