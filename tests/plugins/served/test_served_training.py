"""A real `local-grpo` whose reward is a judge on the loopback."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from scripted_rewards import Reply

from rmr1_core import Ref, parse_verdict
from rmr1_core.lookup import resolve

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
SETTINGS = (
    "reward.name=served",
    "reward.options.strength=win-rate",
    "stages.sft.trainer.options.steps=450",
    "stages.grpo.trainer.options.steps=16",
    "stages.grpo.trainer.options.save_every=4",
)
SHOWN = (
    r"=+ REQUEST =+\n(?P<request>.*)\n=+ RESPONSE A =+\n(?P<a>.*)\n=+ RESPONSE B =+\n(?P<b>.*)\n"
    r"=+ END OF THE MATERIAL =+\s*"
)


def rmr1(folder: Path, *args: str, **options: str) -> subprocess.CompletedProcess[str]:
    """Runs the command; options of the reward are set."""
    given = [*SETTINGS, *(f"reward.options.{name}={value}" for name, value in options.items())]
    settings = [] if "--resume" in args else [x for setting in given for x in ("--set", setting)]
    command = [sys.executable, "-m", "rmr1_core", "run", *args, *settings]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


class Judging:
    """Knows the right verdicts of a run's prompts, and prefers judgments that have them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._labels: dict[str, str] = {}

    def __call__(self, body: Any, _: int) -> Reply:
        if body is None:  # is it there?
            return Reply({"status": "ok"})
        label = self._label(body["messages"][-1]["content"])
        won = [parse_verdict(text).value == label for text in body["answers"]]
        return Reply({"scores": [float(right) for right in won]})

    def _label(self, prompt: str) -> str:
        if not self._labels:
            (data,) = self._folder.glob("runs/*/stages/grpo/data.jsonl")
            for row in map(json.loads, data.read_text().splitlines()):
                self._labels[row["messages"][-1]["content"]] = row["label"]
                other = "B" if row["label"] == "A" else "A"
                self._labels[row["twin"][-1]["content"]] = other
        return self._labels[prompt]


def sampled(folder: Path) -> Mapping[str, float]:
    """By stage, the share of sampled judgments that are right."""
    (results,) = folder.glob("runs/*/results.json")
    return {
        one["stage"]: one["sampled"][0]["scores"]["headline"]["value"]
        for one in json.loads(results.read_text())
    }


def test_a_judge_that_prefers_right_judgments_makes_them_more_frequent(
    tmp_path: Path, reward_server: Callable[..., Any]
) -> None:
    server = reward_server(Judging(tmp_path))
    done = rmr1(tmp_path, "--smoke", url=server.url)
    assert done.returncode == 0, done.stderr
    assert [path for path, _, _ in server.asked][:1] == ["/health"]
    right = sampled(tmp_path)
    assert right["grpo"] > right["sft"] + 0.05


def test_a_server_that_goes_away_ends_the_run_with_a_sentence_and_it_resumes_when_it_is_back(
    tmp_path: Path, reward_server: Callable[..., Any]
) -> None:
    judging = Judging(tmp_path)

    def tired(body: Any, number: int) -> Reply:
        return judging(body, number) if number < 200 else Reply(b"", 503)

    first = reward_server(tired)
    failed = rmr1(tmp_path, "--smoke", url=first.url, patience="3")
    assert failed.returncode == 1
    said = failed.stderr.rpartition("error: ")[2]
    assert f"the reward server at {first.url} answers only 503" in said
    assert "start it with: rmr1 serve" in said
    assert "rmr1 run --resume" in said
    first.close()
    reward_server(judging, first.port)
    done = rmr1(tmp_path, "--resume", "last")
    assert done.returncode == 0, done.stderr
    (steps,) = tmp_path.glob("runs/*/stages/grpo/steps.jsonl")
    assert [json.loads(line)["step"] for line in steps.read_text().splitlines()][:16] == list(
        range(1, 17)
    )


class Endpoint:
    """A model behind an endpoint, asked with the prompt `direct`, that prefers what `Judging`
    does."""

    def __init__(self, folder: Path) -> None:
        self._judging = Judging(folder)

    def __call__(self, body: Any, number: int) -> Reply:
        if body is None:
            return Reply({"object": "list", "data": [{"id": "judge", "object": "model"}]})
        shown = re.fullmatch(SHOWN, body["messages"][-1]["content"], re.DOTALL)
        assert shown
        asked = {"messages": [{"content": shown["request"]}], "answers": [shown["a"], shown["b"]]}
        a, b = self._judging(asked, number).body["scores"]
        verdict = "A" if a > b else "B" if b > a else "tie"
        message = {"role": "assistant", "content": f"<answer>[[{verdict}]]</answer>"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}
        return Reply({"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage})


@contextmanager
def served(folder: Path, url: str) -> Iterator[str]:
    """A real `rmr1 serve`, with a model behind an endpoint; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    judge = ["--engine", "openai", "--base-url", f"{url}/v1", "--model", "judge"]
    command = [sys.executable, "-m", "rmr1_core", "serve", *judge, "--prompt", "direct"]
    log = folder / "serve.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, "--port", str(port)], cwd=folder, stdout=out, stderr=out
        )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while not resolve("reward", Ref(name="served", options={"url": address})).checks()[0].ok:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(60)


def test_rmr1_serve_is_the_reward_and_what_its_judge_prefers_becomes_more_frequent(
    tmp_path: Path, reward_server: Callable[..., Any]
) -> None:
    endpoint = reward_server(Endpoint(tmp_path))
    with served(tmp_path, endpoint.url) as address:
        done = rmr1(tmp_path, "--smoke", url=address, method="swiss")
    assert done.returncode == 0, done.stderr
    right = sampled(tmp_path)
    assert right["grpo"] > right["sft"] + 0.05
    assert len(endpoint.asked) > 1000
