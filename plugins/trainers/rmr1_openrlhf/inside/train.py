"""OpenRLHF on this node: PyTorch's elastic agent, and the error of the rank that failed first.

The agent reads the variables PET_*, as `torchrun` does. Its own error says only that a child
failed; what is printed last here is what the child said, and a child that was killed kills us.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

from rmr1_openrlhf.inside import places

START = Path(__file__).with_name("start.py")


def run(output: str, *words: str) -> int:
    """Train, unless it is done. One rank's failure ends all."""
    if (Path(output) / places.FINISHED).exists():
        return 0
    compiled = subprocess.run([sys.executable, str(START), "operators", *words], check=False)
    if compiled.returncode:
        return compiled.returncode
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    try:
        main([str(START), "rank", output, *words])
    except ChildFailedError as error:
        _fail_as(error)
    except SignalException as stopped:
        _die_of(stopped.sigval)
    return 0


def _fail_as(error: Any) -> NoReturn:
    rank, failure = error.get_first_failure()
    if failure.exitcode < 0:
        name = signal.Signals(-failure.exitcode).name
        print(f"rank {rank} was killed by {name}", file=sys.stderr, flush=True)
        _die_of(-failure.exitcode)
    said = failure.error_file_data.get("message", {}) if failure.error_file_data else {}
    words = said.get("message") if isinstance(said, dict) else said
    print(words or f"rank {rank} ended with exit code {failure.exitcode}", file=sys.stderr)
    sys.exit(1)


def _die_of(number: int) -> None:
    """End as whoever is killed by this signal."""
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
