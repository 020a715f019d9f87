"""The settings that depend on the machine, in one place: they follow the job's own on the command
line, except where the job sets the same.

`VERL_PLATFORM=cpu` comes from the environment's CPU variant. A Ray cluster whose address is in
`RAY_ADDRESS` belongs to the launcher; otherwise veRL starts one for itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from rmr1_verl.overrides import written

MOST_CPUS_ASKED = 32
"""Ray counts slots, not cores: each of veRL's many small processes asks for one, and waits for ever
where there are too few."""
ACTOR, REF, ROLLOUT = (f"actor_rollout_ref.{part}" for part in ("actor", "ref", "rollout"))
MODEL = "actor_rollout_ref.model"
WHOLE = "{param_dtype:fp32,reduce_dtype:fp32,buffer_dtype:fp32}"
"""FSDP's precision. Without it veRL calculates in bfloat16, whatever `fsdp_config.dtype` says."""
CPU = (
    "trainer.device=cpu",
    # the only strategy that needs no CUDA streams
    f"{ACTOR}.strategy=fsdp2",
    f"+{ACTOR}.fsdp_config.mixed_precision={WHOLE}",
    f"+{REF}.fsdp_config.mixed_precision={WHOLE}",
    f"{ROLLOUT}.dtype=float32",
    f"{MODEL}.use_remove_padding=False",
    f"+{MODEL}.override_config.attn_implementation=sdpa",
    # compiling takes longer than it saves
    f"{ACTOR}.use_torch_compile=False",
    f"{ACTOR}.fsdp_config.use_torch_compile=False",
    f"{REF}.fsdp_config.use_torch_compile=False",
    f"{ROLLOUT}.enforce_eager=True",
    # there is no GPU's memory to hand back and forth
    f"{ROLLOUT}.free_cache_engine=False",
    f"+{ROLLOUT}.enable_sleep_mode=False",
    f"{ROLLOUT}.checkpoint_engine.update_weights_bucket_megabytes=16",
    f"{MODEL}.enable_gradient_checkpointing=False",
    # one of each is enough, and with the usual eight storage units it hangs
    f"{ROLLOUT}.agent.num_workers=1",
    "reward.num_workers=1",
    "transfer_queue.backend.SimpleStorage.num_data_storage_units=1",
    "data.dataloader_num_workers=0",
)
"""veRL on a CPU."""
PADDED = (
    f"{MODEL}.use_remove_padding=False",
    f"+{MODEL}.override_config.attn_implementation=sdpa",
)
"""A GPU without flash-attn: sequences are padded, because only flash-attn keeps packed ones
apart."""
SINGLE = (
    f"+{ACTOR}.fsdp_config.mixed_precision={WHOLE}",
    f"+{REF}.fsdp_config.mixed_precision={WHOLE}",
    f"{ROLLOUT}.dtype=float32",
)
"""A GPU that does not calculate in bfloat16."""
HANDED_ON = (
    "VERL_FILE_LOGGER_PATH",
    "VERL_PLATFORM",
    "VERL_ENGINE_DEVICE",
    "VLLM_CPU_KVCACHE_SPACE",
    "TORCH_COMPILE_DISABLE",
    "OMP_NUM_THREADS",
)
"""What the processes of somebody else's Ray cluster have to be told."""


def complete(overrides: Sequence[str], ray_folder: str = "") -> list[str]:
    """The job's settings with those of this machine."""
    added = [*_device(), *_ray(ray_folder)]
    given = {name_of(override) for override in overrides}
    return [*overrides, *(override for override in added if name_of(override) not in given)]


def is_cpu() -> bool:
    """Whether this is veRL's environment for a machine without a GPU."""
    return os.environ.get("VERL_PLATFORM", "").strip().lower() == "cpu"


def has_own_ray() -> bool:
    """Whether veRL starts Ray itself."""
    return not os.environ.get("RAY_ADDRESS")


def name_of(override: str) -> str:
    """The name of what an override sets, without "+", "++" or "~"."""
    return override.partition("=")[0].lstrip("+~")


def _device() -> Iterable[str]:
    if is_cpu():
        return CPU
    from importlib.util import find_spec

    import torch

    added = () if find_spec("flash_attn") else PADDED
    single = torch.cuda.is_available() and not torch.cuda.is_bf16_supported(False)
    return (*added, *SINGLE) if single else added


def _ray(folder: str) -> Iterable[str]:
    if not has_own_ray():  # its processes run already, with what its nodes have set
        ours = (name for name in HANDED_ON if name in os.environ)
        for name in ours:
            yield f"+ray_kwargs.ray_init.runtime_env.env_vars.{name}={written(os.environ[name])}"
        return
    cpus = max(MOST_CPUS_ASKED, os.cpu_count() or 1)
    yield f"ray_kwargs.ray_init.num_cpus={cpus}"
    # one of its own, whatever else runs on this machine, and no port that could be taken
    yield "+ray_kwargs.ray_init.address=local"
    yield "+ray_kwargs.ray_init.include_dashboard=False"
    if is_cpu():
        yield "+ray_kwargs.ray_init.num_gpus=1"
    if folder:
        yield f"+ray_kwargs.ray_init._temp_dir={folder}"
