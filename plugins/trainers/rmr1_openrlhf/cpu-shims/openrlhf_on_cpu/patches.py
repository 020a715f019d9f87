"""What OpenRLHF's trainers take for granted, and a CPU has not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

STAND_INS = Path(__file__).parent / "stand_ins"


def apply() -> None:
    """Patch this process, unless it has a GPU."""
    if torch.cuda.is_available():
        return
    sys.path.append(str(STAND_INS))  # the last place: a real flash_attn comes before it
    _answer_for_a_gpu()
    _build_meshes_of_cpus()
    _attend_without_flash()


def _answer_for_a_gpu() -> None:
    """OpenRLHF selects a device, moves scalars to it, waits for it and empties its cache."""
    torch.cuda.set_device = lambda *_, **__: None
    torch.cuda.synchronize = lambda *_, **__: None
    torch.cuda.empty_cache = lambda: None
    torch.cuda.current_device = lambda: torch.device("cpu")  # type: ignore[assignment,return-value]


def _build_meshes_of_cpus() -> None:
    """OpenRLHF's mesh of devices is written for GPUs."""
    from torch.distributed import device_mesh

    build = device_mesh.init_device_mesh

    def init_device_mesh(device_type: str, *args: Any, **kwargs: Any) -> Any:
        return build("cpu" if device_type == "cuda" else device_type, *args, **kwargs)

    device_mesh.init_device_mesh = init_device_mesh


def _attend_without_flash() -> None:
    """Where flash attention is asked for, take PyTorch's own, which keeps packed rows apart too."""
    from transformers.models.auto.auto_factory import _BaseAutoModelClass

    load = _BaseAutoModelClass.from_pretrained.__func__

    def from_pretrained(cls: type, *args: Any, **kwargs: Any) -> Any:
        if "flash_attention" in str(kwargs.get("attn_implementation")):
            kwargs["attn_implementation"] = "sdpa"
        return load(cls, *args, **kwargs)

    _BaseAutoModelClass.from_pretrained = classmethod(from_pretrained)
