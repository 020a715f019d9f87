"""The batch engines against a provider on the loopback, both APIs alike."""

from __future__ import annotations

import _thread
import json
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from batch_providers import KEY, Broken, Provider, Wrong, ask, echo, engine_at, request

from rmr1_batches.memory import Memory
from rmr1_core import Answer, Completion, RequestFailed
from rmr1_core.errors import EngineFailed, UsageError

Provide = Callable[..., Provider]
REQUESTS = [request(number) for number in range(5)]
PRICES = "[judge]\ninput = 1000\noutput = 1000\n"
OURS = re.compile(r"[A-Za-z0-9_-]{1,64}")


def texts(answers: list[Answer]) -> dict[str, str]:
    return {a.id: a.result.text for a in answers if isinstance(a.result, Completion)}


def errors(answers: list[Answer]) -> dict[str, str]:
    return {a.id: a.result.error for a in answers if isinstance(a.result, RequestFailed)}


def remembered(tmp_path: Path) -> str:
    return "".join(path.read_text() for path in (tmp_path / "data").rglob("*.jsonl"))


def test_each_request_is_answered_once_under_its_own_id(provide: Provide, api: str) -> None:
    provider = provide()
    answers = ask(api, provider.url, REQUESTS)
    assert len(answers) == 5
    assert texts(answers) == {r.id: "<answer>[[A]]</answer>" for r in REQUESTS}
    (result,) = {msgspec.json.encode(answer.result) for answer in answers}
    assert json.loads(result)["prompt_tokens"] == 100
    assert len(provider.batches) == 1
    assert all(OURS.fullmatch(asked["custom_id"]) for asked in provider.asked)


def test_openai_is_sent_what_its_batches_take(provide: Provide) -> None:
    provider = provide()
    ask("openai-batch", provider.url, [request(1, temperature=1.0, seed=7)], omit=["stop"])
    (asked,) = provider.asked
    assert (asked["method"], asked["url"]) == ("POST", "/v1/chat/completions")
    assert asked["body"] == {
        "model": "judge",
        "messages": [
            {"role": "system", "content": "judge"},
            {"role": "user", "content": "question 1"},
        ],
        "max_completion_tokens": 50,
        "temperature": 1.0,
        "seed": 7,
    }
    assert {headers.get("authorization") for headers in provider.headers} == {f"Bearer {KEY}"}


def test_anthropic_is_sent_what_its_batches_take(provide: Provide) -> None:
    provider = provide()
    ask("anthropic-batch", provider.url, [request(1, temperature=1.0, seed=7)])
    (asked,) = provider.asked
    assert asked["params"] == {
        "model": "judge",
        "system": "judge",
        "messages": [{"role": "user", "content": "question 1"}],
        "max_tokens": 50,
        "temperature": 1.0,
        "stop_sequences": ["</answer>"],
    }
    sent = {(h.get("x-api-key"), h.get("anthropic-version")) for h in provider.headers}
    assert sent == {(KEY, "2023-06-01")}


def test_batches_hold_at_most_so_many_requests(provide: Provide, api: str) -> None:
    provider = provide()
    answers = ask(api, provider.url, REQUESTS, max_requests_per_batch=2)
    assert [len(batch.requests) for batch in provider.batches.values()] == [2, 2, 1]
    assert len(texts(answers)) == 5


def test_batches_hold_at_most_so_many_bytes(provide: Provide, api: str) -> None:
    provider = provide()
    answers = ask(api, provider.url, REQUESTS, max_megabytes_per_batch=0.0007)
    sizes = [len(batch.requests) for batch in provider.batches.values()]
    assert len(sizes) > 1
    assert sum(sizes) == len(texts(answers)) == 5


def test_an_id_is_on_disk_before_its_batch_is_waited_for(
    provide: Provide, api: str, tmp_path: Path
) -> None:
    provider, seen = provide(), []
    provider.on_poll = lambda: seen.append(remembered(tmp_path))
    ask(api, provider.url, REQUESTS)
    assert '"batch_' in seen[0]


def test_after_an_interrupt_the_batch_is_left_and_joined(
    provide: Provide, api: str, capsys: pytest.CaptureFixture[str]
) -> None:
    provider = provide(echo, 1_000_000)
    provider.on_poll = _thread.interrupt_main
    with pytest.raises(KeyboardInterrupt):
        ask(api, provider.url, REQUESTS)
    (batch,) = provider.batches.values()
    assert f"left under way at {provider.url}: batch {batch.name}" in capsys.readouterr().err
    provider.on_poll, batch.polls = (lambda: None), 1
    assert len(texts(ask(api, provider.url, REQUESTS))) == 5
    assert len(provider.batches) == 1


def test_an_interrupt_while_a_batch_is_made_loses_nothing(
    provide: Provide, api: str, capsys: pytest.CaptureFixture[str]
) -> None:
    provider = provide()
    provider.on_create = _thread.interrupt_main
    with pytest.raises(KeyboardInterrupt):
        ask(api, provider.url, REQUESTS)
    assert "a batch is being sent" in capsys.readouterr().err
    provider.on_create = lambda: None
    assert len(texts(ask(api, provider.url, REQUESTS))) == 5
    assert len(provider.batches) == 1


def test_some_of_the_requests_are_found_in_the_batch_they_went_in(
    provide: Provide, api: str
) -> None:
    provider = provide()
    ask(api, provider.url, REQUESTS)
    again = ask(api, provider.url, [*REQUESTS[3:], request(9), request(10)])
    assert len(texts(again)) == 4
    assert [len(batch.requests) for batch in provider.batches.values()] == [5, 2]


@pytest.mark.parametrize("other", [{"model": "another"}, {"extra_body": {"top_k": 1}}])
def test_other_requests_are_not_taken_for_the_same(
    provide: Provide, api: str, other: dict[str, object]
) -> None:
    provider = provide()
    ask(api, provider.url, REQUESTS)
    ask(api, provider.url, REQUESTS, **other)
    ask(api, provider.url, [request(1, temperature=1.0, seed=1)])
    ask(api, provider.url, [request(1, temperature=1.0, seed=2)])
    assert len(provider.asked) == 12


def test_a_request_that_fails_is_told_and_sent_again_the_next_time(
    provide: Provide, api: str
) -> None:
    provider = provide()
    provider.judge = lambda q: Wrong(400, f"bad {KEY} field") if "2" in q else echo(q)
    answers = ask(api, provider.url, REQUESTS)
    (error,) = errors(answers).values()
    assert error == "the endpoint refuses it: bad [key] field (400)"
    assert len(texts(answers)) == 4
    provider.judge = echo
    assert len(texts(ask(api, provider.url, REQUESTS))) == 5
    assert [len(batch.requests) for batch in provider.batches.values()] == [5, 1]


def test_a_request_that_the_results_leave_out_failed(provide: Provide, api: str) -> None:
    provider = provide(lambda q: None if "2" in q else echo(q))
    answers = ask(api, provider.url, REQUESTS)
    assert errors(answers) == {
        REQUESTS[2].id: "batch batch_1 is over, and has no answer to it"
        if api == "openai-batch"
        else "batch batch_0 is over, and has no answer to it"
    }


def test_a_prompt_that_does_not_fit_is_no_failure(provide: Provide, api: str) -> None:
    provider = provide(lambda q: Wrong(400, "prompt is too long: 9 tokens > 5 maximum"))
    answers = ask(api, provider.url, REQUESTS[:1])
    assert isinstance(answers[0].result, Completion)
    assert answers[0].result.finish_reason == "prompt_too_long"


@pytest.mark.parametrize("ends", ["expired", "cancelled"])
def test_what_a_batch_that_ended_early_did_not_answer_is_sent_again_the_next_time(
    provide: Provide, api: str, ends: str
) -> None:
    provider = provide()
    provider.ends = ends
    answers = ask(api, provider.url, REQUESTS)
    assert (len(texts(answers)), len(errors(answers))) == (1, 4)
    provider.ends = "completed"
    assert len(texts(ask(api, provider.url, REQUESTS))) == 5
    assert [len(batch.requests) for batch in provider.batches.values()] == [5, 4]


def test_a_batch_that_failed_says_why_without_the_key(provide: Provide) -> None:
    provider = provide()
    provider.ends = "failed"
    answers = ask("openai-batch", provider.url, REQUESTS)
    assert set(errors(answers).values()) == {"batch batch_1 is failed: no quota for [key]"}
    provider.ends = "completed"
    assert len(texts(ask("openai-batch", provider.url, REQUESTS))) == 5


def test_a_batch_that_the_provider_has_forgotten_is_sent_again(
    provide: Provide, api: str, tmp_path: Path
) -> None:
    provider = provide()
    ask(api, provider.url, REQUESTS)
    provider.batches.clear()
    assert len(texts(ask(api, provider.url, REQUESTS))) == 5
    assert remembered(tmp_path).count('"batch_') == 1


def test_results_that_are_gone_are_asked_for_again_the_next_time(
    provide: Provide, api: str
) -> None:
    provider = provide()
    provider.break_ = lambda kind, number: Broken(404) if kind == "results" else None
    assert len(errors(ask(api, provider.url, REQUESTS))) == 5
    provider.break_ = lambda kind, number: None
    assert len(texts(ask(api, provider.url, REQUESTS))) == 5
    assert len(provider.batches) == 2


def test_a_batch_whose_results_are_old_is_sent_again(
    provide: Provide, api: str, tmp_path: Path
) -> None:
    provider = provide()
    ask(api, provider.url, REQUESTS)
    (path,) = (tmp_path / "data").rglob("*.jsonl")
    path.write_text(re.sub(r'"at":[0-9.]+', '"at":1.0', path.read_text()))
    ask(api, provider.url, REQUESTS)
    assert len(provider.batches) == 2
    assert not path.exists()


def test_nothing_is_sent_that_cannot_be_written_down(
    provide: Provide, api: str, tmp_path: Path
) -> None:
    provider = provide()
    (tmp_path / "data").write_text("no folder")
    with pytest.raises(OSError, match="data"):
        ask(api, provider.url, REQUESTS)
    assert not provider.batches


def test_what_is_forgotten_in_steps_stays_forgotten(tmp_path: Path) -> None:
    memory = Memory("openai-batch", "http://127.0.0.1:1/v1")
    sent = memory.keep("batch_1", ["a", "b", "c"])
    memory.forget(sent, {"a"})
    memory.forget(sent, {"b"})
    assert [found.requests for found in memory.batches()] == [("c",)]
    memory.forget(sent, {"c"})
    assert not list(memory.batches())


@pytest.mark.parametrize("status", [0, 429, 500, 503, 529])
def test_trouble_while_polling_is_waited_out(provide: Provide, api: str, status: int) -> None:
    provider = provide()
    provider.break_ = lambda kind, number: (
        Broken(status) if kind in ("poll", "results") and number < 2 else None
    )
    assert len(texts(ask(api, provider.url, REQUESTS))) == 5
    assert len(provider.batches) == 1


def test_trouble_that_lasts_stops_and_the_batch_is_joined_later(provide: Provide, api: str) -> None:
    provider = provide()
    provider.break_ = lambda kind, number: Broken(503) if kind == "poll" else None
    with pytest.raises(EngineFailed, match=r"in the last of 3 attempts.*--resume last"):
        ask(api, provider.url, REQUESTS, max_retries=2)
    provider.break_ = lambda kind, number: None
    assert len(texts(ask(api, provider.url, REQUESTS))) == 5
    assert len(provider.batches) == 1


def test_a_busy_provider_is_sent_the_batch_again(provide: Provide, api: str) -> None:
    provider = provide()
    provider.break_ = lambda kind, number: Broken(429) if kind == "create" and number == 0 else None
    assert len(texts(ask(api, provider.url, REQUESTS))) == 5


def test_a_batch_that_may_have_been_made_is_not_sent_again(provide: Provide, api: str) -> None:
    provider = provide()
    provider.break_ = lambda kind, number: Broken(0) if kind == "create" else None
    with pytest.raises(EngineFailed, match="it may have been made all the same"):
        ask(api, provider.url, REQUESTS)
    assert provider.seen["create"] == 1


@pytest.mark.parametrize("status", [401, 404])
def test_a_wrong_key_or_url_stops_at_once(provide: Provide, api: str, status: int) -> None:
    provider = provide()
    provider.break_ = lambda kind, number: Broken(status, f"no {KEY}")
    with pytest.raises(EngineFailed) as caught:
        ask(api, provider.url, REQUESTS)
    words = {401: "refuses the key in $", 404: "check the URL, which usually ends with /v1"}
    assert words[status] in str(caught.value)
    assert KEY not in str(caught.value)
    assert provider.seen.total() == 1


def test_results_are_not_fetched_from_another_server(provide: Provide) -> None:
    provider, other = provide(), provide()
    provider.url = other.url  # which the results' URL is made from
    with pytest.raises(EngineFailed, match="where the key is not sent"):
        ask("anthropic-batch", f"{provider.root}/v1", REQUESTS)
    assert other.headers == []


def test_a_batch_costs_half(provide: Provide, api: str, tmp_path: Path) -> None:
    provider, prices = provide(), tmp_path / "prices.toml"
    prices.write_text(PRICES)
    answers = ask(api, provider.url, REQUESTS, prices=str(prices))
    assert {a.result.cost for a in answers if isinstance(a.result, Completion)} == {0.055}
    engine = engine_at(api, provider.url, prices=str(prices))
    assert engine.cost(engine.own_backbone(), 100, 10) == pytest.approx(0.055)


def test_no_more_is_sent_than_the_money_allows_at_worst(
    provide: Provide, api: str, tmp_path: Path
) -> None:
    provider, prices = provide(), tmp_path / "prices.toml"
    prices.write_text(PRICES)  # at worst: 47 or 48 bytes of prompt, 50 tokens, 0.05 dollars
    with pytest.raises(EngineFailed, match=r"more than is left of --max-cost 0\.12"):
        ask(api, provider.url, REQUESTS, prices=str(prices), max_cost=0.12)
    assert [len(batch.requests) for batch in provider.batches.values()] == [2]
    with pytest.raises(EngineFailed, match=r"one request may cost \$0\.05"):
        ask(api, provider.url, [request(77)], prices=str(prices), max_cost=0.01)


def test_nothing_that_is_kept_holds_the_key(provide: Provide, api: str, tmp_path: Path) -> None:
    provider = provide(lambda q: f"I was told {KEY} <answer>[[A]]</answer>")
    answers = ask(api, provider.url, REQUESTS)
    assert all("[key]" in text and KEY not in text for text in texts(answers).values())
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert files
    assert not any(KEY.encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"api_key_env": "sk-123-abc"}, "takes the name of an environment variable"),
        ({"extra_body": {"model": "x"}}, "extra_body may not set 'model'"),
        ({"model": ""}, "--model NAME"),
        ({"max_cost": 1.0}, "--max-cost needs the prices"),
    ],
)
def test_what_cannot_work_is_refused_at_once(
    api: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        engine_at(api, "http://127.0.0.1:1/v1", **options).own_backbone()


def test_anthropic_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(UsageError, match=r"\$ANTHROPIC_API_KEY is not set"):
        ask("anthropic-batch", "http://127.0.0.1:1/v1", REQUESTS)
