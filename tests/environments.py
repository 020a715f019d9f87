"""A small environment to build for real: wheels that are a few lines of zip, and no index."""

from __future__ import annotations

import hashlib
import sys
import tempfile
import zipfile
from pathlib import Path
from textwrap import dedent
from typing import Any

import msgspec
import pytest

from rmr1_core import Environment, EnvironmentVariant

NAME = "small-one"
ADOPT = "RMR1_ENV_SMALL_ONE"
CACHE = tempfile.mkdtemp(prefix="rmr1-uv-")
"""uv asks every Python that it finds who it is, and remembers it here."""


def wheel(folder: Path, package: str, source: str, version: str = "1.0") -> str:
    """Write a wheel with one module, and return its line of a lock."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{package}-{version}-py3-none-any.whl"
    info = f"{package}-{version}.dist-info"
    files = {
        f"{package}.py": dedent(source),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/top_level.txt": f"{package}\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{package}=={version} \\\n    --hash=sha256:{digest}\n"


class Place:
    """Wheels, requirements and a lock in a folder, and the environment that is made of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.wheels = folder, folder / "wheels"
        self.requirements, self.lock = folder / "cpu.in", folder / "cpu.txt"
        self.root = folder / "environments"
        self.offer("VALUE = 1\n")

    def offer(self, source: str, version: str = "1.0") -> None:
        """Lock this version of the package `smallish`, with this module."""
        self.lock.write_text(wheel(self.wheels, "smallish", source, version))
        self.requirements.write_text(f"smallish=={version}\n")

    def environment(self, **changes: Any) -> Environment:
        """The environment with the package `smallish`."""
        variant = EnvironmentVariant(
            requirements=self.requirements,
            lock=self.lock,
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
        )
        return Environment(
            name=NAME,
            summary="a module with a value",
            module="smallish",
            variants={"cpu": msgspec.structs.replace(variant, **changes)},
        )

    def plugin(self) -> str:
        """The source of a plugin that offers the environment, and an engine that runs in it."""
        return f"""
            import sys
            from pathlib import Path
            from typing import ClassVar
            sys.path.insert(0, {str(Path(__file__).parent)!r})
            from environments import Place
            from rmr1_core import hookimpl
            from sample_plugin import ScriptedByOptions

            class Away(ScriptedByOptions, frozen=True, kw_only=True):
                environment: ClassVar[str] = {NAME!r}

            @hookimpl
            def rmr1_engines():
                return [Away(name="away", summary="answers from elsewhere")]

            @hookimpl
            def rmr1_environments():
                place = Place.__new__(Place)
                place.requirements = Path({str(self.requirements)!r})
                place.lock = Path({str(self.lock)!r})
                return [place.environment(env={{"SMALL": "yes"}})]
            """


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A small environment that nothing has been built of, on a machine without a GPU."""
    found = Place(tmp_path / "place")
    monkeypatch.setenv("RMR1_ENVIRONMENTS", str(found.root))
    monkeypatch.setenv("RMR1_ENV_VARIANT", "cpu")
    monkeypatch.setenv("PIP_FIND_LINKS", str(found.wheels))
    monkeypatch.delenv("UV_FIND_LINKS", raising=False)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_CACHE_DIR", CACHE)
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.delenv(ADOPT, raising=False)
    return found
