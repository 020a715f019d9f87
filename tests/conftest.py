"""What several tests need: the shared data, and plugins installed for one test."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from rmr1_core.discovery import plugins

if TYPE_CHECKING:
    from rmr1_core.environments import Located

    Managed = Callable[[str], Located]

ROOT = Path(__file__).parent.parent

# tests that interrupt what they start mean it, even where all of this runs in the background
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# nothing is asked of the hub, and the user's own cache is left alone
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_CACHE", tempfile.mkdtemp(prefix="rmr1-datasets-"))

# runs leave no page, which takes longer than they do; tests of the page switch it on
os.environ.setdefault("RMR1_REPORT", "no")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real benchmark data and the original scorers' answers, beside the checkout."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("../shared, with the benchmarks' data, is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def managed_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    """Build a managed environment as a user does, in its CPU variant, once for all tests; in
    $RMR1_ENVIRONMENTS where that is set, so that several test runs share it."""
    from rmr1_core.environments import locate

    patched = pytest.MonkeyPatch()
    patched.setenv("RMR1_ENV_VARIANT", "cpu")
    if "RMR1_ENVIRONMENTS" not in os.environ:
        patched.setenv("RMR1_ENVIRONMENTS", str(tmp_path_factory.mktemp("environments")))

    @functools.cache
    def built(name: str) -> Located:
        if f"RMR1_ENV_{name.upper()}" not in os.environ:
            create = [sys.executable, "-m", "rmr1_core", "env", "create", name]
            done = subprocess.run(create, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        return locate(name)

    yield built
    patched.undo()


@pytest.fixture
def install_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """Install a plugin as pip would: a module and its dist-info on the path."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    modules: list[str] = []

    def install(name: str, source: str, *, version: str = "1.0", package: str = "") -> None:
        module = package or f"installed_{name.replace('-', '_')}"
        modules.append(module)
        (site / f"{module}.py").write_text(dedent(source))
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {module}\nVersion: {version}\n"
        )
        (info / "entry_points.txt").write_text(f"[rmr1]\n{name} = {module}\n")
        plugins.cache_clear()

    plugins.cache_clear()
    yield install
    for module in modules:
        sys.modules.pop(module, None)
    plugins.cache_clear()


@pytest.fixture
def sample(install_plugin: Callable[..., None]) -> None:
    """The plugin of `sample_plugin.py`, installed."""
    install_plugin("sample", Path(__file__).with_name("sample_plugin.py").read_text())


@pytest.fixture
def rmr1(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line as a user does: its own process, in an empty folder."""
    folder = tmp_path / "cwd"
    folder.mkdir()

    def run(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rmr1_core", *args],
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
