"""What `rmr1 doctor` finds, on machines made for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rmr1_core import health
from rmr1_core.keys import key_check
from rmr1_core.values import Check

Cli = Callable[..., Any]


@pytest.fixture(autouse=True)
def nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMR1_ENVIRONMENTS", str(tmp_path / "none"))


def found(root: Path) -> dict[str, Check]:
    return {check.name: check for part in health.gather(root).parts for check in part.checks}


def test_what_is_well_is_said_and_nothing_is_made(tmp_path: Path) -> None:
    checks = found(tmp_path / "runs")
    assert checks["plugins"].ok
    assert checks["cor-instruct"].ok
    assert checks["disk for runs"].ok
    assert not (tmp_path / "runs").exists()


def test_a_broken_plugin_is_named_with_what_switches_it_off(
    tmp_path: Path, install_plugin: Callable[..., None]
) -> None:
    install_plugin("broken", "import no_such_module")
    check = found(tmp_path)["plugin broken"]
    assert check.ok is False
    assert "no_such_module" in check.detail
    assert "RMR1_DISABLE_PLUGINS=broken" in check.detail


def test_what_a_plugin_looks_at_is_shown_and_one_that_raises_is_named(
    tmp_path: Path, install_plugin: Callable[..., None]
) -> None:
    source = """
        from rmr1_core import Check, hookimpl

        @hookimpl
        def rmr1_checks():
            yield Check(name="licence", ok=False, detail="buy one")
    """
    install_plugin("licensed", source)
    install_plugin("hasty", source.replace("yield Check", "raise OSError('no'); yield Check"))
    checks = found(tmp_path)
    assert checks["licence"].ok is False
    assert (checks["hasty"].ok, checks["hasty"].detail) == (None, "it could not look: OSError: no")


def test_a_damaged_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "run-1").mkdir()
    (tmp_path / "run-1" / "run.json").write_text("{")
    checks = found(tmp_path)
    assert checks["run-1"].ok is False
    assert checks["runs"].detail.startswith("1 in")


@pytest.mark.parametrize(
    ("key", "ok"), [("", None), ("sk-123", True), ("sk 123", False), ("sk-\u20ac", False)]
)
def test_a_key_is_looked_at_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, key: str, ok: bool | None
) -> None:
    monkeypatch.setenv("SOME_KEY", key)
    check = key_check("SOME_KEY", "something")
    assert check.ok is ok
    assert not key or key not in check.detail


def test_an_unreachable_hub_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    check = found(tmp_path)["hub"]
    assert check.ok is None
    assert "http://127.0.0.1:9 does not answer" in check.detail
