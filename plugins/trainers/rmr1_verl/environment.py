"""Where veRL runs. On a CPU it needs vLLM's CPU build and a platform of its own."""

from __future__ import annotations

from pathlib import Path

from rmr1_core import Environment, EnvironmentVariant

_HERE = Path(__file__).parent
_LOCKS = _HERE / "locks"

ENVIRONMENT = Environment(
    name="verl",
    summary="veRL 0.9.1 with vLLM and Ray, for GRPO",
    module="verl",
    variants={
        "cuda": EnvironmentVariant(
            requirements=_LOCKS / "cuda.in",
            lock=_LOCKS / "cuda.txt",
        ),
        "cpu": EnvironmentVariant(
            requirements=_LOCKS / "cpu.in",
            lock=_LOCKS / "cpu.txt",
            packages=(_HERE / "cpu-platform",),
            # they are for pictures and sounds
            excluded=("torchaudio", "torchcodec", "torchvision"),
            env={
                "VERL_PLATFORM": "cpu",
                # veRL registers its FSDP engine for GPUs; the platform makes it run on a CPU
                "VERL_ENGINE_DEVICE": "cuda",
                "VLLM_CPU_KVCACHE_SPACE": "1",
                # for short runs; compiling takes longer than it saves
                "TORCH_COMPILE_DISABLE": "1",
                "TOKENIZERS_PARALLELISM": "false",
                "RAY_DEDUP_LOGS": "0",
                "OMP_NUM_THREADS": "1",
            },
        ),
    },
)
