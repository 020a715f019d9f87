"""vLLM's own OpenAI-compatible server, with the defaults of the worker on a CPU."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence

from rmr1_vllm.inside.engines import leave_cache_to

SERVER = "vllm.entrypoints.openai.api_server"


def serve(flags: Sequence[str]) -> None:
    """Run the server in this process until it ends. (`vllm serve` needs a distribution named
    vllm, which the CPU's is not.)"""
    from vllm.platforms import current_platform

    given = list(flags)
    if current_platform.is_cpu():
        leave_cache_to([flag.removeprefix("--").replace("-", "_") for flag in given])
        if "--dtype" in given and given[given.index("--dtype") + 1] == "auto":
            given[given.index("--dtype") + 1] = "float32"
    sys.argv = [SERVER, *given]
    runpy.run_module(SERVER, run_name="__main__", alter_sys=True)
