"""Started by its path with the environment's Python, once for each step of a job.

    python start.py check SETTINGS OVERRIDES…    would the installed veRL heed these settings?
    python start.py data SETTINGS                the rows as parquet
    python start.py train SETTINGS OVERRIDES…    the training, from its last checkpoint on
    python start.py merge SETTINGS               the last checkpoint in Hugging Face format

A step that is done already ends at once.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType


def main() -> None:
    """Do what the command line says."""
    _stand_in_for_the_package()
    verb, given, *overrides = sys.argv[1:]
    from rmr1_verl.inside.settings import Settings

    settings = Settings.read(given)
    step = import_module(f"rmr1_verl.inside.{verb}")
    sys.exit(step.main(settings, overrides))


def _stand_in_for_the_package() -> None:
    """Make our own modules importable under their names, without the package's `__init__`, which
    needs rmr1, and without their folder on the path, where `data` would hide others' modules."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if entry != str(here)]
    package = ModuleType("rmr1_verl")
    package.__path__ = [str(here.parent)]
    sys.modules["rmr1_verl"] = package


if __name__ == "__main__":
    main()
