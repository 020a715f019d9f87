from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

import rmr1_verl
from rmr1_core import Job, Ref, Step, TrainingTask
from rmr1_core.errors import BadOption, UsageError
from rmr1_core.lookup import resolve
from rmr1_verl.trainer import VerlGrpo

INSIDE = Path(rmr1_verl.__file__).with_name("inside")
START = ("python", str(INSIDE / "start.py"))
TINY: dict[str, Any] = {
    "learning_rate": 5e-4,
    "rollout_batch_size": 8,
    "mini_batch_size": 4,
    "max_prompt_length": 256,
    "max_response_length": 72,
    "micro_batch_tokens": 4096,
    "tensor_parallel_size": 1,
    "gpu_memory_utilization": 0.3,
    "gpus_per_node": 0,
    "steps": 6,
    "save_every": 2,
    "orders": "both",
}
ACTOR, ROLLOUT = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"


def grpo(**options: Any) -> VerlGrpo:
    trainer: VerlGrpo = resolve("trainer", Ref(name="verl-grpo", options=options))
    return trainer


def golden(task: TrainingTask) -> tuple[str, ...]:
    """What veRL's command line is for the tiny judge."""
    out = task.output
    return (
        "algorithm.adv_estimator=grpo",
        "algorithm.use_kl_in_reward=false",
        f"data.train_files={out}/data/train.parquet",
        f"data.val_files={out}/data/train.parquet",
        "data.train_batch_size=8",
        "data.max_prompt_length=256",
        "data.max_response_length=72",
        "data.filter_overlong_prompts=false",
        "data.seed=3",
        f"actor_rollout_ref.model.path={task.model}",
        f"{ACTOR}.optim.lr=0.0005",
        f"{ACTOR}.ppo_mini_batch_size=4",
        f"{ACTOR}.use_dynamic_bsz=true",
        f"{ACTOR}.ppo_max_token_len_per_gpu=4096",
        f"{ACTOR}.clip_ratio=0.2",
        f"{ACTOR}.clip_ratio_low=0.2",
        f"{ACTOR}.clip_ratio_high=0.2",
        f"{ACTOR}.entropy_coeff=0.0",
        f"{ACTOR}.use_kl_loss=true",
        f"{ACTOR}.kl_loss_coef=0.001",
        f"{ACTOR}.kl_loss_type=low_var_kl",
        f"{ACTOR}.fsdp_config.param_offload=false",
        f"{ACTOR}.fsdp_config.optimizer_offload=false",
        "actor_rollout_ref.ref.fsdp_config.param_offload=true",
        f"{ROLLOUT}.name=vllm",
        f"{ROLLOUT}.n=7",
        f"{ROLLOUT}.temperature=1.0",
        f"{ROLLOUT}.tensor_model_parallel_size=1",
        f"{ROLLOUT}.gpu_memory_utilization=0.3",
        f"{ROLLOUT}.max_model_len=328",
        f"{ROLLOUT}.max_num_batched_tokens=8192",
        f"{ROLLOUT}.seed=3",
        f"reward.custom_reward_function.path={INSIDE}/reward.py",
        "reward.custom_reward_function.name=compute_score",
        f"+reward.custom_reward_function.reward_kwargs.settings={out}/reward.json",
        "reward.reward_manager.source=importlib",
        f"reward.reward_manager.module.path={INSIDE}/manager.py",
        "reward.reward_manager.name=MeasuringRewardManager",
        "trainer.nnodes=1",
        "trainer.n_gpus_per_node=1",
        "trainer.total_epochs=6",
        "trainer.total_training_steps=6",
        "trainer.save_freq=2",
        "trainer.test_freq=-1",
        "trainer.val_before_train=false",
        "trainer.max_actor_ckpt_to_keep=null",
        f"trainer.default_local_dir={out}/verl",
        "trainer.resume_mode=auto",
        "trainer.logger=[console,file]",
        "trainer.project_name=small",
        "trainer.experiment_name=grpo",
        f"hydra.run.dir={out}/hydra",
    )


def test_the_job_for_the_tiny_judge_is_just_this(task: TrainingTask) -> None:
    job, out = grpo(**TINY).plan(task), task.output
    settings, exact = f"{out}/settings.json", golden(task)
    files = {path: json.loads(text) for path, text in job.files.items()}
    assert files == {
        settings: {
            "data": task.data,
            "model": task.model,
            "output": out,
            "events": f"{out}/events.jsonl",
            "checkpoint": f"{out}/checkpoint",
            "orders": "both",
            "rollout_batch_size": 8,
            "max_prompt_length": 256,
            "epochs": 1,
            "steps": 6,
            "keep_checkpoints": 1,
            "start_minutes": 30.0,
            "step_minutes": 240.0,
        },
        f"{out}/reward.json": {
            "python": sys.executable,
            "rewarding": f"{out}/rewarding.json",
            "cause": f"{out}/reward-error.txt",
            "tallies": f"{out}/tallies",
        },
        f"{out}/rewarding.json": {
            "prompt": {"name": "compact", "options": {}},
            "reward": {"name": "verdict", "options": {}},
        },
    }
    assert job == Job(
        name="grpo",
        steps=(
            Step(argv=(*START, "check", settings, *exact)),
            Step(argv=(*START, "data", settings)),
            Step(argv=(*START, "train", settings, *exact)),
            Step(argv=(*START, "merge", settings)),
        ),
        files=job.files,
        env={
            "VERL_FILE_LOGGER_PATH": f"{out}/verl-metrics.jsonl",
            "HYDRA_FULL_ERROR": "1",
            "PYTHONUNBUFFERED": "1",
            "RAY_OVERRIDE_RESOURCES": '{"CPU": 32, "GPU": 1}',
        },
        environment="verl",
        events=f"{out}/events.jsonl",
        log=f"{out}/log.txt",
        checkpoint=f"{out}/checkpoint",
        nodes=1,
        gpus_per_node=0,
        cluster="ray",
    )


PAPER = {
    "data.train_batch_size": "1024",
    f"{ACTOR}.ppo_mini_batch_size": "128",
    f"{ROLLOUT}.n": "7",
    f"{ROLLOUT}.temperature": "1.0",
    f"{ACTOR}.kl_loss_coef": "0.001",
    f"{ACTOR}.kl_loss_type": "low_var_kl",
    f"{ACTOR}.clip_ratio": "0.2",
    f"{ACTOR}.entropy_coeff": "0.0",
    "data.max_prompt_length": "4096",
    "data.max_response_length": "8192",
    f"{ROLLOUT}.tensor_model_parallel_size": "4",
    f"{ROLLOUT}.gpu_memory_utilization": "0.4",
    f"{ROLLOUT}.max_model_len": "12288",
    "trainer.total_epochs": "1",
    "trainer.n_gpus_per_node": "8",
}


@pytest.mark.parametrize(
    ("backbone", "rate", "nodes"),
    [
        ("qwen7b", "1e-06", 1),
        ("qwen14b", "7e-07", 2),
        ("qwen32b", "5e-07", 4),
        ("deepseek7b", "1e-06", 1),
        ("deepseek14b", "1e-06", 2),
        ("deepseek32b", "8e-07", 4),
    ],
)
def test_a_backbones_presets_give_the_papers_numbers(
    task: TrainingTask, backbone: str, rate: str, nodes: int
) -> None:
    preset = resolve("backbone", backbone).presets["verl-grpo"]
    job = resolve("trainer", Ref(name="verl-grpo", options=preset)).plan(task)
    given = dict(setting.split("=", 1) for setting in job.steps[2].argv[4:])
    wanted = PAPER | {f"{ACTOR}.optim.lr": rate, "trainer.nnodes": str(nodes)}
    assert {name: given[name] for name in wanted} == wanted
    assert "trainer.total_training_steps" not in given  # the epochs decide
    assert (job.nodes, job.gpus_per_node, job.cluster) == (nodes, 8, "ray")
    assert "RAY_OVERRIDE_RESOURCES" not in job.env


def test_what_extra_sets_takes_the_place_of_ours(task: TrainingTask) -> None:
    extra = {
        "algorithm.use_kl_in_reward": True,
        "+actor_rollout_ref.model.override_config.rope_theta": 1e6,
        "data.shuffle": False,
    }
    exact = grpo(**TINY, extra=extra).plan(task).steps[2].argv
    assert "algorithm.use_kl_in_reward=true" in exact
    assert "algorithm.use_kl_in_reward=false" not in exact
    assert "+actor_rollout_ref.model.override_config.rope_theta=1000000.0" in exact
    assert "data.shuffle=false" in exact


@pytest.mark.parametrize("given", [["console", "wandb"], ["wandb", "file"], "wandb", None])
def test_verl_keeps_the_log_that_the_events_are_made_from(task: TrainingTask, given: Any) -> None:
    exact = grpo(**TINY, extra={"trainer.logger": given}).plan(task).steps[2].argv
    (loggers,) = [setting for setting in exact if "trainer.logger" in setting]
    assert loggers.count("file") == 1
    assert ("wandb" in loggers) == bool(given and "wandb" in given)


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("trainer.save_freq", "is the option 'save_every'"),
        ("++data.train_batch_size", "is the option 'rollout_batch_size'"),
        ("trainer.max_actor_ckpt_to_keep", "is the option 'keep_checkpoints'"),
        ("trainer.default_local_dir", "is set by the job itself"),
        ("reward.custom_reward_function.path", "is set by the recipe's reward"),
        ("reward.reward_manager.name", "is set by the recipe's reward"),
    ],
)
def test_extra_cannot_set_what_is_an_option_or_what_the_job_relies_on(
    task: TrainingTask, setting: str, problem: str
) -> None:
    with pytest.raises(BadOption, match=problem):
        grpo(**TINY, extra={setting: 3}).plan(task)


def test_a_budget_of_compute_is_refused(task: TrainingTask) -> None:
    bounded = msgspec.structs.replace(task, cpu_seconds=60.0)
    with pytest.raises(UsageError, match="cannot end at a budget of compute; give the stage"):
        grpo(**TINY).plan(bounded)


def test_planning_touches_no_disk(task: TrainingTask, tmp_path: Path) -> None:
    grpo().plan(task)
    assert list(tmp_path.iterdir()) == []


def test_a_reward_that_compares_gets_all_answers_to_a_prompt_in_one_process(
    task: TrainingTask,
) -> None:
    recipe = msgspec.structs.replace(task.recipe, reward=Ref(name="served"))
    comparing = msgspec.structs.replace(task, recipe=recipe)
    job = grpo(**TINY).plan(comparing)
    argv = job.steps[2].argv
    assert "reward.num_workers=1" in argv
    assert "reward.custom_reward_function.name=compute_group_score" in argv
    assert json.loads(job.files[f"{task.output}/rewarding.json"])["groups"] is True
    assert json.loads(job.files[f"{task.output}/reward.json"])["group_seconds"] == 240 * 60
    plain = grpo(**TINY).plan(task)
    assert not [setting for setting in plain.steps[2].argv if "num_workers" in setting]


@pytest.mark.parametrize("name", ["reward.num_workers", "trainer.test_freq"])
def test_what_would_tear_groups_apart_is_refused(task: TrainingTask, name: str) -> None:
    recipe = msgspec.structs.replace(task.recipe, reward=Ref(name="served"))
    comparing = msgspec.structs.replace(task, recipe=recipe)
    with pytest.raises(BadOption, match="set by the recipe's reward"):
        grpo(**TINY, extra={name: 2}).plan(comparing)
    assert grpo(**TINY, extra={name: 2}).plan(task)


def test_more_answers_than_can_wait_for_one_another_are_refused(task: TrainingTask) -> None:
    recipe = msgspec.structs.replace(task.recipe, reward=Ref(name="served"))
    comparing = msgspec.structs.replace(task, recipe=recipe)
    with pytest.raises(
        UsageError, match=r"7,168 of a step .* rollout_batch_size .* to 142 at most"
    ):
        grpo().plan(comparing)
