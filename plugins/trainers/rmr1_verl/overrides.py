"""From our options to veRL's settings, as Hydra reads them on a command line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rmr1_verl.releases import KEYS, key

if TYPE_CHECKING:
    from rmr1_core import TrainingTask
    from rmr1_verl.trainer import VerlGrpo

_PLAIN = re.compile(r"[A-Za-z_./@-][\w./@+%:-]*")
_JOBS_OWN = (
    "train_files",
    "model",
    "checkpoints",
    "resume",
    "reward_file",
    "reward_name",
    "reward_settings",
    "manager_source",
    "manager_file",
    "manager_name",
)
"""What the job's other steps rely on, and has no option."""
_WITH_GROUPS = ("reward_workers", "test_every", "test_before")
"""What a reward that compares relies on besides: all answers to a prompt meet in one process, and
there are as many as the option says, which is not so in a validation."""
_GROUPS: Mapping[str, Any] = {"reward_workers": 1, "reward_name": "compute_group_score"}
_WORDS = {"null", "true", "false", "nan", "inf"}


def overrides(
    trainer: VerlGrpo, task: TrainingTask, paths: Mapping[str, str], *, groups: bool = False
) -> tuple[str, ...]:
    """The exact command line of `main_ppo`, without what depends on the machine.

    `paths` gives train_files, checkpoints, hydra_folder, reward_file, reward_settings and
    manager_file. `groups`: the reward compares the answers to a prompt. What `extra` sets takes the
    place of ours.

    Raises:
        BadOption: `extra` sets what is an option, or what the job relies on.
    """
    ours = {**_settings(trainer, task, paths), **(_GROUPS if groups else {})}
    settings = {key(name): value for name, value in ours.items()}
    extra = _extra(trainer, _JOBS_OWN + (_WITH_GROUPS if groups else ()))
    given = {_bare(name) for name in extra}
    kept = {name: value for name, value in settings.items() if _bare(name) not in given}
    return tuple(_override(name, value) for name, value in {**kept, **extra}.items())


def _extra(trainer: VerlGrpo, jobs_own: Sequence[str]) -> dict[str, Any]:
    """What `extra` sets, and with the loggers the one that our events are made from."""
    from rmr1_core.errors import BadOption  # veRL's environment reads this module, without rmr1

    ours = {_bare(key(word)): word for word in KEYS}
    extra = dict(trainer.extra)
    for name, value in trainer.extra.items():
        word = ours.get(_bare(name), "")
        if hasattr(trainer, word):
            raise BadOption("trainer", trainer.name, f"extra {name!r} is the option {word!r}")
        if word in jobs_own:
            rewards = "reward" in name or word in _WITH_GROUPS
            whose = "the recipe's reward" if rewards else "the job itself"
            raise BadOption("trainer", trainer.name, f"extra {name!r} is set by {whose}")
        if word == "loggers":
            names = [value] if isinstance(value, str) else list(value or ())
            del extra[name]
            extra[key(word)] = [*names, *({"file"} - set(names))]
    return extra


def _bare(name: str) -> str:
    """A setting's name without what Hydra is to do with it."""
    return name.lstrip("+~")


def _override(name: str, value: Any) -> str:
    return name if name.startswith("~") and value is None else f"{name}={written(value)}"


def written(value: Any) -> str:
    """A value as Hydra's grammar writes it."""
    match value:
        case str():
            return _quoted(value)
        case list() | tuple():
            return f"[{','.join(written(item) for item in value)}]"
        case Mapping():
            return f"{{{','.join(f'{name}:{written(v)}' for name, v in value.items())}}}"
        case _:
            return json.dumps(value)


def _quoted(text: str) -> str:
    """A string, in quotes where it would be read as something else without them."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return "'" + re.sub(r"(\\*)('|$)", _doubled, text) + "'"


def _doubled(found: re.Match[str]) -> str:
    """Backslashes before a quote count double, and the quote needs one of its own."""
    return found[1] * 2 + ("\\'" if found[2] else "")


def _settings(trainer: VerlGrpo, task: TrainingTask, paths: Mapping[str, str]) -> dict[str, Any]:
    """Everything that is set, in our words."""
    length = trainer.max_prompt_length + trainer.max_response_length
    return {
        "advantage": "grpo",
        "kl_in_reward": False,
        "train_files": paths["train_files"],
        "val_files": paths["train_files"],  # it has to be there; nothing is validated on it
        "rollout_batch_size": trainer.rollout_batch_size,
        "max_prompt_length": trainer.max_prompt_length,
        "max_response_length": trainer.max_response_length,
        "filter_overlong": False,  # they are left out when the parquet is made
        "data_seed": task.seed,
        "model": task.model,
        "learning_rate": trainer.learning_rate,
        "mini_batch_size": trainer.mini_batch_size,
        "dynamic_batch": True,
        "micro_batch_tokens": trainer.micro_batch_tokens,
        "clip_ratio": trainer.clip_ratio,
        "clip_ratio_low": trainer.clip_ratio,
        "clip_ratio_high": trainer.clip_ratio,
        "entropy_coeff": trainer.entropy_coeff,
        "kl_loss": trainer.kl_loss_coef > 0,
        "kl_loss_coef": trainer.kl_loss_coef,
        "kl_loss_type": "low_var_kl",
        "parameter_offload": trainer.offload,
        "optimizer_offload": trainer.offload,
        "reference_offload": True,
        "engine": "vllm",
        "samples_per_prompt": trainer.samples_per_prompt,
        "temperature": trainer.temperature,
        "tensor_parallel_size": trainer.tensor_parallel_size,
        "gpu_memory_utilization": trainer.gpu_memory_utilization,
        "max_model_len": length,
        "max_num_batched_tokens": max(length, 8192),
        "rollout_seed": task.seed,
        "reward_file": paths["reward_file"],
        "reward_name": "compute_score",
        "reward_settings": paths["reward_settings"],
        "manager_source": "importlib",
        "manager_file": paths["manager_file"],
        "manager_name": "MeasuringRewardManager",
        "nodes": trainer.nodes,
        "gpus_per_node": max(1, trainer.gpus_per_node),
        "epochs": trainer.steps or trainer.epochs,  # with steps, they alone decide
        **({"steps": trainer.steps} if trainer.steps else {}),
        "save_every": trainer.save_every,
        "test_every": -1,
        "test_before": False,
        "keep_checkpoints": None,  # all: we remove the older ones, later than veRL would
        "checkpoints": paths["checkpoints"],
        "resume": "auto",
        "loggers": ["console", "file"],
        "project": task.recipe.name,
        "experiment": task.stage.name,
        "hydra_folder": paths["hydra_folder"],
    }
