"""Started by its path with the environment's Python: the worker, or vLLM's own server.

    python start.py                      the worker, which talks with rmr1 on its standard streams
    python start.py serve [FLAGS…]       vLLM's OpenAI-compatible server with these flags

Whatever it starts ends with the process that started it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

DEFAULTS = {
    "VLLM_NO_USAGE_STATS": "1",  # nothing is reported to anybody
    "TOKENIZERS_PARALLELISM": "true",
    "VLLM_CONFIGURE_LOGGING": "1",
}


def main() -> None:
    """Do what the command line says."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    _stand_in_for_the_package()
    if sys.argv[1:2] == ["serve"]:
        from rmr1_vllm.inside.serve import serve

        serve(sys.argv[2:])
    else:
        from rmr1_vllm.inside.worker import work

        work()


def end_all() -> None:
    """End this process and all that it started, at once."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    end_all()


def _stand_in_for_the_package() -> None:
    """Make our own modules importable under their names, without the package's `__init__`, which
    needs rmr1, and without their folder on the path, where `worker` would hide others' modules."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if entry != str(here)]
    package = ModuleType("rmr1_vllm")
    package.__path__ = [str(here.parent)]
    sys.modules["rmr1_vllm"] = package


if __name__ == "__main__":
    main()
