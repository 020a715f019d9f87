"""A real Slurm of two nodes on this machine: its daemons as children of the tests, with keys, ports
and folders of their own, and without systemd."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "srun")
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=5
MpiDefault=none
ReturnToService=2
KillWait=3
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=1000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=1000
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why there can be no Slurm here; "" where there can."""
    absent = [name for name in PROGRAMS if _path_of(name) is None]
    return f"no {', '.join(absent)}; apt-get install slurm-wlm munge" if absent else ""


@contextmanager
def cluster(folder: Path) -> Iterator[Path]:
    """Its configuration file, while it runs."""
    configuration = folder / "slurm.conf"
    (folder / "controller").mkdir()
    with ExitStack() as sockets:
        free = [sockets.enter_context(socket.socket()) for _ in range(3)]
        for one in free:
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in free]
    configuration.write_text(
        CONFIGURATION.format(
            host=socket.gethostname(), user=getpass.getuser(), folder=folder, ports=ports
        )
    )
    subprocess.run([_found("mungekey"), "-c", "-k", str(folder / "key")], check=True)
    with ExitStack() as daemons:
        files = {"socket": "munge.socket", "key-file": "key", "seed-file": "seed"}
        files |= {"log-file": "munge.log", "pid-file": "munge.pid"}
        own = [f"--{option}={folder / name}" for option, name in files.items()]
        daemons.enter_context(_daemon(folder, "munged", "--foreground", "--force", *own))
        _wait((folder / "munge.socket").exists, folder)
        daemons.enter_context(_daemon(folder, "slurmctld", "-D", "-f", str(configuration)))
        for node in ("n1", "n2"):
            daemons.enter_context(
                _daemon(folder, "slurmd", "-D", "-N", node, "-f", str(configuration), log=node)
            )
        _wait(lambda: _asked(configuration, "sinfo", "-h", "-t", "idle", "-o", "%D") == "2", folder)
        try:
            yield configuration
        finally:
            _asked(configuration, "scancel", "--user", getpass.getuser())
            _wait(lambda: not _asked(configuration, "squeue", "-h"), folder)


@contextmanager
def _daemon(folder: Path, name: str, *options: str, log: str = "") -> Iterator[None]:
    with (folder / f"{log or name}.log").open("wb") as output:
        process = subprocess.Popen([_found(name), *options], stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _asked(configuration: Path, *argv: str) -> str:
    environment = {**os.environ, "SLURM_CONF": str(configuration)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _wait(condition: object, folder: Path, seconds: float = 180.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            logs = [f"{path}:\n{path.read_text()[-2000:]}" for path in folder.glob("*.log")]
            raise AssertionError("\n".join(["Slurm does not start", *logs]))
        time.sleep(0.2)


def _path_of(name: str) -> str | None:
    """Daemons are where only root looks for them."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _found(name: str) -> str:
    path = _path_of(name)
    assert path is not None, name
    return path
