from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from living import ends

import rmr1_verl
from rmr1_verl.inside import children

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
HERE = Path(rmr1_verl.__file__).parent.parent

DAEMONS = """
import subprocess, sys, time
sys.path.insert(0, {path!r})
from rmr1_verl.inside import children
children.adopt_orphans()
script = "setsid sh -c 'trap \\"\\" TERM; echo $$ > {pids}; sleep 60' & sleep 0.3"
subprocess.run(["sh", "-c", script], check=True)
print(len(children.descendants()), flush=True)
{then}
"""


def run(tmp_path: Path, then: str) -> tuple[subprocess.Popen[str], int]:
    pids = tmp_path / "pids"
    code = DAEMONS.format(path=str(HERE), pids=pids, then=then)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert int(process.stdout.readline()) >= 1
    return process, int(pids.read_text())


def test_a_daemon_that_left_its_group_and_hears_no_signal_is_ended(tmp_path: Path) -> None:
    process, daemon = run(tmp_path, "children.GRACE_SECONDS = 0.2; children.end_all()")
    assert process.wait(20) == 0
    assert ends(daemon)


def test_a_bound_command_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    child = f"import os, time; open({str(file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = (
        f"import sys, subprocess; sys.path.insert(0, {str(HERE)!r})\n"
        "from rmr1_verl.inside import children\n"
        f"subprocess.run(children.bound([sys.executable, '-c', {child!r}]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    while not (file.exists() and file.read_text()):
        time.sleep(0.02)
    pid = int(file.read_text())
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert ends(pid)


def test_cpu_time_of_descendants_is_measured() -> None:
    spent = children.Spent()
    busy = "import time\nwhile time.process_time() < 0.3: pass\nprint(1, flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert spent.look() >= 0.25
        process.kill()
    assert spent.look() >= 0.25
