from __future__ import annotations

from rmr1_core import recipes
from rmr1_core.lookup import resolve
from rmr1_verl import checks
from rmr1_verl.trainer import VerlGrpo


def toy() -> VerlGrpo:
    recipe = recipes.with_presets(recipes.choose("toy-verl"))
    trainer: VerlGrpo = resolve("trainer", recipe.stages[-1].trainer)
    return trainer


def test_one_command_finds_the_tiny_recipe() -> None:
    wanted = recipes.Wanted(backbone="tiny", trainer="verl-grpo", dataset="toy")
    assert recipes.choose(None, wanted).name == "toy-verl"


def test_the_tiny_recipe_asks_for_no_gpu_and_divides() -> None:
    trainer = toy()
    assert trainer.gpus_per_node == 0
    assert checks.batches(trainer).ok
    assert checks.memory(trainer, None, []).ok is None


def test_its_judge_has_heads_that_vllm_knows_on_a_cpu() -> None:
    backbone = resolve("backbone", recipes.choose("toy-verl").backbone)
    assert backbone.hidden // backbone.heads in checks.CPU_HEAD_WIDTHS
    longest = toy().max_prompt_length + toy().max_response_length
    assert longest <= backbone.context
