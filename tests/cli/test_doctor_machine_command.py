"""`rmr1 doctor`, as one types it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


@pytest.fixture(autouse=True)
def nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMR1_ENVIRONMENTS", str(tmp_path / "none"))


def test_a_sound_machine_ends_with_0_and_a_count(cli: Cli, tmp_path: Path) -> None:
    done = cli("doctor", "--runs-dir", str(tmp_path))
    assert done.code == 0, done.err
    assert "build it with: rmr1 env create vllm" in done.out
    assert "checks: " in done.out.splitlines()[-1]


def test_what_is_wrong_ends_with_1_and_its_name(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "run-1").mkdir()
    (tmp_path / "run-1" / "run.json").write_text("{")
    done = cli("doctor", "--runs-dir", str(tmp_path), "--json")
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("error: not as it should be: run-1;")
    (runs,) = [part for part in done.json["parts"] if part["title"] == "runs"]
    assert [check["ok"] for check in runs["checks"]] == [False, True]


def test_options_before_a_subcommand_are_refused(cli: Cli) -> None:
    done = cli("doctor", "--json", "prompt", "--backbone", "x")
    assert done.code == 2
    assert "write options after the command: rmr1 doctor prompt" in done.err
