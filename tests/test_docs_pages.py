"""The pages that lead a reader by the hand: every command on them is typed, in their order."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from documentation import ROOT, Line, blocks, command_lines, marked

from rmr1_core.cli import run_command

JUDGED = "<type>Chat</type> <rubric>…</rubric> <eval>…</eval> <answer>[[A]]</answer>"


def _lines(page: str) -> list[Line]:
    return [line for line in command_lines() if line.page.name == page and not line.mentioned]


@pytest.fixture
def endpoint() -> Iterator[str]:
    """The URL of a judge on the loopback that always prefers what it is shown first."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            choice = {"index": 0, "finish_reason": "stop"}
            choice["message"] = {"role": "assistant", "content": JUDGED}  # type: ignore[assignment]
            usage = {"prompt_tokens": 100, "completion_tokens": 20}
            body: dict[str, Any] = {"object": "chat.completion", "usage": usage, "id": "1"}
            sent = json.dumps({**body, "choices": [choice]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_commands_for_an_api_model_work(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-test")
    prices = (ROOT / "examples" / "prices.toml").read_text()
    (tmp_path / "prices.toml").write_text(prices.replace("example/small-judge", "NAME"))
    instead = {"rm-bench": "toy", "https://host/v1": endpoint, "100": "8"}
    ran = 0
    for line in _lines("api-models.md"):
        words = [instead.get(word, word) for word in line.words]
        printed = StringIO()
        with redirect_stdout(printed):
            assert run_command(words) == 0, line
        assert printed.getvalue(), line
        ran += 1
    assert ran >= 6
    assert len(list(tmp_path.glob("runs/*/evaluation/judgments.jsonl"))) == 1


def test_the_commands_for_a_judge_of_ones_own_work_up_to_the_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        {"prompt": f"question {i}", "chosen": f"good {i}", "rejected": f"bad {i}"} for i in range(4)
    ]
    (tmp_path / "prefs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\ndescription = "a few"\n\n[[sources]]\nname = "few"\n'
        'dataset = { name = "preferences:prefs.jsonl", options = { licence = "MIT" } }\n'
    )
    ran = []
    for line in _lines("train-your-own.md"):
        text = line.text.replace("PATH", "prefs.jsonl").replace(" --tokenizer qwen7b", "")
        words = line._replace(text=text).words
        if words[0] == "data" or "--dry-run" in words:
            assert run_command(words) == 0, line
            ran.append(words)
        if words[:2] == ["data", "distill"]:
            _with_traces(tmp_path / "mine" / "train.jsonl", tmp_path / "traces" / "train.jsonl")
    assert [words[0] for words in ran] == ["data", "data", "data", "data", "run"]
    assert len(list(tmp_path.glob("runs/*/stages/*/run.sh"))) == 2


def _with_traces(mixed: Path, traced: Path) -> None:
    """What a distillation would leave: the same rows with an answer that ends in their verdict."""
    traced.parent.mkdir()
    with traced.open("w") as file:
        for row in map(json.loads, mixed.read_text().splitlines()):
            verdict = "A" if row["chosen_first"] else "B"
            trace = f"<type>Chat</type> <eval>…</eval> <answer>[[{verdict}]]</answer>"
            file.write(json.dumps({**row, "trace": trace}) + "\n")


@pytest.mark.slow
def test_the_commands_of_the_five_minutes_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    few = ["--set", "stages.sft.trainer.options.steps=40", "--set", "evaluation.limit=10"]
    few += ["--set", "stages.grpo.trainer.options.steps=2"]  # a judge that is bad, but there
    for line in _lines("five-minutes.md"):
        words = line.words
        if "rm-bench" in words:
            continue  # needs the hub
        if words[0] == "run":
            words += few
        runs = [run.name for run in tmp_path.glob("runs/*-run-*")]
        words = [word.replace("RUN", runs[0]) if runs else word for word in words]
        code = run_command(words)
        assert code == 0 or words[0] == "doctor", line
    assert len(list(tmp_path.glob("runs/*"))) == 2


@pytest.mark.parametrize("name", ["lookup", "intervals", "statistics"])
def test_the_python_of_the_pages_runs(name: str) -> None:
    printed = StringIO()
    with redirect_stdout(printed):
        exec(compile(marked(name).code, name, "exec"), {"__name__": "documentation"})
    assert printed.getvalue() if name != "lookup" else True


def test_python_to_run_is_run() -> None:
    """A block that is marked `test` has a test that names it."""
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("**/*.py"))
    for block in blocks():
        if block.mark == "test":
            assert f'"{block.what}"' in tests, block
