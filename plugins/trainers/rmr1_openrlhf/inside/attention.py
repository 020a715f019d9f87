"""Which attention trains: flash-attn where it is installed and a GPU is there, else PyTorch's own.

Packed rows stay apart in both: OpenRLHF gives each row its own positions and no mask, and
transformers makes of these a mask that is block by block (sdpa) or hands them to the kernel
(flash_attention_2). OpenRLHF 0.11.2 takes flash_attention_2 for packed rows whatever it is told,
with a warning, and imports helpers of flash_attn anyway; so what was chosen is set where it loads
the model, and the helpers are ours where there are no others.
"""

from __future__ import annotations

import functools
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FLASH, PLAIN = "flash_attention_2", "sdpa"
STAND_INS = Path(__file__).parents[1] / "cpu-shims" / "openrlhf_on_cpu" / "stand_ins"


def choose(wanted: str) -> str:
    """The implementation to use for what was asked for; "" leaves it to us.

    Raises:
        RuntimeError: flash attention is asked for by name, and cannot run here.
    """
    import torch

    installed = _installed()
    if not wanted:
        return FLASH if installed and torch.cuda.is_available() else PLAIN
    if wanted == FLASH and not (installed and torch.cuda.is_available()):
        lacking = "flash-attn is not installed" if not installed else "there is no GPU"
        raise RuntimeError(f"attn_implementation {FLASH}: {lacking}; leave it at 'auto'")
    return wanted


def settle(chosen: str) -> None:
    """Let OpenRLHF load every model with this implementation."""
    if find_spec("flash_attn") is None:
        sys.path.append(str(STAND_INS))
    from openrlhf.models import Actor

    load = Actor.__init__

    @functools.wraps(load)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        load(self, *args, **{**kwargs, "attn_implementation": chosen})

    Actor.__init__ = __init__


def _installed() -> bool:
    """Whether there is a flash_attn with a kernel in it, and not our stand-in."""
    found = find_spec("flash_attn")
    return bool(found and found.origin and STAND_INS.name not in Path(found.origin).parts)
