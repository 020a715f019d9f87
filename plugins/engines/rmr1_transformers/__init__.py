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


class InProcessEngine(Engine, frozen=True, kw_only=True):
    """Hugging Face weights in this process: the options of all that writes or scores with them."""

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
    threads: Annotated[
        int, Option(description="threads on a CPU; 0: as many as torch chooses", ge=0)
    ] = 0

    def find_libraries(self, *models: str) -> None:
        """See that torch and transformers are here, and that `models`, hub ids or folders, are
        looked for in the cache alone where the hub cannot be reached.

        Raises:
            MissingPackage: torch or transformers is not installed.
        """
        if not all(Path(model).expanduser().is_dir() for model in models):
            prefer_cache_when_unreachable()
        try:
            import torch
            import transformers
        except ModuleNotFoundError as error:
            purpose = f"the engine {self.name!r}"
            raise MissingPackage(
                error.name or "torch", purpose, "pip install 'rmr1[local]'"
            ) from None
        del torch, transformers


class TransformersEngine(InProcessEngine, frozen=True, kw_only=True):
    """Hugging Face weights in this process, on a GPU or a CPU.

    Sampling is what the request says: a model's own generation settings (top-k, penalties) are
    not applied, only its end-of-sequence tokens are.
    """

    prefills: ClassVar[bool] = True
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

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[EngineSession]:
        """Load the weights and the tokenizer once.

        Raises:
            UsageError: the folder lacks something, the hub cannot be reached, or torch is missing.
            EngineFailed: the weights do not fit the device.
        """
        self.find_libraries(backbone.model)
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
