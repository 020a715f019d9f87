"""The CPU in veRL's own registry of platforms.

veRL loads this module and calls nothing in it. It counts GPUs in Ray's resource pools, so Ray has
to be told of one that is not there (`ray_kwargs.ray_init.num_gpus`), and registers its FSDP engine
for `cuda`, so VERL_ENGINE_DEVICE=cuda is needed beside VERL_PLATFORM=cpu.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from verl.plugin.platform.platform_base import PlatformBase
from verl.plugin.platform.platform_manager import PlatformRegistry

from verl_on_cpu import patches, wanted

GIB = 1 << 30


class Device(str):
    """The one device: a name to `tensor.to()`, the number 0 in `f"cpu:{device}"` and in counts."""

    __slots__ = ()

    def __new__(cls) -> Device:  # noqa: D102
        return super().__new__(cls, "cpu")

    def __format__(self, spec: str) -> str:
        return format(0, spec)

    def __int__(self) -> int:
        return 0

    __index__ = __int__


def _device_module() -> types.ModuleType:
    """`torch.cpu`, with the rest of what veRL asks of `torch.cuda`."""
    module = types.ModuleType("verl_on_cpu.device")
    vars(module).update({k: v for k, v in vars(torch.cpu).items() if not k.startswith("_")})
    answers: dict[str, Any] = {
        "is_available": True,
        "device_count": 1,
        "current_device": Device(),
        "get_device_name": "cpu",
        "mem_get_info": (8 * GIB, 16 * GIB),
    }
    memory = ("memory_allocated", "memory_reserved")
    answers |= dict.fromkeys((*memory, *(f"max_{name}" for name in memory)), 0)
    nothing = ("empty_cache", "ipc_collect", "reset_peak_memory_stats", "set_device", "synchronize")
    answers |= dict.fromkeys(nothing)
    for name, answer in answers.items():
        setattr(module, name, lambda *_, _answer=answer, **__: _answer)
    module.manual_seed = module.manual_seed_all = torch.manual_seed  # type: ignore[attr-defined]
    module.get_rng_state = torch.get_rng_state  # type: ignore[attr-defined]
    module.set_rng_state = torch.set_rng_state  # type: ignore[attr-defined]
    return module


@PlatformRegistry.register(platform="cpu")
class PlatformCPU(PlatformBase):
    """A CPU that stands where one GPU would."""

    device_name = "cpu"
    vendor_name = "cpu"
    device_module = _device_module()

    def is_available(self) -> bool:
        """There is always a CPU."""
        return True

    def is_platform_available(self, use_smi_check: bool = False) -> bool:
        """Never by detection: VERL_PLATFORM asks for it."""
        return False

    def current_device(self) -> Any:
        """The one device."""
        return Device()

    def device_count(self) -> int:
        """One."""
        return 1

    def set_device(self, device_index: int) -> None:
        """There is no other."""

    def synchronize(self, device_index: int | None = None) -> None:
        """Nothing is asynchronous."""

    def manual_seed(self, seed: int) -> None:
        """Seed the generator."""
        torch.manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        """Seed the generator."""
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings: str) -> None:
        """The allocator has none."""

    def empty_cache(self) -> None:
        """Nothing is cached."""

    def get_device_capability(self, device_index: int = 0) -> tuple[int | None, int | None]:
        """A CPU has none."""
        return None, None

    def communication_backend_name(self) -> str:
        """What takes the place of NCCL."""
        return "gloo"

    def visible_devices_envvar(self) -> str:
        """What Ray sets for the GPU that it was told of."""
        return "CUDA_VISIBLE_DEVICES"

    @contextmanager
    def nvtx_range(self, msg: str) -> Iterator[None]:
        """Nothing is profiled."""
        yield

    def profiler_start(self) -> None:
        """Nothing is profiled."""

    def profiler_stop(self) -> None:
        """Nothing is profiled."""

    def ray_resource_name(self) -> str:
        """The resource that veRL's pools count."""
        return "GPU"

    def ray_noset_envvars(self) -> list[str]:
        """There are none."""
        return []

    def is_ipc_supported(self) -> bool:
        """No: weights go to the rollout by shared memory."""
        return False

    def cudart(self) -> None:
        """There is none."""


if wanted():
    patches.apply()
