"""The example package of two other harnesses, installed beside the real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from packages import ROOT

PACKAGE = ROOT / "examples" / "rmr1-interop"


@pytest.mark.slow
def test_the_benchmarks_give_the_same_numbers_in_other_harnesses(tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    call([*uv, "venv", "--python", sys.executable, str(tmp_path / "venv")])
    what = [str(ROOT), f"{PACKAGE}[inspect,lm-eval]", "pytest"]
    pins = ["-c", str(PACKAGE / "constraints.txt")]
    call([*uv, "pip", "install", "--python", str(python), *pins, *what])
    options = ["-p", "no:cacheprovider", "--rootdir", str(PACKAGE), "-c", os.devnull]
    call([str(python), "-m", "pytest", "-q", *options, str(PACKAGE / "tests")], cwd=tmp_path)


def call(argv: list[str], cwd: Path | None = None) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(argv, cwd=cwd, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
