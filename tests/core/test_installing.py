"""`rmr1 install`: uv is real, and finds the packages of a folder; only dry runs touch the
environment of the tests."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import site
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from rmr1_core import places
from rmr1_core.cli import run_command
from rmr1_core.errors import UsageError
from rmr1_core.installing import Change, changes_in
from rmr1_core.places import needed_by, own_packages, place

PLUGIN = """
from rmr1_core import RewardFunction, hookimpl

class Brief(RewardFunction, frozen=True):
    def __call__(self, judgment, label):
        return 1.0

@hookimpl
def rmr1_rewards():
    return [Brief(name="{name}", summary="short")]
"""


def wheel(
    folder: Path, name: str, version: str = "1.0", *, needs: str = "", source: str = ""
) -> Path:
    """A wheel with one module, that is a plugin where it has a source."""
    module = name.replace("-", "_")
    path = folder / f"{module}-{version}-py3-none-any.whl"
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + (f"Requires-Dist: {needs}\n" if needs else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if source:
        files[f"{info}/entry_points.txt"] = f"[rmr1]\n{name} = {module}\n"
    rows = [f"{name_},sha256={_hash(text)},{len(text)}" for name_, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            archive.writestr(inner, text)
    return path


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place that packages come from."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command(argv)
        return (code, *capsys.readouterr())

    return run


Said = Callable[..., tuple[int, str, str]]


def test_what_uv_tells_of_is_read_by_package() -> None:
    told = """Resolved 3 packages in 1ms
Would uninstall 1 package
 - Click==8.1.7
 + click==8.2.0
 + rmr1_units @ file:///x/rmr1-units
 ~ same==1.0 (from file:///y)
 - gone==0.5
"""
    assert changes_in(told) == [
        Change(package="click", before="8.1.7", after="8.2.0"),
        Change(package="gone", before="0.5"),
        Change(package="rmr1-units", after="file:///x/rmr1-units"),
        Change(package="same", before="1.0", after="1.0"),
    ]


def test_a_dry_run_says_what_would_come_and_installs_nothing(shop: Path, said: Said) -> None:
    wheel(shop, "rmr1-brief", source=PLUGIN.format(name="brief"))
    code, out, _ = said("install", "rmr1-brief", "--dry-run")
    assert code == 0
    assert out == f"would change {place()}:\n  rmr1-brief 1.0\n"
    code, out, _ = said("install", "rmr1-brief", "--dry-run", "--json")
    (change,) = json.loads(out)["installed"]["changes"]
    assert change == {"package": "rmr1-brief", "before": "", "after": "1.0"}
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("rmr1-brief")


def test_what_would_change_a_package_that_rmr1_needs_is_refused(shop: Path, said: Said) -> None:
    wheel(shop, "pluggy", "0.1")
    wheel(shop, "rmr1-old", needs="pluggy<1", source=PLUGIN.format(name="old"))
    code, _, err = said("install", "rmr1-old", "--dry-run")
    assert code == 2
    assert err == (
        "error: this would change what rmr1 needs: pluggy "
        f"{metadata.version('pluggy')} → 0.1; nothing was installed; install it all the same "
        "with: rmr1 install rmr1-old --allow-changes\n"
    )
    code, out, _ = said("install", "rmr1-old", "--dry-run", "--allow-changes")
    assert code == 0
    assert f"  pluggy {metadata.version('pluggy')} → 0.1\n" in out


def test_what_does_not_go_with_rmr1_is_refused_with_the_cause(shop: Path, said: Said) -> None:
    wheel(shop, "rmr1-new", needs="rmr1>=99", source=PLUGIN.format(name="new"))
    code, _, err = said("install", "rmr1-new")
    assert code == 2
    assert err.startswith("error: uv cannot do this: No solution found when resolving dependencies")
    assert "rmr1>=99" in err
    assert err.endswith("; nothing was changed\n")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        ((), "say what to install: rmr1 install PACKAGE, or --editable FOLDER"),
        (("./nowhere",), "./nowhere: there is no such folder or file to install"),
        (("-e", "nowhere"), "nowhere: there is no such folder or file to install"),
        (("mine.py",), "mine.py is a file and no package; use it with: rmr1 --plugin mine.py "),
        (("no-such-package",), "no-such-package was not found"),
    ],
)
def test_what_cannot_be_installed_is_refused(
    shop: Path, said: Said, argv: tuple[str, ...], error: str
) -> None:
    Path("mine.py").write_text(PLUGIN)
    code, _, err = said("install", *argv)
    assert code == 2
    assert error in err


@pytest.mark.parametrize(
    ("package", "error"),
    [
        ("rmr1", "this would uninstall rmr1 itself; do that with pip, pipx or uv"),
        ("NumPy", "numpy is needed by rmr1; it stays"),
        ("toy", "plugin 'toy' is of the package 'rmr1'"),
        ("no-such-package", "no-such-package is not installed; see: rmr1 plugins"),
        ("pytest-timeout", "pytest-timeout has no plugin of rmr1; see: rmr1 plugins"),
    ],
)
def test_what_may_not_go_is_refused(said: Said, package: str, error: str) -> None:
    code, _, err = said("uninstall", package, "--dry-run")
    assert code == 2
    assert error in err


def test_own_packages_are_those_that_rmr1_needs_and_what_these_need() -> None:
    own = own_packages()
    assert own["rmr1"] == metadata.version("rmr1")
    assert {"click", "numpy", "packaging", "torch"} <= set(own)  # torch is of an extra
    assert "pyarrow" in own  # of datasets
    assert "pytest" not in own
    assert "rmr1" not in needed_by("pytest")
    assert "rmr1" in needed_by("msgspec")


@pytest.mark.parametrize(
    ("mark", "kind"),
    [
        ("pipx_metadata.json", "pipx"),
        ("uv-receipt.toml", "uv tool"),
        ("conda-meta/history", "conda"),
        ("pyvenv.cfg", "venv"),
    ],
)
def test_the_environment_is_known_by_what_is_in_it(tmp_path: Path, mark: str, kind: str) -> None:
    file = tmp_path / "env" / mark
    file.parent.mkdir(parents=True)
    file.touch()
    assert place(tmp_path / "env", tmp_path / "base").kind == kind


def test_a_python_of_the_system_is_left_alone(tmp_path: Path) -> None:
    assert place(tmp_path, tmp_path, str(tmp_path)).kind == "system"
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    with pytest.raises(UsageError, match=r"belongs to the system.*an environment of its own: "):
        place(tmp_path, tmp_path, str(tmp_path))
    assert place(tmp_path / "venv", tmp_path, str(tmp_path)).kind == "venv"


def test_an_rmr1_that_does_not_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places.sys, "executable", "/bin/false")
    with pytest.raises(places.Rmr1Error, match="does not start any more: it says nothing"):
        places.Inventory.look()


@pytest.mark.slow
def test_packages_come_and_go_with_their_names(shop: Path, tmp_path: Path) -> None:
    """In a fresh environment, which sees rmr1 and what it needs through a path file."""
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    own = site.getsitepackages()[0]
    (packages / "own.pth").write_text(f"import site; site.addsitedir({own!r})\n")
    wheel(shop, "rmr1-brief", source=PLUGIN.format(name="brief"))
    wheel(shop, "rmr1-torn", source="import not_there")
    wheel(shop, "rmr1-clash", source=PLUGIN.format(name="verdict"))

    def rmr1(*argv: str) -> tuple[int, str, str]:
        program = [environment / "bin" / "python", "-m", "rmr1_core", *argv]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    code, out, err = rmr1("install", "rmr1-brief", "rmr1-clash")
    assert code == 0, err
    assert "  rmr1-brief 1.0\n" in out
    assert "  new reward: brief\n" in out
    assert "reward 'verdict' is offered by rmr1-clash and verdict-rewards; say which" in err
    code, out, err = rmr1("install", "rmr1-torn")
    assert code == 1
    assert "BROKEN plugin rmr1-torn: ModuleNotFoundError: No module named 'not_there'" in out
    assert "rmr1 uninstall PACKAGE" in err
    code, out, _ = rmr1("install", "rmr1-brief")
    assert out.startswith(f"all of this is in the virtual environment {environment} already; ")
    assert "nobody can be asked here" in rmr1("uninstall", "rmr1-brief")[2]
    code, out, err = rmr1("uninstall", "rmr1-brief", "rmr1-torn", "--yes")
    assert code == 0, err
    assert "  reward: brief\n" in out
    assert out.endswith("uninstalled\n")
    assert "brief" not in rmr1("list", "rewards")[1]
