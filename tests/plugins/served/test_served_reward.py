"""The reward `served`, against a reward server on the loopback."""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from scripted_rewards import Reply

from rmr1_core import Message, Ref, Verdict
from rmr1_core.errors import BadOption, EngineFailed, UsageError
from rmr1_core.lookup import resolve
from rmr1_core.testing import check_component, example_pair, judgment
from rmr1_served_rewards.client import retry_after

PROMPT = (Message("system", "judge"), Message("user", "[A] 1 [B] 2"))


def by_length(body: Any, _: int) -> Reply:
    """Shorter answers are better."""
    return Reply({"scores": [-float(len(text)) for text in body["answers"]]})


def priced(url: str, *texts: str, **options: Any) -> list[float]:
    reward = resolve("reward", Ref(name="served", options={"url": url, **options}))
    answers = [judgment(example_pair(), Verdict.A, text) for text in texts]
    scores: list[float] = reward.group(PROMPT, answers, Verdict.B)
    return scores


def test_it_keeps_the_contract_of_rewards_and_compares() -> None:
    reward = resolve("reward", "served")
    check_component(reward)
    assert reward.sees_groups


def test_a_group_is_scored_with_its_conversation_in_one_request(
    reward_server: Callable[..., Any],
) -> None:
    server = reward_server(by_length)
    options = {"method": "swiss", "rounds": 2, "strength": "win-rate"}
    assert priced(server.url, "aaa", "b", "cc", **options) == [-3.0, -1.0, -2.0]
    ((path, _, body),) = server.asked
    assert path == "/v1/score"
    assert body == {
        "messages": [
            {"role": "system", "content": "judge"},
            {"role": "user", "content": "[A] 1 [B] 2"},
        ],
        "answers": ["aaa", "b", "cc"],
        "method": "swiss",
        "strength": "win-rate",
        "rounds": 2,
    }


def test_equal_answers_are_sent_once_and_get_equal_rewards(
    reward_server: Callable[..., Any],
) -> None:
    server = reward_server(by_length)
    assert priced(server.url, "b", "aaa", "b") == [-1.0, -3.0, -1.0]
    assert server.asked[0][2]["answers"] == ["b", "aaa"]


@pytest.mark.parametrize(("strength", "level"), [("bradley-terry", 0.0), ("win-rate", 0.5)])
def test_answers_that_are_all_equal_need_no_judge(strength: str, level: float) -> None:
    assert priced("http://127.0.0.1:1", "a", "a", strength=strength) == [level, level]


def test_a_reference_may_hold_the_right_verdict(reward_server: Callable[..., Any]) -> None:
    server = reward_server(by_length)
    references = ["<answer>[[{label}]]</answer>", "nobody knows"]
    assert priced(server.url, "a", "a", method="reference", references=references) == [-1.0, -1.0]
    assert server.asked[0][2]["references"] == ["<answer>[[B]]</answer>", "nobody knows"]


def test_the_token_of_the_environment_is_sent(
    reward_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RMR1_TOKEN", "secret-1")
    server = reward_server(by_length)
    priced(server.url, "a", "bb")
    assert server.asked[0][1]["authorization"] == "Bearer secret-1"


def test_a_busy_server_is_asked_again_when_it_says(reward_server: Callable[..., Any]) -> None:
    def busy(body: Any, number: int) -> Reply:
        later = Reply({"detail": "full"}, 429, (("Retry-After", "0"),))
        return later if number < 4 else by_length(body, number)

    server = reward_server(busy)
    assert priced(server.url, "a", "bb") == [-1.0, -2.0]
    assert len(server.asked) == 4


def test_a_server_that_wants_more_patience_than_there_is_ends_the_training(
    reward_server: Callable[..., Any],
) -> None:
    server = reward_server(lambda _, __: Reply(b"full", 429, (("Retry-After", "90"),)))
    with pytest.raises(EngineFailed, match=r"answers only 429 \(full\); start it with: rmr1 serve"):
        priced(server.url, "a", "bb", patience=30.0)
    assert len(server.asked) == 1


def test_a_server_that_is_away_is_waited_for(reward_server: Callable[..., Any]) -> None:
    first = reward_server(by_length)
    first.close()
    back = threading.Timer(0.4, lambda: reward_server(by_length, first.port))
    back.start()
    assert priced(first.url, "a", "bb", patience=20.0) == [-1.0, -2.0]
    back.join()


def test_a_server_that_is_not_there_is_said_in_a_sentence_with_what_to_type() -> None:
    with pytest.raises(EngineFailed) as failed:
        priced("http://127.0.0.1:1", "a", "bb", patience=0.0)
    assert str(failed.value).startswith("the reward server at http://127.0.0.1:1 does not answer (")
    assert str(failed.value).endswith("; start it with: rmr1 serve --backbone NAME")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b"who are you", "wants its token (401); set it with: export RMR1_TOKEN="),
        (422, b'{"detail":\n"no answers"}', 'refused to score (422: {"detail": "no answers"})'),
        (307, b"", "refused to score (307"),
        (200, b"<html>", "is no reward server"),
        (200, b"[1]", "it gives no scores"),
        (200, b'{"scores": [null, 1]}', "it gives no scores"),
        (200, b'{"scores": [1]}', "gave 1 scores for 2 answers"),
    ],
)
def test_what_the_server_refuses_is_not_asked_again(
    reward_server: Callable[..., Any], status: int, body: bytes, said: str
) -> None:
    there = (("Location", "http://127.0.0.1:1/"),)
    server = reward_server(lambda _, __: Reply(body, status, there))
    with pytest.raises(EngineFailed) as failed:
        priced(server.url, "a", "bb")
    assert said in str(failed.value)
    assert len(server.asked) == 1


def test_a_proxy_is_not_asked_for_this_machine(
    reward_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert priced(reward_server(by_length).url, "a", "bb", patience=0.0) == [-1.0, -2.0]


def test_retry_after_is_seconds_or_a_date() -> None:
    soon = email.utils.formatdate(time.time() + 60, usegmt=True)
    assert retry_after({"Retry-After": "7"}) == 7.0
    assert retry_after({"Retry-After": soon}) == pytest.approx(60, abs=2)
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({}) is None


def test_before_a_training_the_server_is_looked_for(reward_server: Callable[..., Any]) -> None:
    server = reward_server(lambda _, __: Reply({"status": "ok"}))
    here, away = (
        resolve("reward", Ref(name="served", options={"url": url}))
        for url in (server.url, "http://127.0.0.1:1")
    )
    assert [(check.ok, check.detail) for check in here.checks()] == [(True, server.url)]
    (check,) = away.checks()
    assert (check.name, check.ok) == ("reward server", False)
    assert "start it with: rmr1 serve" in check.detail


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "localhost:8000"}, "no address of a server"),
        ({"method": "reference"}, "needs references"),
        ({"method": "knockout"}, "method"),
    ],
)
def test_options_that_cannot_work_are_refused_when_the_recipe_is_read(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadOption, match=said):
        resolve("reward", Ref(name="served", options=options))


def test_an_answer_alone_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match="shown one alone"):
        resolve("reward", "served")(judgment(example_pair(), Verdict.A, "a"), Verdict.A)
