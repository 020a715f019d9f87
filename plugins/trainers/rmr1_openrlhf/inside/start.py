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

import hashlib
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
    os.environ.setdefault("TORCH_EXTENSIONS_DIR", str(compiled_folder(Path(sys.prefix))))
    _stand_in_for_the_package()
    verb, *words = sys.argv[1:]
    assert verb in VERBS, f"{verb} is none of {', '.join(VERBS)}"
    sys.exit(import_module(f"{PACKAGE}.inside.{verb}").run(*words))


def compiled_folder(prefix: Path) -> Path:
    """Where the operators are kept, in the user's cache, that were compiled for the environment in
    this folder, and not for one elsewhere or before: those would be compiled anew in the middle of
    a training, by PyTorch, which compares the headers' paths and times."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    built = prefix / "pyvenv.cfg"
    when = built.stat().st_mtime_ns if built.exists() else 0
    key = hashlib.sha256(f"{prefix} {when}".encode()).hexdigest()[:12]
    return Path(cache) / "rmr1" / "torch_extensions" / f"{prefix.name}-{key}"


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
