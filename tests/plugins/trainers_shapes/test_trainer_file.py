"""The file for TRL and veRL, which needs nothing but Python."""

from __future__ import annotations

import ast
import asyncio
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from rmr1_reward_server import trainers


async def scored(shapes: Any, worths: Any, extra: Any = None, **how: Any) -> list[dict[str, float]]:
    info = {"question": "how much?"} if extra is None else extra
    coming = (
        trainers.compute_score("toy", f"worth {worth}", "worth 5", info, url=shapes.url, **how)
        for worth in worths
    )
    return await asyncio.gather(*coming)


def test_it_needs_nothing_but_python():
    tree = ast.parse(Path(trainers.__file__).read_text())
    names = [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
    names += [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module]
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_trl_s_groups_are_scored_prompt_by_prompt(shapes):
    reward = trainers.judge_reward(shapes.url)
    found = reward(["p", "q", "p", "q"], ["worth 1", "worth 9", "worth 2", "worth 8"], step=1)
    assert found[0] < 0 < found[2]
    assert found[3] < 0 < found[1]
    assert sorted(group[1] for group in shapes.groups) == [
        ["worth 1", "worth 2"],
        ["worth 9", "worth 8"],
    ]


def test_trl_s_conversations_are_scored(shapes):
    prompt = [{"role": "user", "content": "how much?"}]
    completions = [[{"role": "assistant", "content": f"worth {n}"}] for n in (1, 2)]
    low, high = trainers.judge_reward(shapes.url)([prompt] * 2, completions)
    assert low < high


def test_a_column_is_a_reference_for_trl(shapes):
    reward = trainers.judge_reward(shapes.url, reference_column="solution")
    assert reward(["p"], ["worth 1"], solution=["worth 5"])[0] < 0


def test_an_answer_alone_has_the_reward_that_was_given(shapes):
    assert trainers.judge_reward(shapes.url, alone=0.5)(["p"], ["worth 1"]) == [0.5]


def test_answers_of_verl_meet_at_the_server(shapes):
    found = asyncio.run(scored(shapes, (1, 2, 3), group=3, strength="win-rate"))
    assert [one["score"] for one in found] == [0.0, 0.5, 1.0]
    assert [one["judged_together"] for one in found] == [3, 3, 3]


def test_the_ground_truth_is_a_reference_where_verl_is_told_so(shapes):
    coming = scored(shapes, (9,), group=1, ground_truth_is_reference=True, strength="win-rate")
    assert asyncio.run(coming)[0]["score"] == 1.0


def test_data_without_a_prompt_is_told_of(shapes):
    with pytest.raises(trainers.NoReward, match=r"extra_info has no prompt .*; add it"):
        asyncio.run(scored(shapes, (1,), extra={}))


def test_what_the_server_refuses_is_raised(shapes):
    with pytest.raises(trainers.NoReward, match=r"refuses: 422 .*came alone"):
        asyncio.run(scored(shapes, (1,), group=8, wait=0))


def test_a_server_that_is_busy_is_asked_again_when_it_says(monkeypatch):
    answers = [(429, b"{}"), (503, b"{}"), (200, b'{"scores": [1.0, 2.0]}')]
    tokens: list[str | None] = []

    class Busy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            tokens.append(self.headers["authorization"])
            code, body = answers[len(tokens) - 1]
            self.send_response(code)
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("RMR1_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("RMR1_TOKEN", "secret")
    try:
        assert trainers.judge_reward()(["p", "p"], ["a", "b"]) == [1.0, 2.0]
    finally:
        server.shutdown()
        server.server_close()
    assert tokens == ["Bearer secret"] * 3


def test_a_server_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(trainers, "PATIENCE", 0.0)
    with pytest.raises(trainers.NoReward, match=r"at http://127\.0\.0\.1:9 does not answer"):
        trainers.judge_reward("http://127.0.0.1:9")(["p", "p"], ["a", "b"])
