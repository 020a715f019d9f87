"""vLLM's engines behind one face: one replica stepped here, or several that step by themselves.

vLLM has no offline engine for data parallelism: its `LLM` refuses data_parallel_size above 1, and
only `AsyncLLM` spreads requests over replicas. For one replica `LLMEngine` is taken all the same:
`AsyncLLM` always has a process for the engine and another for its worker, which on a CPU start in
three times the time and answer short requests at half the rate.
"""

from __future__ import annotations

import asyncio
import dataclasses
import difflib
import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from rmr1_vllm.inside.balance import Balance
from rmr1_vllm.inside.prompts import CannotLoadError, first_line, named


class Finished(NamedTuple):
    """What became of a request: vLLM's output, or why there is none."""

    number: int
    output: Any
    why: str = ""


def configure(model: str, revision: str, arguments: Mapping[str, Any]) -> Any:
    """vLLM's whole configuration.

    Raises:
        CannotLoadError: an argument is unknown or does not fit the model or the machine.
    """
    import vllm
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.platforms import current_platform
    from vllm.usage.usage_lib import UsageContext

    known = {field.name for field in dataclasses.fields(AsyncEngineArgs)}
    for name in arguments:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            guess = f"; did you mean {near[0]!r}?" if near else ""
            raise CannotLoadError(
                f"engine 'vllm': vLLM {vllm.__version__} has no engine argument {name!r}{guess}"
            )
    given = {"disable_log_stats": True, **arguments}
    if current_platform.is_cpu():
        leave_cache_to(given)
        if given.get("dtype", "auto") == "auto":
            given["dtype"] = "float32"
    try:
        args = AsyncEngineArgs(model=model, revision=revision, **given)
        # of an offline engine, as vLLM's LLM is: larger batches than a server's
        config = args.create_engine_config(UsageContext.LLM_CLASS)
    except Exception as error:  # the boundary to vLLM, which checks the model's files here, too
        why = first_line(error) if isinstance(error, ValueError | OSError) else named(error)
        raise CannotLoadError(f"vLLM cannot load {model!r}: {why}") from error
    if current_platform.is_cpu():
        _check_head_size(model, config.model_config)
    return config


def _check_head_size(model: str, config: Any) -> None:
    """Refuse what vLLM on a CPU finds out only when it reads the first prompt."""
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    size, known = config.get_head_size(), CPUAttentionBackend.get_supported_head_sizes()
    if not config.use_mla and size not in known:
        raise CannotLoadError(
            f"{model!r} has attention heads of size {size}, and vLLM on a CPU knows only "
            f"{', '.join(map(str, known))}; use another engine: --engine transformers"
        )


def leave_cache_to(arguments: Collection[str]) -> None:
    """On a CPU, let arguments that size the cache win over the environment's default."""
    if {"kv_cache_memory_bytes", "gpu_memory_utilization"} & set(arguments):
        os.environ.pop("VLLM_CPU_KVCACHE_SPACE", None)


def choose_process(arguments: Mapping[str, Any]) -> None:
    """Let vLLM run in this process where that is better; to be called before `configure`.

    On a CPU a process of its own makes the start three times as long and gains nothing. On a GPU
    it keeps the GPU busy while we render and write.
    """
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        sizes = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
        alone = all(arguments.get(name, 1) == 1 for name in sizes)
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0" if alone else "1"


class OneReplica:
    """An engine that works while it is stepped."""

    def __init__(self, config: Any) -> None:
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.llm_engine import LLMEngine

        self._engine = LLMEngine.from_vllm_config(
            config, usage_context=UsageContext.LLM_CLASS, disable_log_stats=True
        )

    @property
    def waits_for_steps(self) -> bool:
        """Whether there is something to do in a step."""
        return bool(self._engine.has_unfinished_requests())

    def add(self, number: int, ids: Sequence[int], params: Any) -> None:
        """Take a request. Raises ValueError for one that vLLM refuses."""
        self._engine.add_request(str(number), _rendered(ids), params)

    def step(self) -> list[Finished]:
        """Write one more token of every answer; the ones that are finished now."""
        outputs = self._engine.step()
        return [Finished(int(o.request_id), o) for o in outputs if o.finished]

    def forget(self, numbers: Sequence[int]) -> None:
        """Stop work on these."""
        self._engine.abort_request([str(number) for number in numbers])

    def close(self) -> None:
        """End its processes."""
        self._engine.engine_core.shutdown()


class SeveralReplicas:
    """Replicas that work by themselves and tell what is finished."""

    waits_for_steps = False

    def __init__(self, config: Any, tell: Callable[[Finished], None]) -> None:
        self._tell = tell
        self._balance = Balance(config.parallel_config.data_parallel_size)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="replicas", daemon=True).start()
        self._engine = self._wait(self._open(config))

    def add(self, number: int, ids: Sequence[int], params: Any) -> None:
        """Take a request."""
        asyncio.run_coroutine_threadsafe(self._answer(number, ids, params), self._loop)

    def step(self) -> list[Finished]:
        """Nothing: what is finished is told."""
        return []

    def forget(self, numbers: Sequence[int]) -> None:
        """Stop work on these."""
        self._wait(self._engine.abort([str(number) for number in numbers]))

    def close(self) -> None:
        """End its processes."""
        self._engine.shutdown()

    async def _open(self, config: Any) -> Any:
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM

        return AsyncLLM.from_vllm_config(
            config, usage_context=UsageContext.LLM_CLASS, disable_log_stats=True
        )

    async def _answer(self, number: int, ids: Sequence[int], params: Any) -> None:
        rank = self._balance.choose(ids)
        try:
            # one output only: all of the answer when it is finished
            async for output in self._engine.generate(
                _rendered(ids), params, str(number), data_parallel_rank=rank
            ):
                self._tell(Finished(number, output))
        except ValueError as error:
            self._tell(Finished(number, None, first_line(error)))
        except Exception as error:  # the engine is dead: the main thread raises it
            self._tell(Finished(number, error))
        finally:
            self._balance.done(rank)

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _rendered(ids: Sequence[int]) -> dict[str, Any]:
    """What vLLM makes of a prompt itself; with its type, it is not looked at once more."""
    return {"type": "token", "prompt_token_ids": ids}
