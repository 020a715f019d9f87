"""What veRL's settings are called, release by release, and those that a release takes and ignores.

Standard library only: both rmr1 and veRL's environment read this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

ACTOR, REF, ROLLOUT = (f"actor_rollout_ref.{part}" for part in ("actor", "ref", "rollout"))

KEYS: Mapping[str, str] = {
    "advantage": "algorithm.adv_estimator",
    "kl_in_reward": "algorithm.use_kl_in_reward",
    "train_files": "data.train_files",
    "val_files": "data.val_files",
    "rollout_batch_size": "data.train_batch_size",
    "max_prompt_length": "data.max_prompt_length",
    "max_response_length": "data.max_response_length",
    "filter_overlong": "data.filter_overlong_prompts",
    "data_seed": "data.seed",
    "model": "actor_rollout_ref.model.path",
    "learning_rate": f"{ACTOR}.optim.lr",
    "scheduler": f"{ACTOR}.optim.lr_scheduler_type",
    "warmup_ratio": f"{ACTOR}.optim.lr_warmup_steps_ratio",
    "mini_batch_size": f"{ACTOR}.ppo_mini_batch_size",
    "dynamic_batch": f"{ACTOR}.use_dynamic_bsz",
    "micro_batch_tokens": f"{ACTOR}.ppo_max_token_len_per_gpu",
    "clip_ratio": f"{ACTOR}.clip_ratio",
    "clip_ratio_low": f"{ACTOR}.clip_ratio_low",
    "clip_ratio_high": f"{ACTOR}.clip_ratio_high",
    "entropy_coeff": f"{ACTOR}.entropy_coeff",
    "kl_loss": f"{ACTOR}.use_kl_loss",
    "kl_loss_coef": f"{ACTOR}.kl_loss_coef",
    "kl_loss_type": f"{ACTOR}.kl_loss_type",
    "parameter_offload": f"{ACTOR}.fsdp_config.param_offload",
    "optimizer_offload": f"{ACTOR}.fsdp_config.optimizer_offload",
    "reference_offload": f"{REF}.fsdp_config.param_offload",
    "engine": f"{ROLLOUT}.name",
    "samples_per_prompt": f"{ROLLOUT}.n",
    "temperature": f"{ROLLOUT}.temperature",
    "tensor_parallel_size": f"{ROLLOUT}.tensor_model_parallel_size",
    "gpu_memory_utilization": f"{ROLLOUT}.gpu_memory_utilization",
    "max_model_len": f"{ROLLOUT}.max_model_len",
    "max_num_batched_tokens": f"{ROLLOUT}.max_num_batched_tokens",
    "rollout_seed": f"{ROLLOUT}.seed",
    "reward_file": "reward.custom_reward_function.path",
    "reward_name": "reward.custom_reward_function.name",
    "reward_settings": "+reward.custom_reward_function.reward_kwargs.settings",
    "reward_workers": "reward.num_workers",
    "manager_source": "reward.reward_manager.source",
    "manager_file": "reward.reward_manager.module.path",
    "manager_name": "reward.reward_manager.name",
    "nodes": "trainer.nnodes",
    "gpus_per_node": "trainer.n_gpus_per_node",
    "epochs": "trainer.total_epochs",
    "steps": "trainer.total_training_steps",
    "save_every": "trainer.save_freq",
    "test_every": "trainer.test_freq",
    "test_before": "trainer.val_before_train",
    "keep_checkpoints": "trainer.max_actor_ckpt_to_keep",
    "checkpoints": "trainer.default_local_dir",
    "resume": "trainer.resume_mode",
    "loggers": "trainer.logger",
    "project": "trainer.project_name",
    "experiment": "trainer.experiment_name",
    "hydra_folder": "hydra.run.dir",
}
"""Our words for veRL's settings, as release 0.9 calls them."""


class Release(NamedTuple):
    """A release line: what it calls otherwise than 0.9, and what it takes and never reads, with
    what to write instead, if anything. Some are read by its older trainer only, which
    `trainer.use_v1` = false chooses."""

    name: str
    keys: Mapping[str, str] = {}
    ignored: Mapping[str, str] = {}
    ignored_by_v1: Mapping[str, str] = {}


RELEASES = (
    Release(
        "0.9",
        ignored={
            "custom_reward_function": "reward.custom_reward_function",
            "reward_model": "reward.reward_model",
            "sandbox_fusion": "reward.sandbox_fusion",
            "algorithm.filter_groups.max_num_gen_batches": (
                "algorithm.filter_groups.max_inflight_gen_batches"
            ),
            "global_profiler.global_tool_config.precision_debugger.steps": "global_profiler.steps",
            f"{ACTOR}.grad_clip": f"{ACTOR}.optim.clip_grad",
            "critic.grad_clip": "critic.optim.clip_grad",
            f"{ACTOR}.fsdp_config.dtype": f"+{ACTOR}.fsdp_config.mixed_precision.param_dtype",
            f"{REF}.fsdp_config.dtype": f"+{REF}.fsdp_config.mixed_precision.param_dtype",
            f"{ACTOR}.freeze_vision_tower": "",
            f"{ROLLOUT}.over_sample_rate": "",
            f"{ROLLOUT}.multi_stage_wake_up": "",
            f"{ROLLOUT}.multi_turn.num_repeat_rollouts": "",
            f"{ROLLOUT}.agent.custom_async_server": "",
            "actor_rollout_ref.nccl_timeout": "",
            "data.trust_remote_code": "actor_rollout_ref.model.trust_remote_code",
            "data.datagen": "",
            "data.return_raw_input_ids": "",
            "data.return_raw_chat": "",
            "data.return_full_prompt": "",
            "data.reward_fn_key": "",
        },
        ignored_by_v1={
            "trainer.balance_batch": "",
            "trainer.esi_redundant_time": "",
            "trainer.ray_wait_register_center_timeout": "",
        },
    ),
)
"""The releases that are supported, the latest first."""

RENAMED: Mapping[str, str] = {
    "custom_reward_function.path": "reward.custom_reward_function.path",
    "custom_reward_function.name": "reward.custom_reward_function.name",
    "reward_model.reward_manager": "reward.reward_manager.name",
    "reward_model.enable": "reward.reward_model.enable",
    "reward_model.model.path": "reward.reward_model.model_path",
    "actor_rollout_ref.actor.optim.warmup_style": f"{ACTOR}.optim.lr_scheduler_type",
    "trainer.val_generations_to_log_to_wandb": "trainer.log_val_generations",
    "trainer.remove_previous_ckpt_in_save": "trainer.max_actor_ckpt_to_keep",
    "actor_rollout_ref.actor.fsdp_config.grad_offload": f"{ACTOR}.fsdp_config.param_offload",
    "actor_rollout_ref.actor.ppo_micro_batch_size": f"{ACTOR}.ppo_micro_batch_size_per_gpu",
    "actor_rollout_ref.rollout.log_prob_micro_batch_size": (
        f"{ROLLOUT}.log_prob_micro_batch_size_per_gpu"
    ),
    "actor_rollout_ref.ref.log_prob_micro_batch_size": (
        "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu"
    ),
}
"""Names in RM-R1's scripts and veRL's older examples, and what became of them."""


def release_of(version: str) -> Release | None:
    """The release line of an installed version; None where it is not known."""
    return next(
        (r for r in RELEASES if version == r.name or version.startswith(f"{r.name}.")), None
    )


def key(name: str, release: str = RELEASES[0].name) -> str:
    """What a release calls one of our words."""
    line = release_of(release)
    assert line is not None, release
    return line.keys.get(name, KEYS[name])
