"""The functions that veRL calls for every answer. Standard library only: veRL loads this file by
its path, in processes of its own.

`compute_score` is for rewards that look at one answer, `compute_group_score` for those that compare
the answers to a prompt: an answer waits there until its group is complete. All of them have to come
to the same process, so the job asks veRL for only one.

Each process talks with one `python -m rmr1_core.rewarding`, in which the recipe's own parser and
reward work. What goes wrong there is written to a file before it is raised, because veRL drops
the answer and later says only that some are missing.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import json
import os
import socket
import subprocess
import threading
from collections import deque
from concurrent.futures import Future
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
            told = self._talk(_line(asked))
            if "error" in told:
                self.fail(told["traceback"])
            return self.count(told, asked, step)

    def count(self, told: dict[str, Any], asked: dict[str, Any], step: int) -> dict[str, Any]:
        """What veRL is told of an answer, which is counted."""
        right = int(told["right"])
        read = {
            "score": told["score"],
            "unparsed": int(told["verdict"] == "unparsed"),
            "tokens": asked["completion_tokens"],
        }
        self._tally.write(json.dumps({"step": step, "right": right, **read}) + "\n")
        return {**read, "acc": right}

    def fail(self, trace: str) -> None:
        """Write down why, for whoever ends the training, and raise it."""
        aside = self._cause.with_name(f"{self._cause.name}.{os.getpid()}")
        aside.write_text(trace, encoding="utf-8")
        aside.replace(self._cause)
        raise RewardFailed(trace)

    def _talk(self, line: bytes) -> dict[str, Any]:
        asks, tells = self._process.stdin, self._process.stdout
        assert asks is not None
        assert tells is not None
        try:
            asks.write(line)
            asks.flush()
            answer: dict[str, Any] = json.loads(tells.readline())
        except (OSError, ValueError):
            answer = self._end()
        return answer

    def _end(self) -> dict[str, Any]:
        code = self._process.wait(10)
        return {"error": "", "traceback": f"RuntimeError: the reward's process ended: {code}"}


class GroupWorker(Worker):
    """The same for whole groups, many of which may be under way: they are answered in order."""

    def __init__(self, settings: dict[str, str]) -> None:
        super().__init__(settings)
        self._waiting: deque[Future[dict[str, Any]]] = deque()
        self._ended: dict[str, Any] | None = None
        threading.Thread(target=self._read, name="rewards", daemon=True).start()

    def send(self, group: dict[str, Any]) -> Future[dict[str, Any]]:
        """Ask for a group's rewards; what is told of it, or why nobody can tell."""
        coming: Future[dict[str, Any]] = Future()
        asks = self._process.stdin
        assert asks is not None
        with self._lock:
            if self._ended is not None:
                coming.set_result(self._ended)
                return coming
            self._waiting.append(coming)
            with contextlib.suppress(OSError):  # it has ended, which is read, too
                asks.write(_line(group))
                asks.flush()
        return coming

    def _read(self) -> None:
        tells, last = self._process.stdout, None
        assert tells is not None
        for line in tells:
            told = json.loads(line)
            with self._lock:
                coming = self._waiting.popleft() if self._waiting else None
            if coming is None:
                last = told  # it cannot begin
            else:
                coming.set_result(told)
        with self._lock:
            self._ended = last or self._end()
            while self._waiting:
                self._waiting.popleft().set_result(self._ended)


class Groups:
    """Answers that wait for the others to the same prompt; used from one event loop."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.worker, self._seconds = GroupWorker(settings), float(settings["group_seconds"])
        self._open: dict[str, dict[int, tuple[dict[str, Any], asyncio.Future[Any]]]] = {}
        self._pricing: set[asyncio.Task[None]] = set()

    async def __call__(
        self, asked: dict[str, Any], group: dict[str, Any], step: int
    ) -> dict[str, Any]:
        """The reward of an answer, once its group is complete and priced."""
        loop = asyncio.get_running_loop()
        key, place, size = group["key"], int(group["place"]), int(group["size"])
        members = self._open.setdefault(key, {})
        if place in members:  # it is asked again
            members[place][1].cancel()
        members[place] = (asked, loop.create_future())
        mine = members[place][1]
        if len(members) == size:
            own = [members[place] for place in sorted(members)]
            del self._open[key]
            task = loop.create_task(self._price(own, group["messages"], step))
            self._pricing.add(task)
            task.add_done_callback(self._pricing.discard)
        try:
            told: dict[str, Any] = await asyncio.wait_for(mine, self._seconds)
        except TimeoutError:
            there = f"{len(members)} of the {size} answers to a prompt were there"
            self.worker.fail(f"TimeoutError: no reward in {self._seconds:g} s; {there}")
            raise
        return told

    async def _price(
        self,
        members: list[tuple[dict[str, Any], asyncio.Future[Any]]],
        messages: list[dict[str, str]],
        step: int,
    ) -> None:
        answers = [asked for asked, _ in members]
        asking = self.worker.send({"messages": messages, "answers": answers})
        told = await asyncio.wrap_future(asking)
        results: list[Any]
        try:
            if "error" in told:
                self.worker.fail(told["traceback"])
            results = [
                self.worker.count(one, asked, step)
                for one, asked in zip(told["answers"], answers, strict=True)
            ]
        except Exception as error:  # each of them has to hear it
            results = [error] * len(members)
        for (_, waiting), result in zip(members, results, strict=True):
            if waiting.done():
                continue
            if isinstance(result, Exception):
                waiting.set_exception(result)
            else:
                waiting.set_result(result)


def _line(asked: dict[str, Any]) -> bytes:
    return json.dumps(asked).encode() + b"\n"


def _settings(path: str) -> dict[str, str]:
    settings: dict[str, str] = json.loads(Path(path).read_text(encoding="utf-8"))
    return settings


@functools.cache
def _worker(settings: str) -> Worker:
    return Worker(_settings(settings))


@functools.cache
def _groups(settings: str) -> Groups:
    return Groups(_settings(settings))


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
    with _STARTING:
        worker = _worker(settings)
    return worker(_asked(solution_str, ground_truth, info), int(info.get("rmr1_step", 0)))


async def compute_group_score(
    data_source: str,  # noqa: ARG001 - veRL calls it by these names
    solution_str: str,
    ground_truth: str,
    extra_info: dict[str, Any],
    *,
    settings: str,
    **_: Any,
) -> dict[str, Any]:
    """What veRL calls where the reward compares answers."""
    asked = _asked(solution_str, ground_truth, extra_info)
    groups = _groups(settings)
    if "rmr1_group" not in extra_info:
        groups.worker.fail(
            "ValueError: the reward compares the answers to a prompt, and veRL does not say which "
            "these are; leave trainer.use_v1 as it is"
        )
    return await groups(asked, extra_info["rmr1_group"], int(extra_info.get("rmr1_step", 0)))


def _asked(text: str, label: str, info: dict[str, Any]) -> dict[str, Any]:
    return {
        "text": text,
        "label": label,
        "id": str(info.get("id", "")),
        **info.get("rmr1_lengths", {"completion_tokens": 0}),
    }
