"""Packages built, installed into a fresh environment and used there, as their users would do it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def fresh_environment(folder: Path, *sources: Path) -> tuple[Path, Command]:
    """A fresh environment with these packages, as wheels: its site-packages, and what runs one of
    its programs there.

    What they depend on is seen in the environment of the tests, so that nothing big is fetched.
    """
    built = [_wheel(source, folder / "dist") for source in sources]
    home, cwd = folder / "venv", folder / "cwd"
    venv.create(home, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    install = ["--python", str(home / "bin" / "python"), "install", "--no-deps"]
    _call([*pip, *install, *map(str, built)], cwd=folder)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "RMR1_RUNS")}
    cwd.mkdir()

    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        program, *arguments = argv
        return _call([str(home / "bin" / program), *arguments], cwd=cwd, env=environment)

    return site, run


def _wheel(source: Path, folder: Path) -> Path:
    before = set(folder.glob("*.whl"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "wheel"]
    _call([*pip, "--no-deps", "--wheel-dir", str(folder), str(source)], cwd=folder.parent)
    (wheel,) = set(folder.glob("*.whl")) - before
    return wheel


def _call(
    argv: list[str], *, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done
