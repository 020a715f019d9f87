"""What trainers send is scored, and what cannot be is refused in a sentence."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rmr1_core import Message
from rmr1_core.testing import HOSTILE_TEXTS

CHAT = "<|im_start|>user\nhow much?<|im_end|>\n<|im_start|>assistant\n"
QUESTION = (Message("user", "how much?"),)


def post(url: str, body: Any) -> tuple[int, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def batch(*worths: int, **more: Any) -> dict[str, Any]:
    """What OpenRLHF's client sends of answers to one prompt."""
    return {
        "query": [f"{CHAT}worth {worth}<|im_end|>" for worth in worths],
        "prompts": [CHAT] * len(worths),
        "labels": ["worth 5"] * len(worths),
        **more,
    }


def await_until(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        time.sleep(0.005)
    raise AssertionError("it does not happen")


def gathered(worth: int, **more: Any) -> dict[str, Any]:
    return {"messages": "how much?", "answer": f"worth {worth}", **more}


def test_answers_to_a_prompt_in_one_request_are_a_group(shapes):
    code, found = post(f"{shapes.url}/v1/openrlhf", batch(3, 1, 2))
    assert code == 200
    low, middle, high = (found["rewards"][place] for place in (1, 2, 0))
    assert low < middle < high
    assert middle == pytest.approx(0, abs=1e-6)
    assert found["extra_logs"] == {"group": [3.0, 3.0, 3.0]}
    assert shapes.groups[0][:2] == (QUESTION, ["worth 3", "worth 1", "worth 2"])


def test_scores_are_chances_to_win_whatever_the_rewards_are(shapes):
    _, found = post(f"{shapes.url}/v1/openrlhf", batch(1, 2))
    assert 0 < found["scores"][0] < 0.5 < found["scores"][1] < 1
    _, found = post(f"{shapes.url}/v1/openrlhf?strength=win-rate", batch(1, 2))
    assert found["scores"] == found["rewards"] == [0.0, 1.0]


def test_answers_that_come_one_by_one_meet(shapes):
    url = f"{shapes.url}/v1/openrlhf?group=4&strength=win-rate"
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda worth: post(url, batch(worth)), (4, 1, 3, 2)))
    assert [answer["rewards"] for _, answer in found] == [
        [pytest.approx(share)] for share in (1.0, 0.0, 2 / 3, 1 / 3)
    ]
    assert len(shapes.groups) == 1


def test_a_label_is_a_reference_where_the_address_says_so(shapes):
    url = f"{shapes.url}/v1/openrlhf?label_is_reference=true&strength=win-rate"
    assert [post(url, batch(worth))[1]["rewards"] for worth in (9, 1)] == [[1.0], [0.0]]


def test_an_answer_alone_is_refused_in_a_sentence(shapes):
    code, found = post(f"{shapes.url}/v1/openrlhf", batch(1))
    assert code == 422
    assert "came alone" in found["detail"]
    assert "group=8" in found["detail"]


def test_an_answer_alone_is_worth_what_the_address_says(shapes):
    assert post(f"{shapes.url}/v1/openrlhf?alone=0.25", batch(1))[1]["rewards"] == [0.25]
    body = gathered(1, wait=0, alone=-1)
    assert post(f"{shapes.url}/v1/gather", body) == (200, {"score": -1.0, "group": 1})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (batch(1, 2, prompts=[CHAT]), "prompts 1"),
        (batch(1, 2, labels=["x"]), "labels 1"),
        (batch(1, 2, prompts=["another"] * 2), "query 0 does not begin with its prompt"),
    ],
)
def test_a_batch_that_does_not_fit_together_is_refused(shapes, body, words):
    code, found = post(f"{shapes.url}/v1/openrlhf", body)
    assert code == 422
    assert words in found["detail"]


def test_a_label_that_is_no_text_is_no_reference(shapes):
    url = f"{shapes.url}/v1/openrlhf?label_is_reference=1"
    code, found = post(url, batch(1, labels=[None]))
    assert code == 422
    assert "label 0 is no text" in found["detail"]


def test_an_empty_batch_has_no_rewards(shapes):
    assert post(f"{shapes.url}/v1/openrlhf", {"query": [], "prompts": []})[1]["rewards"] == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"query": "text", "prompts": []}', b'{"query": [1]}', b"\xff"]
)
def test_what_is_no_batch_is_refused(shapes, body):
    assert post(f"{shapes.url}/v1/openrlhf", body)[0] in (400, 422)


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_answers_are_scored(shapes, text):
    body = {"query": ["Q:" + text] * 2, "prompts": ["Q:"] * 2}
    assert post(f"{shapes.url}/v1/openrlhf", body)[1]["rewards"] == [0.0, 0.0]


def test_gathered_answers_are_scored_together(shapes):
    with ThreadPoolExecutor(2) as pool:
        bodies = (gathered(worth, group=2, strength="win-rate") for worth in (1, 2))
        found = list(pool.map(lambda body: post(f"{shapes.url}/v1/gather", body), bodies))
    assert [answer for _, answer in found] == [
        {"score": 0.0, "group": 2},
        {"score": 1.0, "group": 2},
    ]


def test_whoever_went_away_is_not_waited_for(shapes):
    body = json.dumps(gathered(9, group=2)).encode()
    head = "POST /v1/gather HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", int(shapes.url.rpartition(":")[2]))) as gone:
        gone.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        await_until(lambda: shapes.waiting() == 1)
    await_until(lambda: shapes.waiting() == 0)
    with ThreadPoolExecutor(2) as pool:
        bodies = (gathered(worth, group=2) for worth in (1, 2))
        codes = list(pool.map(lambda body: post(f"{shapes.url}/v1/gather", body)[0], bodies))
    assert codes == [200, 200]
    assert sorted(shapes.groups[0][1]) == ["worth 1", "worth 2"]


def test_a_conversation_that_ends_with_an_answer_is_refused(shapes):
    body = gathered(1, messages=[{"role": "assistant", "content": "hello"}])
    code, found = post(f"{shapes.url}/v1/gather", body)
    assert code == 422
    assert "the last one is to be the user's" in found["detail"]


@pytest.mark.parametrize("change", [{"wait": 1e9}, {"group": 0}, {"group": 10**9}, {"rounds": 0}])
def test_what_is_out_of_bounds_is_refused(shapes, change):
    assert post(f"{shapes.url}/v1/gather", gathered(1, **change))[0] == 422
