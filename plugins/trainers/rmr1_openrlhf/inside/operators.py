"""DeepSpeed's operators, compiled once for this environment and before all processors need them.

PyTorch marks a folder in which it compiles with a file `lock`, and waits for as long as the file is
there: a process that is killed at that moment lets all later ones hang. Compiling is left to one
process at a time here, which removes what is too old to be of a living one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import time
from pathlib import Path

from rmr1_openrlhf.inside import keys

STALE_SECONDS = 60.0
"""Loading what is compiled takes the lock for a moment; nobody but us compiles."""


def run(*words: str) -> int:
    """Compile what training with these flags needs."""
    folder = Path(os.environ["TORCH_EXTENSIONS_DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    for name, builder in needed(list(words)).items():
        with (folder / f"{name}.rmr1-lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            unlock(folder / name / "lock")
            if not (folder / name / f"{name}.so").exists():
                _compile(name, builder)
    return 0


def needed(words: list[str]) -> dict[str, str]:
    """DeepSpeed's operators by name, each with its builder."""
    from importlib.metadata import version

    found = {}
    if os.environ.get("DS_ACCELERATOR") == "cpu":
        found["deepspeed_shm_comm"] = "ShareMemCommBuilder"
    if keys.names(version("openrlhf"))["adam_offload"] in words:
        return {**found, "cpu_adam": "CPUAdamBuilder"}
    return {**found, "fused_adam": "FusedAdamBuilder"}


def unlock(lock: Path) -> None:
    """Wait until nobody can hold this lock; remove one that a killed process left."""
    while True:
        try:
            age = time.time() - lock.stat().st_mtime
        except FileNotFoundError:
            return
        if age > STALE_SECONDS:
            lock.unlink(missing_ok=True)
            return
        time.sleep(1)


def _compile(name: str, builder: str) -> None:
    """Compile one operator.

    Raises:
        RuntimeError: there is no compiler, or it refuses.
    """
    for program in (os.environ.get("CXX", "g++"), "ninja"):
        if not shutil.which(program):
            raise RuntimeError(
                f"DeepSpeed has to compile its operator {name}, and there is no {program}; "
                f"install {program}"
            )
    from deepspeed.accelerator import get_accelerator

    print(f"compiling DeepSpeed's operator {name}, once", file=sys.stderr, flush=True)
    get_accelerator().create_op_builder(builder).load(verbose=False)
