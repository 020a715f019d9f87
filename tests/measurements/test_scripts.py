"""The measuring scripts run; what they measure is for an idle machine to say."""

from __future__ import annotations

import importlib.util
import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


def run(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPTS / script, *args],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


@contextmanager
def answering(script: Callable[[Any, int], tuple[int, Any]]) -> Iterator[str]:
    """A server that answers a request and its number as a function says: its address."""
    numbers = itertools.count(1)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            code, answer = script(body, next(numbers))
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def vllm_environment(managed_environment: Callable[[str], object]) -> None:
    managed_environment("vllm")


def test_the_start_up_is_measured_and_compared_with_its_limit() -> None:
    within = run("startup.py", "--runs", "2", "--limit-ms", "60000")
    assert within.returncode == 0, within.stderr
    assert "| `rmr1 --help` |" in within.stdout
    assert run("startup.py", "--runs", "1", "--limit-ms", "1").returncode == 1


def test_a_large_run_is_measured_and_compared_with_its_limit() -> None:
    within = run("large_run.py", "--pairs", "50", "--limit-seconds", "600")
    assert within.returncode == 0, within.stderr
    for work in ("resume", "score again", "read with another parser", "report"):
        assert f"| {work} | 0." in within.stdout
    assert run("large_run.py", "--pairs", "20", "--limit-seconds", "0").returncode == 1


def test_comparisons_of_simulated_judges_are_right_as_often_as_they_say() -> None:
    few = run("compare_power.py", "--times", "60", "--seed", "5")
    assert few.returncode == 0, few.stderr
    assert "| 150 prompts of 9 pairs | " in few.stdout


@pytest.mark.slow
def test_planted_differences_are_found_and_null_comparisons_stay_quiet_a_thousand_times() -> None:
    ran = run("compare_power.py", "--times", "1000")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_viewer_is_measured_and_compared_with_its_limit() -> None:
    within = run("viewer_large.py", "--judgments", "200", "--limit-ms", "60000", "--no-browser")
    assert within.returncode == 0, within.stderr
    assert "| a whole pair: median" in within.stdout


def test_streaming_preferences_is_measured_and_compared_with_its_limit() -> None:
    within = run("stream_preferences.py", "--rows", "200", "--limit-growth-mb", "900")
    assert within.returncode == 0, within.stderr
    for suffix in (".jsonl", ".jsonl.gz", ".parquet"):
        assert f"| {suffix} | " in within.stdout
    assert run("stream_preferences.py", "--rows", "20", "--limit-growth-mb", "-99").returncode == 1


def test_mixing_is_measured_and_compared_with_its_limits() -> None:
    within = run("mix_million.py", "--rows", "300", "--limit-seconds", "600", "--limit-mb", "9000")
    assert within.returncode == 0, within.stderr
    assert "| 2 | " in within.stdout
    assert "the same bytes in both runs" in within.stdout
    assert run("mix_million.py", "--rows", "20", "--limit-mb", "1").returncode == 1


@pytest.mark.slow
def test_what_we_add_to_an_endpoints_client_is_measured() -> None:
    few = ("--problems", "20", "--rounds", "1", "--seconds", "0.01")
    ran = run("endpoint_overhead.py", *few, "--at-most", "100000")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "| whole | " in ran.stdout
    assert run("endpoint_overhead.py", *few, "--at-most", "-100").returncode == 1


@pytest.mark.slow
@pytest.mark.usefixtures("vllm_environment")
def test_what_we_add_to_vllm_is_measured() -> None:
    ran = run(
        "vllm_overhead.py",
        *("--problems", "20", "--rounds", "1", "--steps", "20", "--at-most", "100000"),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "overhead, median: " in ran.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("vllm_environment")
def test_one_engine_is_compared_with_several_starts(shared: Path) -> None:
    few = ("--requests", "18", "--new-tokens", "2", "--starts", "2")
    ran = run("one_engine.py", "--data", str(shared / "data"), *few, "--at-least", "0")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "vLLM alone, 2 starts" in ran.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("vllm_environment")
def test_orders_of_prompts_are_compared(shared: Path) -> None:
    ran = run(
        "prefix_order.py",
        *("--data", str(shared / "data"), "--benchmarks", "rm-bench", "--limit", "9"),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "| rm-bench | 18 | " in ran.stdout


@pytest.mark.slow
def test_decoding_writes_the_tokens_of_generate() -> None:
    few = ("--pairs", "60", "--steps", "300", "--raw-steps", "20", "--rounds", "1")
    ran = run("decoding_against_generate.py", *few, "--at-least", "0")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="TRL is not installed")
def test_the_embedded_grpo_is_compared_with_trl() -> None:
    ran = run(
        "grpo_against_trl.py",
        *("--distill", "300", "--rounds", "1", "--steps", "2", "--at-least", "0"),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "times as fast" in ran.stdout


def test_the_load_of_a_reward_server_is_measured_and_a_wrong_score_is_a_loss() -> None:
    def scores(body: dict[str, Any], number: int) -> tuple[int, Any]:
        worths = [int(answer.removeprefix("worth ")) for answer in body["answers"]]
        shares = [sum(other < worth for other in worths) / 2 for worth in worths]
        return (429, {}) if number == 1 else (200, {"scores": shares})

    numbers = ("--clients", "3", "--requests", "2", "--answers", "3")
    with answering(scores) as url:
        done = run("reward_server_load.py", url, *numbers)
    assert done.returncode == 0, done.stderr
    assert "| 6 | 0 | 1 |" in done.stdout
    with answering(lambda *_: (200, {"scores": [0.5, 0.5, 0.5]})) as url:
        done = run("reward_server_load.py", url, *numbers)
    assert done.returncode == 1
    assert "| 0 | 6 | 0 |" in done.stdout
