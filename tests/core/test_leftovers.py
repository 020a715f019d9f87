from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rmr1_core.leftovers import FOLDER, VARIABLE, marked, sweep, swept

SLEEP = "import time; print(flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


def started(script: str = SLEEP, **env: str) -> subprocess.Popen[bytes]:
    """A process that has left its group, once it runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_what_inherited_the_marker_is_found_and_ended() -> None:
    marker = f"{VARIABLE}=this"
    with started(RMR1_JOB="this") as mine, started(RMR1_JOB="this-too") as other:
        assert marked(marker) == [mine.pid]
        sweep(marker)
        assert mine.wait() == -15
        assert other.poll() is None
        other.kill()


def test_what_does_not_listen_is_ended_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rmr1_core.leftovers.GRACE_SECONDS", 0.2)
    with started(STUBBORN, RMR1_JOB="stubborn") as process:
        sweep(f"{VARIABLE}=stubborn")
        assert process.wait() == -9


def test_what_outlives_the_block_is_ended(tmp_path: Path) -> None:
    with swept(tmp_path) as environment:
        process = started(**environment)
    with process:
        assert process.wait() == -15


def test_every_block_has_a_marker_of_its_own(tmp_path: Path) -> None:
    with swept(tmp_path / "a") as one, swept(tmp_path / "b") as other:
        assert one[VARIABLE] != other[VARIABLE]


def test_what_an_earlier_attempt_left_is_ended_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rmr1_core.leftovers.GRACE_SECONDS", 0.2)
    places = [str(tmp_path / "é a=b"), str(tmp_path / "other")]
    mine, other = (started(STUBBORN, RMR1_JOB="x", **{FOLDER: place}) for place in places)
    with mine, other, swept(Path(places[0])):
        assert mine.poll() == -9
        assert other.poll() is None
        other.kill()
