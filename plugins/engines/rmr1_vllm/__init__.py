"""vLLM: weights at full speed, in an environment of their own.

A worker runs inside the environment; this side talks with it through its standard input and
output, and imports neither torch nor vLLM.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from rmr1_core import PATH, Backbone, Engine, EngineSession, Environment, Option, hookimpl
from rmr1_vllm.environment import ENVIRONMENT

if TYPE_CHECKING:
    import click


class VllmEngine(Engine, frozen=True, kw_only=True):
    """Weights run by vLLM. Options have vLLM's own names; 0 and "" leave the choice to vLLM.

    Sampling is what the request says: a model's own generation settings (top-k, penalties) are
    not applied, only its end-of-sequence tokens are.
    """

    environment: ClassVar[str] = "vllm"
    prefills: ClassVar[bool] = True
    dtype: Annotated[
        str,
        Option(description="'auto': as vLLM chooses, but float32 on a CPU; float32, bfloat16, …"),
    ] = "auto"
    max_model_len: Annotated[
        int, Option(description="longest prompt and answer; 0: the model's own limit", ge=0)
    ] = 0
    gpu_memory_utilization: Annotated[
        float, Option(description="share of a GPU's memory to use; 0: vLLM's own", ge=0, le=1)
    ] = 0.0
    tensor_parallel_size: Annotated[
        int, Option(description="GPUs over which each layer is spread", ge=1)
    ] = 1
    pipeline_parallel_size: Annotated[
        int, Option(description="groups of GPUs over which the layers are spread", ge=1)
    ] = 1
    data_parallel_size: Annotated[
        int, Option(description="replicas of the model that share the requests", ge=1)
    ] = 1
    max_num_seqs: Annotated[
        int, Option(description="answers written at a time, per replica; 0: vLLM's own", ge=0)
    ] = 0
    max_num_batched_tokens: Annotated[
        int, Option(description="tokens per step, per replica; 0: vLLM's own", ge=0)
    ] = 0
    enable_prefix_caching: Annotated[
        bool, Option(description="compute what prompts begin with only once")
    ] = True
    quantization: Annotated[
        str, Option(description="awq, gptq, fp8, …; when empty, as the weights are stored")
    ] = ""
    kv_cache_dtype: Annotated[
        str, Option(description="'auto': the dtype of the weights; fp8, …")
    ] = "auto"
    enforce_eager: Annotated[
        bool, Option(description="no CUDA graphs and no compiling: starts faster, runs slower")
    ] = False
    seed: Annotated[
        int, Option(description="vLLM's own seed; that of a sample is in its request")
    ] = 0
    trust_remote_code: Annotated[
        bool, Option(description="run Python code that comes with the weights")
    ] = False
    extra: Annotated[
        Mapping[str, Any],
        Option(description="any other engine argument of vLLM, as JSON: '{\"block_size\": 32}'"),
    ] = {}
    log: Annotated[
        str,
        Option(
            extra=PATH,
            description="file to append vLLM's own log to; "
            "when empty, a temporary one that is kept when vLLM fails",
        ),
    ] = ""

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[EngineSession]:
        """Start the worker and load the weights once.

        Raises:
            UsageError: the environment is missing, or what was given cannot work.
            EngineFailed: vLLM cannot load it; the error says why and where the log is.
        """
        from rmr1_vllm.session import opened

        with opened(self, backbone) as session:
            yield session


ENGINE = VllmEngine(name="vllm", summary="weights at full speed, by vLLM in its own environment")


@hookimpl
def rmr1_engines() -> Iterable[Engine]:
    """Offer `vllm`."""
    return [ENGINE]


@hookimpl
def rmr1_environments() -> Iterable[Environment]:
    """Where vLLM runs."""
    return [ENVIRONMENT]


@hookimpl
def rmr1_commands(cli: click.Group) -> None:
    """Add `rmr1 up`."""
    from rmr1_vllm.up import up

    cli.add_command(up)
