"""`rmr1 serve`'s application on a real loopback socket, with a judge that is a script."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from rmr1_core import Backbone, Completion, Judge, Request
from rmr1_core.assessing import JudgeParts
from rmr1_core.lookup import resolve
from rmr1_core.slots import protocol_of
from rmr1_core.testing import ScriptedEngine

Send = Callable[..., tuple[int, Any, Any]]


def larger(request: Request) -> str:
    first, second = re.findall(r"answer-(\d+)", request.messages[-1].content)
    return f"<answer>[[{'A' if int(first) > int(second) else 'B'}]]</answer>"


@contextmanager
def served(write: Callable[[Request], Any] = larger, **options: Any) -> Iterator[Send]:
    """What sends a request to a server: path, body and headers; status, answer and headers."""
    import socket

    import uvicorn

    from rmr1_reward_server.app import application

    parts = JudgeParts(
        engine=ScriptedEngine(name="script", write=write),
        backbone=Backbone(name="nobody", model=""),
        strategy=resolve("prompt", "direct"),
    )
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Judge.of(parts, protocol_of()) as judge,
    ):
        app = application(judge, **options)
        config = uvicorn.Config(app, log_level="warning", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def send(path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
            data = None if body is None else json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
            request = urllib.request.Request(url + path, data, headers)
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    return answer.status, _read(answer), answer.headers
            except urllib.error.HTTPError as error:
                return error.code, _read(error), error.headers

        send.app = app  # type: ignore[attr-defined]
        try:
            yield send
        finally:
            server.should_exit = True
            thread.join(20)


def _read(answer: Any) -> Any:
    text = answer.read().decode()
    return json.loads(text) if text[:1] in "{[" else text


def group(*numbers: int, **more: Any) -> dict[str, Any]:
    return {"messages": "which?", "answers": [f"answer-{n}" for n in numbers], **more}


def test_two_answers_are_compared_with_what_the_judge_wrote() -> None:
    with served() as send:
        status, said, _ = send("/v1/compare", {"messages": "?", "a": "answer-1", "b": "answer-2"})
    assert status == 200
    assert (said["verdict"], said["share"], said["flipped"]) == ("B", 0.0, False)
    assert [one["text"] for one in said["opinions"]] == [
        "<answer>[[B]]</answer>",
        "<answer>[[A]]</answer>",
    ]


def test_the_scores_of_a_reward_model_are_those_of_the_answers_as_they_were_sent() -> None:
    def scored(request: Request) -> Completion:
        scores = {"answer-1": 0.5, "answer-2": 2.0}
        assert request.comparison is not None
        return Completion(
            text=larger(request),
            finish_reason="stop",
            prompt_tokens=1,
            completion_tokens=0,
            scores=(scores[request.comparison.a], scores[request.comparison.b]),
        )

    body = {"messages": "?", "a": "answer-1", "b": "answer-2"}
    with served(scored) as send:
        _, said, _ = send("/v1/compare", body)
    assert [one["scores"] for one in said["opinions"]] == [[0.5, 2.0]] * 2
    with served() as send:
        _, said, _ = send("/v1/compare", body)
    assert [one["scores"] for one in said["opinions"]] == [None] * 2


def test_a_group_is_ranked_and_scored() -> None:
    with served() as send:
        _, ranked, _ = send("/v1/rank", group(3, 9, 1))
        _, scored, _ = send("/v1/score", group(3, 9, 1, strength="win-rate"))
    assert (ranked["order"], ranked["comparisons"]) == ([1, 0, 2], 3)
    assert scored == {"scores": [0.5, 1.0, 0.0], "comparisons": 3}


def test_references_with_strengths_keep_the_scale() -> None:
    how = {"method": "reference", "references": {"answer-5": 2.0}}
    with served() as send:
        _, both, _ = send("/v1/score", group(1, 9, **how))
        _, one, _ = send("/v1/score", group(9, **how))
    assert both["scores"][0] < 2.0 < both["scores"][1]
    assert one["scores"][0] == pytest.approx(both["scores"][1])


def test_openrlhf_s_shape_is_served() -> None:
    body = {"query": ["which? answer-1", "which? answer-2"], "prompts": ["which? "] * 2}
    with served() as send:
        status, said, _ = send("/v1/openrlhf?strength=win-rate", {**body, "labels": [None, None]})
    assert (status, said["rewards"]) == (200, [0.0, 1.0])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (group(1), "two answers, or one and a reference"),
        ({**group(1, 2), "messages": []}, "the last one is to be the user's"),
        ({**group(1, 2), "method": "chess"}, "method"),
        ({"answers": ["a"]}, "messages"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_sentence(body: Any, problem: str) -> None:
    with served() as send:
        status, said, _ = send("/v1/score", body)
    assert status == 422
    assert problem in json.dumps(said)


def test_many_clients_at_once_lose_nothing() -> None:
    with served() as send, ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda n: send("/v1/score", group(n, n + 1)), range(200)))
    assert {status for status, _, _ in answers} == {200}
    assert all(said["scores"][0] < said["scores"][1] for _, said, _ in answers)


def test_too_many_at_a_time_are_told_to_come_back() -> None:
    from rmr1_reward_server.app import Limits

    go = threading.Event()

    def held(request: Request) -> str:
        go.wait(20)
        return larger(request)

    with served(held, limits=Limits(queue=1)) as send, ThreadPoolExecutor(1) as pool:
        first = pool.submit(send, "/v1/score", group(1, 2))
        serving = send.app.state.serving  # type: ignore[attr-defined]
        end = time.monotonic() + 10
        while not serving.under_way and time.monotonic() < end:
            time.sleep(0.01)
        status, _, headers = send("/v1/score", group(3, 4))
        go.set()
        assert (status, headers["Retry-After"]) == (429, "1")
        assert first.result(20)[0] == 200


def test_a_request_that_takes_too_long_is_ended() -> None:
    from rmr1_reward_server.app import Limits

    def slow(request: Request) -> str:
        time.sleep(0.5)
        return larger(request)

    with served(slow, limits=Limits(seconds=0.05)) as send:
        assert send("/v1/score", group(1, 2))[0] == 504


def test_a_body_that_is_too_long_is_not_read() -> None:
    from rmr1_reward_server.app import Limits

    with served(limits=Limits(body_bytes=100)) as send:
        status, said, _ = send("/v1/score", group(*range(100)))
    assert (status, said["detail"]) == (413, "a request may have 100 bytes at most")


def test_with_a_token_only_health_is_open() -> None:
    with served(token="secret") as send:
        assert send("/health")[0] == 200
        assert send("/v1/score", group(1, 2))[0] == 401
        assert send("/v1/score", group(1, 2), Authorization="Bearer wrong")[0] == 401
        assert send("/v1/score", group(1, 2), Authorization="Bearer secret")[0] == 200


def test_a_dead_engine_makes_the_server_unready() -> None:
    def die(request: Request) -> str:
        raise MemoryError("no memory")

    with served(die) as send:
        assert send("/ready")[0] == 200
        assert send("/v1/score", group(1, 2))[0] == 503
        assert send("/ready")[0] == 503
        assert send("/health")[0] == 200


def test_prometheus_is_told_what_was_judged() -> None:
    with served() as send:
        send("/v1/score", group(1, 2))
        send("/no/such/path")
        _, text, _ = send("/metrics")
    assert 'rmr1_requests_total{path="/v1/score",status="200"} 1.0' in text
    assert 'rmr1_requests_total{path="other",status="404"} 1.0' in text
    assert "rmr1_judgments_total 2.0" in text


def test_the_page_of_what_can_be_asked_needs_nothing_from_elsewhere() -> None:
    with served() as send:
        status, page, _ = send("/docs")
        schema = send("/openapi.json")[1]
    assert status == 200
    assert "/v1/score" in page
    assert "http" not in page.replace("rmr1", "")
    assert {"/v1/compare", "/v1/rank", "/v1/score", "/v1/openrlhf"} <= set(schema["paths"])
