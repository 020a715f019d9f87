from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rmr1_core import locks
from rmr1_core.errors import RunLocked


def test_a_folder_is_locked_while_it_is_written(tmp_path: Path) -> None:
    with locks.locked(tmp_path), pytest.raises(RunLocked), locks.locked(tmp_path):
        pass
    with locks.locked(tmp_path):
        pass


def test_a_lock_goes_with_its_process(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:  # pragma: no cover
        with locks.locked(tmp_path):
            os._exit(0)
    os.waitpid(child, 0)
    assert locks.holder(tmp_path) is None
    with locks.locked(tmp_path):
        pass


def test_a_lock_says_whose_it_is(tmp_path: Path) -> None:
    assert locks.holder(tmp_path) is None
    with locks.locked(tmp_path):
        assert locks.holder(tmp_path) == locks.this_process()
    assert locks.holder(tmp_path) is None


def test_who_is_refused_leaves_the_holder_named(tmp_path: Path) -> None:
    with locks.locked(tmp_path):
        with pytest.raises(RunLocked), locks.locked(tmp_path):
            pass
        assert locks.holder(tmp_path) == locks.this_process()


def test_a_lock_of_an_older_version_names_nobody(tmp_path: Path) -> None:
    with locks.locked(tmp_path):
        (tmp_path / locks.LOCK_FILE).write_bytes(b"")
        held = locks.holder(tmp_path)
    assert held is not None
    assert held.pid == 0
    assert not locks.is_alive(held)


def test_a_process_is_known_by_when_it_began() -> None:
    here = locks.this_process()
    assert locks.is_alive(here)
    assert not locks.is_alive(locks.Process(here.pid, "1", here.host))
    assert not locks.is_alive(locks.Process(here.pid, here.began, "elsewhere"))


def test_a_process_that_has_ended_is_not_alive_even_if_nobody_waited_for_it() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    known = locks.process_of(process.pid)
    assert locks.is_alive(known)
    os.kill(process.pid, 9)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not locks.is_alive(known)
    process.communicate()
    assert not locks.is_alive(known)
