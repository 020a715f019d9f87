"""Where OpenRLHF runs. On a CPU it needs stand-ins for what only a GPU has."""

from __future__ import annotations

from pathlib import Path

from rmr1_core import Environment, EnvironmentVariant

_HERE = Path(__file__).parent
_LOCKS = _HERE / "locks"
_WITHOUT_KERNELS = {"DS_BUILD_OPS": "0"}
"""DeepSpeed compiles an operator when it is first used, and none when it is installed."""

ENVIRONMENT = Environment(
    name="openrlhf",
    summary="OpenRLHF 0.11.2 with DeepSpeed, for supervised fine-tuning",
    module="openrlhf",
    variants={
        "cuda": EnvironmentVariant(
            requirements=_LOCKS / "cuda.in",
            lock=_LOCKS / "cuda.txt",
            # flash-attn needs CUDA's compiler where no wheel fits
            unisolated=("deepspeed", "flash-attn"),
            build_env=_WITHOUT_KERNELS,
        ),
        "cpu": EnvironmentVariant(
            requirements=_LOCKS / "cpu.in",
            lock=_LOCKS / "cpu.txt",
            packages=(_HERE / "cpu-shims",),
            excluded=("flash-attn", "ray", "torchaudio", "torchcodec", "torchvision", "vllm"),
            unisolated=("deepspeed",),
            build_env=_WITHOUT_KERNELS,
            env={
                "DS_ACCELERATOR": "cpu",
                "OMP_NUM_THREADS": "1",
                "TOKENIZERS_PARALLELISM": "false",
            },
        ),
    },
)
