"""`rmr1 data distill`, end to end: a judge and a corrector behind an endpoint, as a script says."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai_endpoint import Asked, Endpoint, Reply, chat, failure

from rmr1_core import Example, Verdict
from rmr1_core.examples_file import read
from rmr1_core.lookup import resolve
from rmr1_toy import oracle
from rmr1_toy.generator import problems
from rmr1_toy.problems import KINDS, Problem

Serve = Callable[..., Endpoint]
Run = Callable[..., subprocess.CompletedProcess[str]]

ROWS = 40
SOURCE = ("toy", "--split", "sft", "--limit", str(ROWS), "--prompt", "compact")
MODELS = ("--engine", "openai", "--model", "small", "--corrector-model", "large")
WRONG, UNPARSED, LEAKING, UNCLOSED = 1, 2, 3, 4
"""What the judge does with every fifth row, from that one on; the others it gets right."""


def rows() -> dict[str, tuple[int, Problem, Example]]:
    """The toy's rows by what the judge is asked: which one it is, and its problem."""
    dataset, prompt = resolve("dataset", "toy"), resolve("prompt", "compact")
    total = dataset.sft_items + dataset.rl_items
    made = problems(KINDS, total, held_out=False, seed=0)
    found = {}
    for number, (example, problem) in enumerate(
        zip(dataset.examples("sft", seed=0), made, strict=False)
    ):
        if number == ROWS:
            break
        asked = prompt.render(example.pair.comparison(example.chosen_first))[-1].content
        found[asked] = (number, problem, example)
    return found


@pytest.fixture(scope="module")
def known() -> dict[str, tuple[int, Problem, Example]]:
    return rows()


@pytest.fixture
def script(known: dict[str, Any]) -> Callable[[Asked, int], Reply]:
    """A judge that fails in four ways, and a corrector that works every problem out and in one of
    ten rows says that it was told."""

    def reply(asked: Asked, _: int = 0) -> Reply:
        content = asked.body["messages"][-1]["content"]
        question, told, _rest = content.partition("\n\nAnother judge")
        number, problem, example = known[question]
        if asked.body["model"] == "large":
            assert told
            label = Verdict.favouring_chosen(example.chosen_first)
            assert f"The right verdict is [[{label}]]." in content
            deep = oracle.deep(problem, example.chosen_first)
            return Reply(chat(f"As you said. {deep}" if number % 10 == WRONG else deep))
        assert not told
        return Reply(chat(judged(number, example.chosen_first)))

    return reply


def judged(number: int, chosen_first: bool) -> str:
    match number % 5:
        case 1:
            return oracle.shallow(not chosen_first)
        case 2:
            return "I cannot decide."
        case 3:
            return f"The ground truth says so. {oracle.shallow(chosen_first)}"
        case 4:
            return f"<eval>{oracle.direct(chosen_first)}"
    return oracle.shallow(chosen_first)


JUDGED = {"wrong verdict": 8, "no verdict": 8, "leaked label": 8, "incomplete form": 8}


def test_two_passes_keep_what_is_right_and_say_why_the_rest_is_not(
    serve: Serve, rmr1: Run, script: Any, known: dict[str, Any], tmp_path: Path
) -> None:
    endpoint = serve(script)
    done = rmr1(
        "data", "distill", *SOURCE, "-o", "out", *MODELS, "--base-url", endpoint.url, "--json"
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)["report"]
    judging, correcting = report["passes"]
    assert (judging["teacher"], judging["asked"], judging["kept"]) == ("small", 40, 8)
    assert judging["rejected"] == JUDGED
    assert (correcting["teacher"], correcting["asked"], correcting["kept"]) == ("large", 32, 28)
    assert correcting["rejected"] == {"leaked label": 4}
    assert judging["prompt_tokens"] == 40 * 100
    assert (report["rows"], report["kept"]) == (40, 36)
    assert len(endpoint.bodies) == 40 + 32

    out = tmp_path / "cwd/out"
    kept = list(read(out / "train.jsonl"))
    by_id = {example.pair.id: (n, problem) for n, problem, example in known.values()}
    order = [by_id[example.pair.id][0] for example in kept]
    assert order == sorted(order)
    for example in kept:
        number, problem = by_id[example.pair.id]
        deep = oracle.deep(problem, example.chosen_first)
        assert example.trace == (deep if number % 5 else oracle.shallow(example.chosen_first))
        assert example.pair.tags["pass"] == ("correcting" if number % 5 else "judging")
        assert example.pair.tags["teacher"] == ("large" if number % 5 else "small")
        assert example.pair.tags["source"] == "toy"
    rejected = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    assert Counter((r["by"], r["reason"]) for r in rejected) == {
        **{("judging", reason): count for reason, count in JUDGED.items()},
        ("correcting", "leaked label"): 4,
    }
    assert {r["detail"] for r in rejected if r["by"] == "correcting"} == {"As you said"}
    card = (out / "README.md").read_text()
    assert "| judging | kept | 8 (20.0 %) |" in card
    assert report["sha256"] == hashlib.sha256((out / "train.jsonl").read_bytes()).hexdigest()
    assert report["sha256"] in card
    assert json.loads((out / "distill.json").read_text()) == report


@pytest.mark.slow
def test_the_traces_are_what_distillation_trains_on(
    serve: Serve, rmr1: Run, script: Any, tmp_path: Path
) -> None:
    url = ("--base-url", serve(script).url)
    assert rmr1("data", "distill", *SOURCE, "-o", "out", *MODELS, *url).returncode == 0
    done = rmr1(
        *("run", "--recipe", "toy", "--dry-run", "--runs-dir", "runs"),
        *("--set", "stages.sft.dataset.name=mixed:out", "--set", "stages.sft.split=train"),
    )
    assert done.returncode == 0, done.stderr
    (planned,) = (tmp_path / "cwd/runs").glob("*/stages/sft/data.jsonl")
    completions = [json.loads(line)["completion"] for line in planned.read_text().splitlines()]
    assert completions == [e.trace for e in read(tmp_path / "cwd/out/train.jsonl")]
    assert len(completions) == 36


@pytest.mark.slow
def test_a_killed_distillation_goes_on_and_ends_as_if_nothing_had_happened(
    serve: Serve, script: Any, tmp_path: Path
) -> None:
    whole = serve(script)
    start = ("data", "distill", *SOURCE, *MODELS, "-o")
    assert begin(*start, str(tmp_path / "a"), "--base-url", whole.url).wait(60) == 0
    slow = serve(lambda asked, n: script(asked, n)._replace(delay=0.02))
    url = ("--base-url", slow.url, "--max-concurrency", "1")
    folder = tmp_path / "b"
    kill_at(begin(*start, str(folder), *url), folder / "work/judging.jsonl", 15)
    assert not (folder / "train.jsonl").exists()
    with (folder / "work/judging.jsonl").open("ab") as file:
        file.write(b'{"kind":"judgm')  # what a kill inside of a write leaves
    resume = ("data", "distill", "--resume", str(folder))
    kill_at(begin(*resume), folder / "work/correcting.jsonl", 10)
    assert begin(*resume).wait(60) == 0
    for name in ("train.jsonl", "rejected.jsonl"):
        assert (folder / name).read_bytes() == (tmp_path / "a" / name).read_bytes()
    reports = [json.loads((tmp_path / x / "distill.json").read_text()) for x in ("a", "b")]
    for report in reports:
        del report["request"]
    assert reports[0] == reports[1]
    # what was being asked at the moment of a kill is asked twice, and nothing else
    assert len(slow.bodies) <= len(whole.bodies) + 2 == 40 + 32 + 2


def begin(*args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "rmr1_core", *args])


def kill_at(process: subprocess.Popen[bytes], journal: Path, lines: int) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if journal.exists() and journal.read_bytes().count(b"\n") >= lines:
            break
        time.sleep(0.002)
    assert process.poll() is None, "it ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_rejection_sampling_asks_again_only_where_no_trace_was_kept(
    serve: Serve, rmr1: Run, known: dict[str, Any]
) -> None:
    seen: Counter[int] = Counter()

    def third_time_right(asked: Asked, _: int) -> Reply:
        number, _problem, example = known[asked.body["messages"][-1]["content"]]
        seen[number] += 1
        is_right = seen[number] > number % 4
        return Reply(chat(oracle.shallow(example.chosen_first is is_right)))

    one = ("--engine", "openai", "--model", "small", "--base-url", serve(third_time_right).url)
    done = rmr1("data", "distill", *SOURCE, "-o", "out", *one, "-k", "3", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)["report"]
    (judging,) = report["passes"]
    # rows 0, 4, … at once, 1, 5, … the second time, 2, 6, … the third, and 3, 7, … never
    assert (report["kept"], judging["traces"]) == (30, 10 * (1 + 2 + 3 + 3))
    assert judging["rejected"] == {"wrong verdict": 10 * (0 + 1 + 2 + 3)}
    assert all(seen[number] == min(number % 4 + 1, 3) for number in range(ROWS))


def test_a_dry_run_says_what_it_may_cost_and_asks_nothing(
    serve: Serve, rmr1: Run, script: Any, tmp_path: Path
) -> None:
    endpoint = serve(script)
    prices = tmp_path / "prices.toml"
    prices.write_text("[small]\ninput = 1.0\noutput = 2.0\n[large]\ninput = 10.0\noutput = 20.0\n")
    asked = (*SOURCE, "-o", "out", *MODELS, "--base-url", endpoint.url, "--prices", str(prices))
    done = rmr1("data", "distill", *asked, "--dry-run", "-k", "2", "--max-new-tokens", "3000",
                "--corrector-max-new-tokens", "500", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    judging, correcting = json.loads(done.stdout)
    assert (judging["requests"], correcting["requests"]) == (80, 40)
    assert judging["completion_tokens"] == 80 * 1000
    assert judging["most_completion_tokens"] == 80 * 3000
    assert correcting["completion_tokens"] == correcting["most_completion_tokens"] == 40 * 500
    spent = (judging["prompt_tokens"] + 2 * 80 * 1000) / 1e6
    assert judging["cost"] == pytest.approx(spent)
    assert correcting["most_cost"] > correcting["cost"] > judging["cost"]
    assert endpoint.bodies == []
    assert not (tmp_path / "cwd/out").exists()


def test_spent_money_stops_a_pass_and_says_how_to_go_on(
    serve: Serve, rmr1: Run, script: Any, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text("[small]\ninput = 0.0\noutput = 1000.0\n")
    one = ("--engine", "openai", "--model", "small", "--base-url", serve(script).url)
    asked = (*SOURCE, "-o", "out", *one, "--prices", str(prices), "--max-new-tokens", "20")
    done = rmr1("data", "distill", *asked, "--max-cost", "0.1")
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert "--max-cost 0.1" in said
    assert "rmr1 data distill --resume out" in said
    assert not (tmp_path / "cwd/out/train.jsonl").exists()
    made = (tmp_path / "cwd/out/work/judging.jsonl").read_text().count("\n")
    assert 0 < made < ROWS


def test_what_is_there_is_not_written_over(serve: Serve, rmr1: Run, script: Any) -> None:
    asked = ("data", "distill", *SOURCE, "-o", "out", *MODELS, "--base-url", serve(script).url)
    assert rmr1(*asked).returncode == 0
    again = rmr1(*asked)
    assert again.returncode == 2
    assert re.search(
        r"out has a distillation; go on with: rmr1 data distill --resume out", again.stderr
    )
    nowhere = rmr1("data", "distill", "--resume", ".")
    assert nowhere.returncode == 2
    assert "no distillation to go on with" in nowhere.stderr


def test_requests_that_fail_for_good_are_asked_again_or_left_out_on_request(
    serve: Serve, rmr1: Run, script: Any, known: dict[str, Any]
) -> None:
    def refuse(asked: Asked, number: int) -> Reply:
        row = known[asked.body["messages"][-1]["content"].partition("\n\nAnother judge")[0]][0]
        return Reply(failure("no"), status=400) if row == 5 else script(asked, number)

    url = ("--base-url", serve(refuse).url)
    done = rmr1("data", "distill", *SOURCE, "-o", "out", *MODELS, *url)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("ask them again with: --resume out")
    done = rmr1("data", "distill", "--resume", "out", "--allow-failed", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)["report"]
    assert [(p["asked"], p["traces"], p["kept"]) for p in report["passes"]] == [
        (40, 39, 7),
        (32, 32, 28),
    ]
