"""Where vLLM runs: the same release on GPUs and on CPUs."""

from __future__ import annotations

from pathlib import Path

from rmr1_core import Environment, EnvironmentVariant

_LOCKS = Path(__file__).parent / "locks"

ENVIRONMENT = Environment(
    name="vllm",
    summary="vLLM 0.32.0, the engine for long evaluations",
    module="vllm",
    variants={
        "cuda": EnvironmentVariant(
            requirements=_LOCKS / "cuda.in",
            lock=_LOCKS / "cuda.txt",
        ),
        "cpu": EnvironmentVariant(
            requirements=_LOCKS / "cpu.in",
            lock=_LOCKS / "cpu.txt",
            # they are for pictures and sounds
            excluded=("torchaudio", "torchcodec", "torchvision"),
            env={
                # in GiB; without it vLLM claims most of the machine's memory
                "VLLM_CPU_KVCACHE_SPACE": "1",
            },
        ),
    },
)
