from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rmr1_core.leftovers import VARIABLE, marked, sweep, swept

SLEEP = "import time; print(flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


def started(marker: str, script: str = SLEEP) -> subprocess.Popen[bytes]:
    """A process that has left its group, once it runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, VARIABLE: marker},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_what_inherited_the_marker_is_found_and_ended() -> None:
    with started("this") as mine, started("this-too") as other:
        assert marked("this") == [mine.pid]
        sweep("this")
        assert mine.wait() == -15
        assert other.poll() is None
        other.kill()


def test_what_does_not_listen_is_ended_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rmr1_core.leftovers.GRACE_SECONDS", 0.2)
    with started("stubborn", STUBBORN) as process:
        sweep("stubborn")
        assert process.wait() == -9


def test_what_outlives_the_block_is_ended() -> None:
    with swept() as environment:
        process = started(environment[VARIABLE])
    with process:
        assert process.wait() == -15


def test_every_block_has_a_marker_of_its_own() -> None:
    with swept() as one, swept() as other:
        assert one[VARIABLE] != other[VARIABLE]
