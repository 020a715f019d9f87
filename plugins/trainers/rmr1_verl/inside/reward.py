"""The function that veRL calls for every answer. Standard library only: veRL loads this file by
its path, in processes of its own.

Each process talks with one `python -m rmr1_core.rewarding`, in which the recipe's own parser and
reward work. What goes wrong there is written to a file before it is raised, because veRL drops
the answer and later says only that some are missing.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any


class RewardFailed(RuntimeError):
    """The parser or the reward raised; the message holds its traceback."""


class Worker:
    """A process in which rmr1 prices answers, and a count of what it has read."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._lock = threading.Lock()
        self._cause = Path(settings["cause"])
        tallies = Path(settings["tallies"])
        tallies.mkdir(parents=True, exist_ok=True)
        name = f"{socket.gethostname()}-{os.getpid()}.jsonl"
        self._tally = (tallies / name).open("a", encoding="utf-8", buffering=1)
        self._process = subprocess.Popen(
            [settings["python"], "-m", "rmr1_core.rewarding", settings["rewarding"]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        atexit.register(self._process.kill)

    def __call__(self, asked: dict[str, Any], step: int) -> dict[str, Any]:
        """The reward of an answer, and how it was read."""
        with self._lock:
            told = self._talk(json.dumps(asked).encode() + b"\n")
            if "error" in told:
                self._fail(told["traceback"])
            right = int(told["right"])
            read = {
                "score": told["score"],
                "unparsed": int(told["verdict"] == "unparsed"),
                "tokens": asked["completion_tokens"],
            }
            self._tally.write(json.dumps({"step": step, "right": right, **read}) + "\n")
        return {**read, "acc": right}

    def _talk(self, line: bytes) -> dict[str, Any]:
        asks, tells = self._process.stdin, self._process.stdout
        assert asks is not None
        assert tells is not None
        try:
            asks.write(line)
            asks.flush()
            answer: dict[str, Any] = json.loads(tells.readline())
        except (OSError, ValueError):
            code = self._process.wait(10)
            answer = {"error": "", "traceback": f"RuntimeError: the reward's process ended: {code}"}
        return answer

    def _fail(self, trace: str) -> None:
        aside = self._cause.with_name(f"{self._cause.name}.{os.getpid()}")
        aside.write_text(trace, encoding="utf-8")
        aside.replace(self._cause)
        raise RewardFailed(trace)


@functools.cache
def _worker(settings: str) -> Worker:
    return Worker(json.loads(Path(settings).read_text(encoding="utf-8")))


_STARTING = threading.Lock()


def compute_score(
    data_source: str,  # noqa: ARG001 - veRL calls it by these names
    solution_str: str,
    ground_truth: str,
    extra_info: dict[str, Any] | None = None,
    *,
    settings: str,
    **_: Any,
) -> dict[str, Any]:
    """What veRL calls; `settings` is the path of a file."""
    info = extra_info or {}
    asked = {
        "text": solution_str,
        "label": ground_truth,
        "id": str(info.get("id", "")),
        **info.get("rmr1_lengths", {"completion_tokens": 0}),
    }
    with _STARTING:
        worker = _worker(settings)
    return worker(asked, int(info.get("rmr1_step", 0)))
