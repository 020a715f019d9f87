"""The recipes of the RM-R1 paper, down to every component and number."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rmr1_core import Recipe, Stage, recipes
from rmr1_core.lookup import resolve, resolve_recipe
from rmr1_core.recipes import Wanted

ROOT = Path(__file__).parents[3]
SIZES = (7, 14, 32)
INSTRUCT = [f"rm-r1-qwen{size}b" for size in SIZES]
REASONING = [f"rm-r1-deepseek{size}b" for size in SIZES]
ABLATIONS = ("cold-start-rl", "without-categories", "without-rubrics", "sft-only")


def resolved(name: str, variant: str = "") -> Recipe:
    recipe = resolve_recipe(name)
    return recipes.with_presets(recipes.variant(recipe, variant) if variant else recipe)


def stages(recipe: Recipe) -> list[tuple[str, str, str]]:
    return [
        (s.trainer.name, s.dataset.name, s.dataset.options.get("hub", "")) for s in recipe.stages
    ]


def every() -> Iterator[tuple[str, str]]:
    yield from ((name, "") for name in [*INSTRUCT, *REASONING])
    yield from ((name, ablation) for name in INSTRUCT for ablation in ABLATIONS)


@pytest.mark.parametrize(("name", "variant"), list(every()))
def test_every_component_and_option_of_a_recipe_exists(name: str, variant: str) -> None:
    recipe = resolved(name, variant)
    for kind in ("backbone", "prompt", "reward", "engine", "launcher"):
        resolve(kind, getattr(recipe, kind))
    for stage in recipe.stages:
        trainer = resolve("trainer", stage.trainer)
        dataset = resolve("dataset", stage.dataset)
        dataset.check_split(stage.split)
        if trainer.objective == "sft":
            assert dataset.traces != "none"
    assert [resolve("benchmark", ref).name for ref in recipe.benchmarks] == [
        "rewardbench",
        "rm-bench",
        "rmb",
    ]


@pytest.mark.parametrize("name", INSTRUCT)
def test_instruct_models_are_distilled_and_then_reinforced_on_the_other_pairs(name: str) -> None:
    assert stages(resolved(name)) == [
        ("openrlhf-sft", "rm-r1-distill", ""),
        ("verl-grpo", "rm-r1-rlvr", "gaotang/RM-R1-after-Distill-RLVR"),
    ]


@pytest.mark.parametrize("name", REASONING)
def test_reasoning_models_are_reinforced_on_all_pairs(name: str) -> None:
    recipe = resolved(name)
    assert stages(recipe) == [("verl-grpo", "rm-r1-rlvr", "")]
    assert recipe.prompt.name == "cor-reasoning"
    dataset = resolve("dataset", recipe.stages[0].dataset)
    assert dataset.hub == "gaotang/RM-R1-Reasoning-RLVR"


def rate(stage: Stage) -> float:
    return float(stage.trainer.options["learning_rate"])


def test_the_learning_rates_are_the_papers() -> None:
    distilled = [rate(resolved(name).stages[0]) for name in INSTRUCT]
    assert distilled == [5e-6, 3e-6, 2e-6]
    assert [rate(resolved(name).stages[-1]) for name in INSTRUCT] == [1e-6, 7e-7, 5e-7]
    assert [rate(resolved(name).stages[-1]) for name in REASONING] == [1e-6, 1e-6, 8e-7]


def test_distillation_has_the_papers_numbers() -> None:
    options = resolved("rm-r1-qwen7b").stages[0].trainer.options
    expected = {"batch_size": 128, "micro_batch_size": 1, "epochs": 1, "max_length": 12288}
    assert expected.items() <= options.items()
    assert (options["zero_stage"], options["packing"], options["adam_offload"]) == (3, True, True)


@pytest.mark.parametrize("name", [*INSTRUCT, *REASONING])
def test_reinforcement_has_the_papers_numbers(name: str) -> None:
    trainer = resolve("trainer", resolved(name).stages[-1].trainer)
    assert (trainer.rollout_batch_size, trainer.mini_batch_size) == (1024, 128)
    assert (trainer.samples_per_prompt, trainer.temperature) == (7, 1.0)
    assert (trainer.kl_loss_coef, trainer.clip_ratio) == (1e-3, 0.2)
    assert (trainer.max_prompt_length, trainer.max_response_length) == (4096, 8192)
    assert trainer.tensor_parallel_size == 4
    assert (trainer.nodes, trainer.gpus_per_node) == ({7: 1, 14: 2, 32: 4}[size(name)], 8)


def size(name: str) -> int:
    return int("".join(filter(str.isdigit, name.removeprefix("rm-r1"))))


@pytest.mark.parametrize(
    ("variant", "prompt"),
    [
        ("cold-start-rl", "cor-instruct"),
        ("without-categories", "cor-uncategorized"),
        ("without-rubrics", "pairwise"),
    ],
)
def test_the_ablations_without_distillation_reward_the_form_too(variant: str, prompt: str) -> None:
    recipe = resolved("rm-r1-qwen32b", variant)
    assert stages(recipe) == [("verl-grpo", "rm-r1-rlvr", "gaotang/RM-R1-Entire-RLVR-Train")]
    assert (recipe.prompt.name, recipe.reward.name) == (prompt, "combined")
    assert rate(recipe.stages[0]) == 5e-7


def test_the_ablation_without_reasoning_imitates_the_verdicts_of_all_pairs() -> None:
    recipe = resolved("rm-r1-qwen32b", "sft-only")
    assert stages(recipe) == [("openrlhf-sft", "rm-r1-rlvr", "gaotang/RM-R1-Entire-RLVR-Train")]
    assert recipe.prompt.name == "direct"
    assert resolve("dataset", recipe.stages[0].dataset).traces == "verdict"


@pytest.mark.parametrize("name", [*INSTRUCT, *REASONING])
def test_backbone_and_trainer_choose_the_recipe(name: str) -> None:
    wanted = Wanted(backbone=name.removeprefix("rm-r1-"), trainer="verl-grpo")
    assert recipes.choose(None, wanted).name == name


@pytest.mark.parametrize("name", [*INSTRUCT, *REASONING])
def test_the_example_files_are_the_recipes(name: str) -> None:
    assert recipes.read(ROOT / f"examples/recipes/{name}.toml") == resolved(name)


def test_there_is_an_example_file_for_every_recipe_and_no_other() -> None:
    files = {path.stem for path in (ROOT / "examples/recipes").glob("*.toml")}
    assert files == {*INSTRUCT, *REASONING}


def test_the_example_files_say_what_show_prints() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "rmr1_core", "show", "recipes/rm-r1-qwen14b"],
        capture_output=True,
        text=True,
        check=True,
    )
    text = (ROOT / "examples/recipes/rm-r1-qwen14b.toml").read_text()
    comment, _, toml = text.partition("\n\nname = ")
    assert f"name = {toml}" == shown.stdout
    assert all(line.startswith("#") for line in comment.splitlines())
