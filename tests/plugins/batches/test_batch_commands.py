"""`rmr1 bench` and `rmr1 data distill` through batches, from the command line to what is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from batch_providers import KEY, Provider, Wrong

from rmr1_core.examples_file import read
from rmr1_core.lookup import resolve
from rmr1_toy import oracle

Provide = Callable[..., Provider]
Run = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ("--poll-seconds", "0.01", "--retry-seconds", "0.001")
ROWS = 10


@pytest.fixture(scope="module")
def right() -> dict[str, str]:
    """What is right for each prompt that the toy benchmark may make."""
    prompt = resolve("prompt", "direct")
    return {
        prompt.render(pair.comparison(first))[-1].content: "A" if first else "B"
        for pair in resolve("benchmark", "toy").pairs(None)
        for first in (True, False)
    }


def bench(api: str, provider: Provider, *more: str) -> tuple[str, ...]:
    toy = ("bench", "toy", "--limit", "8", "--prompt", "direct", "--engine", api)
    return (*toy, "--model", "judge", "--base-url", provider.url, *QUICK, *more)


def score(done: subprocess.CompletedProcess[str]) -> float:
    assert done.returncode == 0, done.stderr
    return float(json.loads(done.stdout)["reports"][0]["scores"]["headline"]["value"])


def test_a_benchmark_is_judged_in_batches_and_asked_for_nothing_twice(
    provide: Provide, rmr1: Run, right: dict[str, str], api: str, tmp_path: Path
) -> None:
    provider = provide(lambda question: f"<answer>[[{right[question]}]]</answer>")
    prices = tmp_path / "prices.toml"
    prices.write_text("[judge]\ninput = 1000\noutput = 1000\n")
    command = bench(api, provider, "--prices", str(prices), "--max-requests-per-batch", "6")
    done = rmr1(*command, "--json")
    assert score(done) == 1.0
    assert [len(batch.requests) for batch in provider.batches.values()] == [6, 6, 4]
    (run,) = (tmp_path / "cwd/runs").iterdir()
    lines = (run / "evaluation/judgments.jsonl").read_text().splitlines()
    completions = [json.loads(line)["completion"] for line in lines]
    assert {completion["cost"] for completion in completions} == {0.055}
    assert "3 batches sent" in (run / "run.json").read_text()
    assert score(rmr1(*command, "--json")) == 1.0
    assert len(provider.batches) == 3
    everything = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in everything)
    assert KEY not in done.stdout + done.stderr


def test_resuming_sends_only_what_failed(
    provide: Provide, rmr1: Run, right: dict[str, str], api: str
) -> None:
    provider = provide(
        lambda q: Wrong(500, "oops") if right[q] == "A" else f"<answer>[[{right[q]}]]</answer>"
    )
    done = rmr1(*bench(api, provider))
    assert done.returncode == 1
    assert "8 requests failed (the first: oops (500))" in done.stderr
    provider.judge = lambda question: f"<answer>[[{right[question]}]]</answer>"
    assert score(rmr1("bench", "--resume", "last", "--json")) == 1.0
    assert [len(batch.requests) for batch in provider.batches.values()] == [16, 8]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_was_ended_is_gone_on_with_in_the_same_batch(
    provide: Provide,
    rmr1: Run,
    right: dict[str, str],
    api: str,
    tmp_path: Path,
    how: signal.Signals,
) -> None:
    provider, polled = (
        provide(lambda q: f"<answer>[[{right[q]}]]</answer>", 1_000_000),
        threading.Event(),
    )
    provider.on_poll = polled.set
    command = [sys.executable, "-m", "rmr1_core", *bench(api, provider)]
    process = subprocess.Popen(
        command, cwd=tmp_path / "cwd", stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert polled.wait(60)
    process.send_signal(how)
    _, errors = process.communicate(timeout=30)
    (batch,) = provider.batches.values()
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert f"left under way at {provider.url}: batch {batch.name}" in errors
    batch.polls = 1
    assert score(rmr1("bench", "--resume", "last", "--json")) == 1.0
    assert len(provider.batches) == 1


def test_a_dry_run_sends_nothing_and_needs_no_key(provide: Provide, rmr1: Run, api: str) -> None:
    provider = provide()
    done = rmr1(*bench(api, provider, "--dry-run"), OPENAI_API_KEY="", ANTHROPIC_API_KEY="")
    assert done.returncode == 0, done.stderr
    assert not provider.seen


def test_the_flags_are_explained(rmr1: Run, api: str) -> None:
    shown = rmr1("bench", "--engine", api, "--help").stdout
    for flag in ("--base-url", "--api-key-env", "--max-cost", "--poll-seconds", "--discount"):
        assert flag in shown


def test_traces_are_made_in_batches(provide: Provide, rmr1: Run, api: str, tmp_path: Path) -> None:
    prompt, rows = resolve("prompt", "compact"), {}
    for number, example in enumerate(
        islice(resolve("dataset", "toy").examples("sft", seed=0), ROWS)
    ):
        asked = prompt.render(example.pair.comparison(example.chosen_first))[-1].content
        rows[asked] = (number, example.chosen_first)

    def judge(question: str) -> str:
        question, told, _ = question.partition("\n\nAnother judge")
        number, first = rows[question]
        is_right = bool(told) or number % 5
        return oracle.shallow(first if is_right else not first)

    provider = provide(judge)
    command = ("data", "distill", "toy", "--split", "sft", "--limit", str(ROWS))
    command += ("--prompt", "compact", "-o", "out", "--engine", api, "--base-url", provider.url)
    done = rmr1(*command, "--model", "small", "--corrector-model", "large", *QUICK, "--json")
    assert done.returncode == 0, done.stderr
    judging, correcting = json.loads(done.stdout)["report"]["passes"]
    assert (judging["asked"], judging["kept"]) == (ROWS, ROWS - 2)
    assert (correcting["asked"], correcting["kept"]) == (2, 2)
    assert [len(batch.requests) for batch in provider.batches.values()] == [ROWS, 2]
    assert len(list(read(tmp_path / "cwd/out/train.jsonl"))) == ROWS
