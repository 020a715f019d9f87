"""veRL's training, watched: it starts within a bounded time or not at all, ends with its true last
error, and leaves no process behind.

`python -m verl.trainer.main_ppo` does the work, with the settings on its command line and those of
the machine; it resumes from its own last checkpoint.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rmr1_verl.inside import children, machine
from rmr1_verl.inside.causes import Causes
from rmr1_verl.inside.events import Events
from rmr1_verl.inside.settings import Settings

LOOK_SECONDS = 1.0
RAY_FOLDER, LOCK = "rmr1-ray-", "lock"
STOPPED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(settings: Settings, overrides: Sequence[str]) -> int:
    """Train what remains; the exit code is that of the training."""
    if Path(settings.checkpoint).is_dir():
        return 0
    events = Events(settings, Path(os.environ["VERL_FILE_LOGGER_PATH"]))
    if settings.steps_done >= settings.total_steps:
        events.finish()
        return 0
    for number in STOPPED:
        signal.signal(number, lambda signum, _: sys.exit(128 + signum))
    settings.cause.unlink(missing_ok=True)
    settings.checkpoints.resume()
    shutil.rmtree(settings.tallies, ignore_errors=True)
    children.adopt_orphans()
    with _ray_folder() as ray, _everything_ended():
        training = Training(settings, machine.complete(overrides, ray), events)
        return training.watch()


class Training:
    """The process of veRL, what it prints and what it logs."""

    def __init__(self, settings: Settings, overrides: Sequence[str], events: Events) -> None:
        self._settings, self._causes, self._events = settings, Causes(), events
        command = [sys.executable, "-m", "verl.trainer.main_ppo", *overrides]
        self._process = subprocess.Popen(
            children.bound(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def watch(self) -> int:
        """Wait for the end; say the cause of a bad one last."""
        problem = self._problem_meanwhile()
        code = self._process.poll()
        children.end_all()
        self._reader.join(5)
        if not problem and code == 0 and self._settings.steps_done < self._settings.total_steps:
            problem = f"RuntimeError: veRL ended after step {self._events.step}, before the last"
        if problem or code:
            print(problem or self._cause(code), file=sys.stderr, flush=True)
            return code if code and code > 0 else 1
        self._events.finish()
        return 0

    def _problem_meanwhile(self) -> str:
        """Follow the training until it ends (""), or until something says that it has to."""
        since, step = time.monotonic(), self._events.step
        started = False
        while self._process.poll() is None:
            time.sleep(LOOK_SECONDS)
            self._events.follow()
            self._settings.checkpoints.keep(self._settings.keep_checkpoints)
            if self._settings.cause.exists():
                return self._settings.cause.read_text(encoding="utf-8").rstrip()
            if (self._events.started, self._events.step) != (started, step):
                since, started, step = time.monotonic(), self._events.started, self._events.step
            minutes = self._settings.step_minutes if started else self._settings.start_minutes
            if time.monotonic() - since > 60 * minutes:
                return self._too_long(started, minutes)
        return ""

    def _too_long(self, started: bool, minutes: float) -> str:
        if started:
            what, option = f"no step ended after step {self._events.step}", "step_minutes"
        else:
            what, option = "Ray and the models did not start", "start_minutes"
        said = f"; Ray says: {self._causes.waiting}" if self._causes.waiting else ""
        return (
            f"TimeoutError: {what} within {minutes:g} minutes{said}; give it the GPUs and nodes "
            f"that it asks for, or set another {option} of verl-grpo"
        )

    def _cause(self, code: int | None) -> str:
        if self._settings.cause.exists():
            return self._settings.cause.read_text(encoding="utf-8").rstrip()
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = " (out of memory?)" if name == "SIGKILL" else ""
            return f"RuntimeError: veRL was killed by {name}{hint}"
        return self._causes.true_one() or f"RuntimeError: veRL ended with exit code {code}"

    def _read(self) -> None:
        stream: Any = self._process.stdout
        for line in stream:
            with suppress(OSError):  # a full disk must not stop veRL in the middle of a line
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
            self._causes.look(line.decode("utf-8", "replace"))


@contextmanager
def _ray_folder() -> Iterator[str]:
    """Where veRL's own Ray keeps its session: a short path, because sockets have names of at most
    107 characters."""
    if not machine.has_own_ray():
        yield ""
        return
    _remove_left_folders()
    folder = tempfile.mkdtemp(prefix=RAY_FOLDER, dir="/tmp")
    try:
        with Path(folder, LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left_folders() -> None:
    """Remove what trainings left that were killed by force: nobody holds their lock."""
    for folder in Path("/tmp").glob(f"{RAY_FOLDER}*"):
        with suppress(OSError), (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _everything_ended() -> Iterator[None]:
    try:
        yield
    finally:
        children.end_all()
