"""One of OpenRLHF's processes: its own program with our flags, and a line of events per step."""

from __future__ import annotations

import os
import runpy
import signal
import sys
from importlib.metadata import version
from pathlib import Path

from rmr1_openrlhf.inside import attention, keys, places, reporting
from rmr1_openrlhf.inside.check import PROGRAM

_SIGNAL_OF_PARENTS_DEATH = 1
"""PR_SET_PDEATHSIG."""


def run(output: str, *words: str) -> int:
    """Train to the end. What fails is left where PyTorch's agent finds it."""
    from torch.distributed.elastic.multiprocessing.errors import record

    end_with_parent()
    os.register_at_fork(after_in_child=end_with_parent)
    os.environ.setdefault("HF_DATASETS_CACHE", str(Path(output) / places.CACHE))
    record(_train)(Path(output), list(words))
    return 0


def end_with_parent() -> None:
    """Have the kernel kill this process when the one that started it is gone, whatever it does."""
    import ctypes

    parent = os.getppid()
    ctypes.CDLL(None).prctl(_SIGNAL_OF_PARENTS_DEATH, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _train(output: Path, words: list[str]) -> None:
    release = version("openrlhf")
    chosen = attention.choose(_asked(words, release))
    attention.settle(chosen)
    reporter = reporting.Reporter(output / places.EVENTS, attention=chosen)
    reporter.watch()
    template = output / places.TEMPLATE
    if template.exists() and not keys.given("template", words, release):
        words += [keys.names(release)["template"], template.read_text(encoding="utf-8")]
    sys.argv = [PROGRAM, *words]
    runpy.run_module(PROGRAM, run_name="__main__", alter_sys=True)
    reporter.finish(output / places.FINISHED)


def _asked(words: list[str], release: str) -> str:
    """The attention that is asked for by name; it is taken from the words that OpenRLHF gets,
    which would warn of it."""
    return keys.given("attn_implementation", words, release)
