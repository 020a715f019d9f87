"""`rmr1 bench --engine openai`, from the command line to the journal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from openai_endpoint import KEY, Asked, Endpoint, Reply, chat, failure

from rmr1_core import PromptStrategy
from rmr1_core.lookup import resolve

Serve = Callable[..., Endpoint]
Run = Callable[..., subprocess.CompletedProcess[str]]
PROMPT = "direct"
TOY: tuple[str, ...] = ("bench", "toy", "--limit", "8", "--engine", "openai", "--model", "judge")
TOY += ("--prompt", PROMPT)
QUICK = ("--retry-seconds", "0.001", "--max-retries", "1")


def right_verdicts() -> Mapping[str, str]:
    """What is right for each prompt that the toy may make."""
    prompt: PromptStrategy = resolve("prompt", PROMPT)
    return {
        prompt.render(pair.comparison(first))[-1].content: "A" if first else "B"
        for pair in resolve("benchmark", "toy").pairs(None)
        for first in (True, False)
    }


@pytest.fixture(scope="module")
def oracle() -> Callable[[Asked], Reply]:
    """The right verdict, without the closing tag, as OpenAI's API leaves it out."""
    right = right_verdicts()

    def judge(asked: Asked, _: int = 0) -> Reply:
        letter = right[asked.body["messages"][-1]["content"]]
        return Reply(chat(f"I compared. <answer>[[{letter}]]"))

    return judge


def journal(run: Path) -> list[dict[str, Any]]:
    path = run / "evaluation/judgments.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "cwd/runs"


def test_a_scripted_endpoint_judges_the_toy(
    serve: Serve, rmr1: Run, runs: Path, oracle: Any
) -> None:
    endpoint = serve(oracle)
    done = rmr1(*TOY, "--base-url", endpoint.url, "--json", OPENAI_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    (report,) = json.loads(done.stdout)["reports"]
    assert report["scores"]["headline"]["value"] == 1.0
    (run,) = runs.iterdir()
    lines = journal(run)
    assert len(lines) == len(endpoint.bodies) == 16
    assert all(line["completion"]["text"].endswith("</answer>") for line in lines)
    record = json.loads((run / "run.json").read_text())
    assert record["versions"]["model"] == "judge"
    assert record["versions"]["since the last start"].startswith("1600 tokens in")
    everything = [path for path in run.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in everything)
    assert KEY not in done.stdout + done.stderr


def test_resuming_asks_only_what_failed(serve: Serve, rmr1: Run, runs: Path, oracle: Any) -> None:
    broken = True

    def script(asked: Asked, _: int) -> Reply:
        reply = oracle(asked)
        # one order of each pair
        return Reply(failure("oops"), 500) if broken and "[[A]]" in str(reply.body) else reply

    endpoint = serve(script)
    done = rmr1(*TOY, *QUICK, "--base-url", endpoint.url)
    assert done.returncode == 1
    assert "8 requests failed (the first: oops (500), in the last of 2 attempts)" in done.stderr
    (run,) = runs.iterdir()
    assert sum(line["kind"] == "failed" for line in journal(run)) == 8
    broken, before = False, len(endpoint.bodies)
    done = rmr1("bench", "--resume", "last", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["reports"][0]["scores"]["headline"]["value"] == 1.0
    assert len(endpoint.bodies) - before == 8


def test_money_that_is_spent_ends_the_command_and_resuming_spends_as_much_again(
    serve: Serve, rmr1: Run, tmp_path: Path, oracle: Any
) -> None:
    endpoint = serve(oracle)
    prices = tmp_path / "prices.toml"
    prices.write_text("[judge]\ninput = 1000\noutput = 1000\n")  # 0.11 dollars an answer
    limits = ("--prices", str(prices), "--max-cost", "2", "--max-new-tokens", "20")
    limits += ("--max-concurrency", "1")
    done = rmr1(*TOY, *limits, "--base-url", endpoint.url)
    assert done.returncode == 1
    assert "more than is left of --max-cost 2; what was answered is kept" in done.stderr
    first = len(endpoint.bodies)
    assert 0 < first < 16
    rmr1("bench", "--resume", "last")
    assert first < len(endpoint.bodies) <= 2 * first


def test_an_interrupt_ends_the_command_while_answers_are_awaited(
    serve: Serve, tmp_path: Path, oracle: Any
) -> None:
    gate = threading.Event()

    def script(asked: Asked, _: int) -> Reply:
        if len(endpoint.asked) > 3:
            gate.wait(30)
        return oracle(asked)

    endpoint = serve(script)
    command = [sys.executable, "-m", "rmr1_core", *TOY, "--base-url", endpoint.url]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while len(endpoint.asked) < 10 or not any(map(journal, tmp_path.glob("runs/*"))):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    gate.set()
    assert process.returncode == 130
    assert errors.splitlines()[-1].endswith("go on with: rmr1 bench --resume last")
    (run,) = (tmp_path / "runs").iterdir()
    assert 1 <= len(journal(run)) <= 3


def test_a_wrong_key_stops_at_once(serve: Serve, rmr1: Run, runs: Path) -> None:
    endpoint = serve(lambda asked, _: Reply(failure(asked.headers["authorization"]), 401))
    done = rmr1(*TOY, "--base-url", endpoint.url, OPENAI_API_KEY=KEY)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"error: {endpoint.url} refuses the key in $OPENAI_API_KEY: Bearer [key] (401); set "
        "another one: export OPENAI_API_KEY=…, or name the variable that holds it with "
        "--api-key-env"
    )
    (run,) = runs.iterdir()
    assert KEY not in (run / "run.json").read_text()


def test_a_key_in_a_url_leaves_no_run_behind(rmr1: Run, runs: Path) -> None:
    done = rmr1(*TOY, "--base-url", f"http://me:{KEY}@127.0.0.1:1/v1")
    assert done.returncode == 2
    assert KEY not in done.stdout + done.stderr
    assert not runs.exists() or not list(runs.iterdir())


def test_a_dry_run_asks_nothing_and_needs_no_key(serve: Serve, rmr1: Run, oracle: Any) -> None:
    endpoint = serve(oracle)
    done = rmr1(*TOY, "--base-url", endpoint.url, "--dry-run", OPENAI_API_KEY=KEY)
    assert done.returncode == 0
    assert endpoint.asked == []
    assert KEY not in done.stdout


def test_without_a_model_one_sentence_says_what_to_type(rmr1: Run) -> None:
    done = rmr1("bench", "toy", "--engine", "openai")
    assert done.returncode == 2
    assert "--model NAME" in done.stderr


def test_the_flags_are_explained(rmr1: Run) -> None:
    shown = rmr1("bench", "--engine", "openai", "--help").stdout
    for flag in ("--base-url", "--api-key-env", "--max-cost", "--tokens-per-minute", "--omit"):
        assert flag in shown
