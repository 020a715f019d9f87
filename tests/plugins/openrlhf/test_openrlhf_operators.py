"""Operators are compiled once for an environment, and what a killed compiler leaves does not stop
the next one."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from rmr1_openrlhf.inside import operators
from rmr1_openrlhf.inside.start import compiled_folder


def test_a_lock_that_a_killed_process_left_is_removed(tmp_path: Path):
    lock = tmp_path / "lock"
    lock.touch()
    long_ago = time.time() - operators.STALE_SECONDS - 1
    os.utime(lock, (long_ago, long_ago))
    operators.unlock(lock)
    assert not lock.exists()


def test_a_lock_of_a_living_process_is_waited_for(tmp_path: Path):
    lock = tmp_path / "lock"
    lock.touch()
    threading.Timer(0.2, lock.unlink).start()
    operators.unlock(lock)  # unlink would raise in the thread if this had removed it
    assert not lock.exists()


def test_no_lock_is_no_wait(tmp_path: Path):
    operators.unlock(tmp_path / "lock")


def test_an_environment_elsewhere_or_built_anew_has_operators_of_its_own(tmp_path: Path):
    here, there = tmp_path / "here/openrlhf", tmp_path / "there/openrlhf"
    for prefix in (here, there):
        prefix.mkdir(parents=True)
        (prefix / "pyvenv.cfg").touch()
    first = compiled_folder(here)
    assert compiled_folder(here) == first != compiled_folder(there)
    os.utime(here / "pyvenv.cfg", (1, 1))
    assert compiled_folder(here) != first
