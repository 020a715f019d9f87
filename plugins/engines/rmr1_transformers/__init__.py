"""Weights run in this process: a batch that is kept full, answers as they finish.

Nothing heavy is imported until the engine is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from rmr1_core import Backbone, Check, Engine, EngineSession, Option, hookimpl
from rmr1_core.errors import MissingPackage
from rmr1_core.hub import prefer_cache_when_unreachable
from rmr1_core.processes import capture


class TransformersEngine(Engine, frozen=True, kw_only=True):
    """Hugging Face weights in this process, on a GPU or a CPU.

    Sampling is what the request says: a model's own generation settings (top-k, penalties) are
    not applied, only its end-of-sequence tokens are.
    """

    prefills: ClassVar[bool] = True
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        Option(description="'auto': bfloat16 on a GPU that has it, float32 on a CPU"),
    ] = "auto"
    device: Annotated[
        str, Option(description="'auto' (a GPU if there is one), 'cpu', 'cuda', 'cuda:1', …")
    ] = "auto"
    attn_implementation: Annotated[
        str,
        Option(
            description="'auto': flash_attention_2 where the package and a GPU exist, else sdpa, "
            "and eager for models without it; or any that transformers knows"
        ),
    ] = "auto"
    max_batch_size: Annotated[int, Option(description="answers written at a time", ge=1)] = 256
    max_batch_tokens: Annotated[
        int,
        Option(
            description="tokens held at a time, prompts and answers; 0: what memory allows", ge=0
        ),
    ] = 0
    max_context: Annotated[
        int, Option(description="longest prompt and answer; 0: the model's own limit", ge=0)
    ] = 0
    threads: Annotated[
        int, Option(description="threads on a CPU; 0: as many as torch chooses", ge=0)
    ] = 0

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[EngineSession]:
        """Load the weights and the tokenizer once.

        Raises:
            UsageError: the folder lacks something, the hub cannot be reached, or torch is missing.
            EngineFailed: the weights do not fit the device.
        """
        if not Path(backbone.model).expanduser().is_dir():
            prefer_cache_when_unreachable()
        try:
            import torch
            import transformers
        except ModuleNotFoundError as error:
            package = error.name or "torch"
            raise MissingPackage(
                package, "the engine 'transformers'", "pip install 'rmr1[local]'"
            ) from None
        del torch, transformers
        from rmr1_transformers.loading import load
        from rmr1_transformers.session import TransformersSession

        session = TransformersSession(load(self, backbone), self)
        try:
            yield session
        finally:
            session.close()


@hookimpl
def rmr1_engines() -> Iterable[Engine]:
    """Offer `transformers`."""
    return [
        TransformersEngine(
            name="transformers",
            summary="weights in this process, on a GPU or a CPU",
            default=True,
        )
    ]


@hookimpl
def rmr1_checks() -> Iterable[Check]:
    """Are torch and transformers here, and is torch built for the GPUs that are?"""
    from importlib import metadata

    try:
        torch, transformers = metadata.version("torch"), metadata.version("transformers")
    except metadata.PackageNotFoundError as error:
        detail = (
            f"{error.name} is not installed; to judge in this process: pip install 'rmr1[local]'"
        )
        return [Check(name="torch and transformers", ok=None, detail=detail)]
    detail = f"torch {torch}, transformers {transformers}"
    if "+cpu" in torch and capture(["nvidia-smi", "-L"]):
        detail += "; this torch does not see the GPUs, install the build for your CUDA"
        return [Check(name="torch and transformers", ok=False, detail=detail)]
    return [Check(name="torch and transformers", ok=True, detail=detail)]
