"""The packages under examples/, for the tests that build, install and read them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("rmr1-*/pyproject.toml"))
ELSEWHERE = {"rmr1-interop"}
"""Those that depend on packages which exclude ours: they have an environment of their own."""
TOGETHER = [package for package in EXAMPLES if package.name not in ELSEWHERE]
OwnTests = Callable[[str], "subprocess.CompletedProcess[str]"]
