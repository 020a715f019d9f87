"""The commands with the real vLLM: several benchmarks at once, a killed worker, a served judge."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from living import ends

from rmr1_core import Judgment, jsonl
from rmr1_tiny.backbone import Tiny

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sample")]

QUICK = ("--dtype", "float32", "--enforce-eager", "true")
ASKED = (
    *("bench", "sample-one", "sample-two", "--engine", "vllm", "--prompt", "compact"),
    *("-o", "benchmark.sample-one.size=30", "-o", "benchmark.sample-two.size=20"),
    *("-o", "benchmark.sample-two.prefix=other", "--allow-partial", "--json"),
    # few at a time, so that there is time to kill the worker
    *("--max-new-tokens", "64", "--max-num-seqs", "2", *QUICK),
)
JUDGMENTS = 2 * (30 + 20)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> str:
    tiny = Tiny(name="tiny", model="", layers=2, heads=2, context=512, initializer_range=0.25)
    folder = tmp_path_factory.mktemp("judge") / "model"
    return tiny.prepare(folder, seed=3, corpus=lambda: ["question\n[A] one\n[B] two"]).model


@contextmanager
def started(*args: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "rmr1_core", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def journal(folder: Path) -> Path:
    return next(iter(folder.glob("*/evaluation/judgments.jsonl")), folder / "nothing-yet")


def judged(folder: Path) -> dict[Any, Any]:
    """Every judgment but for what the cache held, which depends on what was asked before."""
    made = {}
    for line in jsonl.read(journal(folder), Judgment):
        done = line.completion
        made[line.benchmark, line.pair_id, line.chosen_first] = (
            *(line.verdict, done.text, done.finish_reason),
            *(done.prompt_tokens, done.completion_tokens),
        )
    return made


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in listed.read_text().split()] if listed.exists() else []


def test_a_killed_worker_costs_only_what_was_in_flight(
    real: Any, judge: str, tmp_path: Path
) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    asked = (*ASKED, "--backbone", judge)
    with started(*asked, "--runs-dir", str(whole)) as process:
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert errors.count("loading") == 2  # once begun and once ready, for both benchmarks
    assert len(judged(whole)) == JUDGMENTS

    with started(*asked, "--runs-dir", str(torn)) as process:
        deadline = time.monotonic() + 300
        while not journal(torn).exists() or journal(torn).read_bytes().count(b"\n") < 10:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        (worker,) = children(process.pid)
        below = children(worker)
        os.kill(worker, signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "SIGKILL" in errors
    assert "vllm.log" in errors
    assert all(map(ends, [worker, *below]))
    kept = judged(torn)
    assert 10 <= len(kept) < JUDGMENTS

    with started("bench", "--resume", "last", "--runs-dir", str(torn), "--json") as process:
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert judged(torn) == judged(whole)
    assert kept.items() <= judged(torn).items()
    assert len(json.loads(output)["reports"]) == 2


def test_a_served_judge_answers_over_http_until_ctrl_c(real: Any, judge: str) -> None:
    with started("up", judge, "--json", "--served-model-name", "judge", *QUICK) as process:
        assert process.stdout is not None
        told = ""
        while not told.rstrip().endswith("\n}"):
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            told += line
        said = json.loads(told)
        body = {
            "model": "judge",
            "messages": [{"role": "user", "content": "hello"}],
            "max_tokens": 5,
            "temperature": 0,
        }
        request = urllib.request.Request(
            f"{said['url']}/chat/completions",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.loads(response.read())
        (server,) = children(process.pid)
        pids = [server, *children(server)]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert answer["usage"]["completion_tokens"] == 5
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert all(map(ends, pids))
    assert not Path(said["log"]).exists()
