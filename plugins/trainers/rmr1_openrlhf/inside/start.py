"""Started by its path with the environment's Python, once for each step of a job.

    python start.py check FLAGS…               do the flags exist in the installed release?
    python start.py data MODEL ROWS OUTPUT N   rows as OpenRLHF reads them, of N tokens at most
    python start.py train OUTPUT FLAGS…        OpenRLHF on all processors of this node
    python start.py rank OUTPUT FLAGS…         one of its processes; `train` starts these
    python start.py result MODEL OUTPUT        the trained model in its place
    python start.py lengths MODEL ROWS         how long the rows are, in tokens, as JSON
    python start.py operators FLAGS…           DeepSpeed's operators, compiled; `train` starts this

What it starts ends with the process that started it.
"""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from pathlib import Path
from types import ModuleType

PACKAGE = "rmr1_openrlhf"
VERBS = ("check", "data", "train", "rank", "result", "lengths", "operators")


def main() -> None:
    """Do what the command line says."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.cuda")
    os.environ.setdefault("TORCH_EXTENSIONS_DIR", str(_compiled_folder()))
    _stand_in_for_the_package()
    verb, *words = sys.argv[1:]
    assert verb in VERBS, f"{verb} is none of {', '.join(VERBS)}"
    sys.exit(import_module(f"{PACKAGE}.inside.{verb}").run(*words))


def _compiled_folder() -> Path:
    """Where operators that were compiled for this environment are kept, in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "rmr1" / "torch_extensions" / Path(sys.prefix).name


def _stand_in_for_the_package() -> None:
    """Make our own modules importable under their names, without the package's `__init__`, which
    needs rmr1, and without their folder on the path, where they would hide others' modules."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if entry != str(here)]
    package = ModuleType(PACKAGE)
    package.__path__ = [str(here.parent)]
    sys.modules[PACKAGE] = package


if __name__ == "__main__":
    main()
