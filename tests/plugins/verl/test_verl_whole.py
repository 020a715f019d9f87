"""The real veRL on a CPU: GRPO steps with vLLM's rollouts, killed, resumed, merged, judged."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("clusters"),  # one cluster at a time on this machine
    pytest.mark.timeout(3600),
]
Managed = Callable[[str], Any]
KILLED_AFTER, SAVED, STEPS = 3, 2, 4
FAILING = """
from rmr1_core import RewardFunction, hookimpl

class Failing(RewardFunction, frozen=True, kw_only=True):
    def __call__(self, judgment, label):
        rubrics = {}
        return rubrics[judgment.pair_id]

@hookimpl
def rmr1_rewards():
    return [Failing(name="failing", summary="always raises")]
"""
QUICK = (
    "stages.sft.trainer.options.steps=60",
    "stages.grpo.trainer.options.rollout_batch_size=8",
    "stages.grpo.trainer.options.mini_batch_size=4",
    f"stages.grpo.trainer.options.steps={STEPS}",
    f"stages.grpo.trainer.options.save_every={SAVED}",
)


def rmr1(*args: str) -> list[str]:
    return [sys.executable, "-m", "rmr1_core", *args]


def settings(*given: str) -> list[str]:
    return [part for setting in given for part in ("--set", setting)]


def marked(run: Path) -> list[str]:
    """The command lines of all processes that name this run, or that inherited its variables."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if str(run).encode() in told and folder.name != str(os.getpid()):
            found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200])
    return found


def wait_for(what: Callable[[], Any], seconds: float, alive: Callable[[], bool]) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        assert alive(), "it ended"
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds} s")


def events(stage: Path) -> list[Mapping[str, Any]]:
    file = stage / "events.jsonl"
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def test_grpo_steps_are_killed_resumed_merged_and_judged(
    managed_environment: Managed, tmp_path: Path
) -> None:
    managed_environment("verl")
    chosen = ("--backbone", "tiny", "--trainer", "verl-grpo", "--dataset", "toy")
    start = subprocess.Popen(rmr1("run", *chosen, *settings(*QUICK)), cwd=tmp_path)

    def steps() -> list[int]:
        return [e["step"] for run in stages() for e in events(run) if "step" in e]

    def stages() -> list[Path]:
        return list(tmp_path.glob("runs/*/stages/grpo"))

    wait_for(lambda: KILLED_AFTER in steps(), 1800, lambda: start.poll() is None)
    start.send_signal(signal.SIGKILL)
    start.wait()
    (stage,) = stages()
    run = stage.parent.parent
    wait_for(lambda: not marked(run), 30, lambda: True)
    assert not (stage / "checkpoint").exists()

    before = events(stage)
    resumed = subprocess.run(
        rmr1("run", "--resume", "last"), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert resumed.returncode == 0, resumed.stderr
    after = events(stage)
    assert [e["step"] for e in after if "step" in e] == [1, 2, 3, 4]
    assert after[:SAVED] == before[:SAVED]
    assert "Resuming from" in (stage / "log.txt").read_text(errors="replace")
    told = after[-2]
    assert told["steps"] == STEPS
    assert told["answers"] == 8 * 7
    assert -1 <= told["data"]["critic/score/mean"] <= 1
    reward = (2 * told["right"] - told["answers"]) / told["answers"]
    assert told["data"]["critic/score/mean"] == pytest.approx(reward)
    assert told["data"]["actor/kl_loss"] >= 0
    assert after[-1]["done"]
    assert after[-1]["wall_seconds"] > told["data"]["timing_s/step"]
    check_judge(stage / "checkpoint", stage.parent / "sft" / "checkpoint", tmp_path)
    wait_for(lambda: not marked(run), 30, lambda: True)


def check_judge(trained: Path, before: Path, folder: Path) -> None:
    """What was merged is the model that was trained, changed, and judges."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert (trained / "tokenizer.json").read_bytes() == (before / "tokenizer.json").read_bytes()
    template = AutoTokenizer.from_pretrained(trained).chat_template
    assert template == AutoTokenizer.from_pretrained(before).chat_template
    new, old = (
        AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).state_dict()
        for model in (trained, before)
    )
    assert new.keys() == old.keys()
    changes = [float((new[name] - old[name]).abs().max()) for name in new]
    assert 0 < max(changes) < 0.2
    bench = rmr1("bench", "toy", "--backbone", str(trained), "--limit", "20", "--json")
    done = subprocess.run(bench, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


SHORTER = """
    import re
    from rmr1_core import hookimpl
    from rmr1_core.testing import ScriptedEngine

    def shorter(request):
        shown = request.messages[-1].content
        a, b = re.findall(r"=+ RESPONSE [AB] =+\\n(.*?)(?=\\n=+ )", shown, re.DOTALL)[-2:]
        verdict = "A" if len(a) < len(b) else "B" if len(b) < len(a) else "tie"
        return f"<answer>[[{verdict}]]</answer>"

    @hookimpl
    def rmr1_engines():
        return [ScriptedEngine(name="shorter", summary="prefers the shorter", write=shorter)]
"""


class Listening(ThreadingHTTPServer):
    """Stands before a reward server, and keeps what it was asked."""

    request_queue_size = 64
    daemon_threads = True

    def __init__(self, server: str) -> None:
        groups: list[Any] = []
        self.groups = groups

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                groups.append(json.loads(body))
                self._hand_on(body)

            def do_GET(self) -> None:
                self._hand_on(None)

            def _hand_on(self, body: bytes | None) -> None:
                kind = {"Content-Type": "application/json"}
                request = urllib.request.Request(server + self.path, body, kind)
                with urllib.request.urlopen(request, timeout=120) as answer:
                    said = answer.read()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A real `rmr1 serve` whose judge prefers the shorter answer; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    judge = ("--backbone", "org/any", "--engine", "shorter", "--prompt", "direct")
    log = folder / "serve.log"
    with log.open("w") as said:
        process = subprocess.Popen(rmr1("serve", *judge, "--port", str(port)), stderr=said)
    try:
        deadline = time.monotonic() + 60
        while "/docs" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def test_a_served_judge_is_shown_whole_groups_and_gets_what_it_prefers(
    managed_environment: Managed, tmp_path: Path, install_plugin: Callable[..., None]
) -> None:
    managed_environment("verl")
    install_plugin("shorter", SHORTER)
    with serving(tmp_path) as server, Listening(server) as judge:
        threading.Thread(target=judge.serve_forever, daemon=True).start()
        url = f"reward.options.url=http://127.0.0.1:{judge.server_port}"
        how = ("reward.name=served", url, "reward.options.strength=win-rate")
        done = subprocess.run(
            rmr1("run", "--recipe", "toy-verl", *settings(*QUICK, *how)),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        judge.shutdown()
    assert done.returncode == 0, done.stderr
    (stage,) = tmp_path.glob("runs/*/stages/grpo")
    steps = [event["data"] for event in events(stage) if "step" in event]
    lengths = [step["response_length/mean"] for step in steps]
    assert lengths[-1] < 0.9 * lengths[0]
    rows = [json.loads(line) for line in (stage / "data.jsonl").read_text().splitlines()]
    prompts = [order for row in rows for order in (row["messages"], row["twin"])]
    assert 0 < len(judge.groups) <= 8 * STEPS
    for group in judge.groups:  # equal answers are shown once
        assert group["messages"] in prompts
        assert 2 <= len(group["answers"]) <= 7
    assert max(len(group["answers"]) for group in judge.groups) == 7


def test_a_reward_that_raises_ends_the_run_with_its_own_error(
    managed_environment: Managed, tmp_path: Path, install_plugin: Callable[..., None]
) -> None:
    managed_environment("verl")
    install_plugin("failing", FAILING)
    failing = settings(*QUICK, "reward.name=failing")
    done = subprocess.run(
        rmr1("run", "--recipe", "toy-verl", "--no-check", *failing),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (stage,) = tmp_path.glob("runs/*/stages/grpo")
    pairs = {json.loads(row)["id"] for row in (stage / "data.jsonl").read_text().splitlines()}
    named = re.search(r"reward 'failing' raised KeyError\('(\S+)'\)", done.stderr)
    assert named is not None, done.stderr
    assert named.group(1) in pairs  # whichever answer was priced first
    assert "materializable" not in done.stderr
    assert "return rubrics[judgment.pair_id]" in (stage / "reward-error.txt").read_text()
    wait_for(lambda: not marked(stage.parent.parent), 30, lambda: True)


def test_resources_that_ray_never_gets_end_the_run_in_time(
    managed_environment: Managed, tmp_path: Path
) -> None:
    managed_environment("verl")
    greedy = settings(
        *QUICK,
        "stages.grpo.trainer.options.gpus_per_node=2",  # where the CPU counts as one
        "stages.grpo.trainer.options.start_minutes=2",
    )
    done = subprocess.run(
        rmr1("run", "--recipe", "toy-verl", "--no-check", *greedy),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    said = done.stderr.rpartition("error: ")[2]
    assert "GPU" in said or "Ray" in said
    wait_for(lambda: not marked(tmp_path), 30, lambda: True)
