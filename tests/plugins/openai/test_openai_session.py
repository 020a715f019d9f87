"""Asking an endpoint on the loopback, well-behaved and not."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from openai_endpoint import Asked, Endpoint, Reply, ask, chat, engine_at, failure, request

from rmr1_core import Completion, Request, RequestFailed
from rmr1_core.errors import EngineFailed
from rmr1_openai.endpoints import Endpoint as Endpoint_
from rmr1_openai.endpoints import Endpoints
from rmr1_openai.failures import retry_after

Serve = Callable[..., Endpoint]


def echo(asked: Asked, _: int = 0) -> Reply:
    return Reply(chat(asked.body["messages"][-1]["content"]))


def first_then(*replies: Reply) -> Callable[[Asked, int], Reply]:
    """These replies in turn, and then echoes."""
    return lambda asked, n: replies[n] if n < len(replies) else echo(asked)


def texts(answers: Any) -> dict[str, str]:
    return {answer.id: answer.result.text for answer in answers}


# what is sent


def test_every_request_is_answered_under_its_own_id(serve: Serve) -> None:
    endpoint = serve(echo)
    answers = ask(endpoint.url, requests=[request(n) for n in range(20)], max_concurrency=4)
    assert texts(answers) == {str(n): f"question {n}" for n in range(20)}


def test_a_greedy_request_sends_no_seed_and_no_top_p(serve: Serve) -> None:
    endpoint = serve(echo)
    ask(endpoint.url, requests=[request()])
    assert endpoint.bodies == [
        {
            "model": "judge",
            "messages": [
                {"role": "system", "content": "judge"},
                {"role": "user", "content": "question 0"},
            ],
            "temperature": 0.0,
            "stop": ["</answer>"],
            "max_tokens": 50,
        }
    ]


def test_a_sampled_request_sends_all_of_its_sampling(serve: Serve) -> None:
    endpoint = serve(echo)
    ask(endpoint.url, requests=[request(temperature=0.7, top_p=0.9, seed=11, stop=())])
    (body,) = endpoint.bodies
    assert (body["temperature"], body["top_p"], body["seed"]) == (0.7, 0.9, 11)
    assert "stop" not in body


def test_what_a_model_refuses_can_be_left_out(serve: Serve) -> None:
    endpoint = serve(echo)
    omit = ("temperature", "top_p", "seed", "stop")
    ask(endpoint.url, requests=[request(temperature=0.7, top_p=0.9, seed=11)], omit=omit)
    assert not set(omit) & set(endpoint.bodies[0])


def test_extra_fields_go_in_as_they_are(serve: Serve) -> None:
    endpoint = serve(echo)
    extra = {"reasoning_effort": "low", "nested": {"a": [1, None]}}
    ask(endpoint.url, requests=[request()], extra_body=extra)
    assert {name: endpoint.bodies[0][name] for name in extra} == extra


def test_half_a_surrogate_pair_can_be_asked(serve: Serve) -> None:
    endpoint = serve(echo)
    (answer,) = ask(endpoint.url, requests=[request(text="odd \ud800 text")])
    assert answer.result.text == "odd ? text"


def test_the_key_is_sent_and_without_one_none_is(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = serve(echo)
    ask(endpoint.url, requests=[request()])
    monkeypatch.setenv("OTHER_KEY", " secret-of-mine\n")
    ask(endpoint.url, requests=[request()], api_key_env="OTHER_KEY")
    without, with_key = (asked.headers for asked in endpoint.asked)
    assert "authorization" not in without
    assert with_key["authorization"] == "Bearer secret-of-mine"


def test_a_token_limit_that_the_server_calls_otherwise_is_renamed(serve: Serve) -> None:
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    refusal = Reply(failure(message, code="unsupported_parameter", param="max_tokens"), 400)
    endpoint = serve(lambda asked, _: refusal if "max_tokens" in asked.body else echo(asked))
    answers = ask(endpoint.url, requests=[request(n) for n in range(9)], max_concurrency=3)
    assert len(texts(answers)) == 9
    assert sum("max_tokens" in body for body in endpoint.bodies) <= 3
    with pytest.raises(EngineFailed, match="--token-limit max_completion_tokens"):
        ask(endpoint.url, requests=[request()], token_limit="max_tokens")


def test_a_refused_parameter_stops_with_what_to_type(serve: Serve) -> None:
    message = "Unsupported value: 'temperature' does not support 0 with this model."
    body = failure(message, code="unsupported_value", param="temperature")
    endpoint = serve(lambda *_: Reply(body, 400))
    with pytest.raises(EngineFailed, match="leave it out with: --omit temperature"):
        ask(endpoint.url, requests=[request()])


# places


def test_requests_are_taken_as_places_become_free(serve: Serve) -> None:
    endpoint = serve(lambda asked, _: echo(asked)._replace(delay=0.01))
    taken: list[int] = []

    def requests() -> Iterator[Request]:
        for number in range(40):
            taken.append(number)
            yield request(number)

    with engine_at(endpoint.url, max_concurrency=5).open(_NOBODY) as session:
        for count, _ in enumerate(session.generate(requests())):
            assert len(taken) <= count + 2 * 5
    assert 1 < endpoint.most_at_once <= 5


def test_answers_come_as_they_finish(serve: Serve) -> None:
    gate = threading.Event()

    def script(asked: Asked, _: int) -> Reply:
        if asked.body["messages"][-1]["content"] == "question 0":
            gate.wait(10)
        return echo(asked)

    endpoint = serve(script)
    ids = []
    with engine_at(endpoint.url).open(_NOBODY) as session:
        for answer in session.generate(request(n) for n in range(5)):
            ids.append(answer.id)
            if len(ids) == 4:
                gate.set()
    assert ids[-1] == "0"


def test_leaving_early_cancels_and_closes(serve: Serve) -> None:
    gate = threading.Event()
    endpoint = serve(
        lambda asked, _: echo(asked) if "question 0" in str(asked.body) else _held(gate, asked)
    )
    with engine_at(endpoint.url, max_concurrency=4).open(_NOBODY) as session:
        answers = session.generate(request(n) for n in range(100))
        assert next(answers).id == "0"
        answers.close()
    gate.set()
    assert len(endpoint.bodies) <= 5
    assert "rmr1-openai" not in {thread.name for thread in threading.enumerate()}


def _held(gate: threading.Event, asked: Asked) -> Reply:
    gate.wait(10)
    return echo(asked)


def test_an_error_of_the_requests_is_the_callers_own(serve: Serve) -> None:
    endpoint = serve(echo)

    def requests() -> Iterator[Request]:
        yield request(0)
        raise LookupError("no more")

    with pytest.raises(LookupError):
        ask(endpoint.url, requests=requests(), max_concurrency=1)
    assert "rmr1-openai" not in {thread.name for thread in threading.enumerate()}


def test_one_session_answers_several_times(serve: Serve) -> None:
    endpoint = serve(echo)
    with engine_at(endpoint.url).open(_NOBODY) as session:
        assert len(list(session.generate([request(0)]))) == 1
        assert len(list(session.generate([request(1), request(2)]))) == 2
        assert list(session.generate([])) == []
        assert ", 30 out" in session.facts["since the last start"]


# failures that pass


PASSING = {
    "429": Reply(failure("slow down"), 429, {"retry-after": "0"}),
    "500": Reply(failure("oops"), 500),
    "503 in HTML": Reply(b"<html>down</html>", 503, {"content-type": "text/html"}),
    "408": Reply(failure("late"), 408),
    "dropped": Reply(chat("x" * 1000), cut=True),
    "no JSON": Reply(b"{"),
    "other JSON": Reply([1]),
    "no choices": Reply({"choices": []}),
    "an error in a good response": Reply(failure("overloaded")),
}


@pytest.mark.parametrize("reply", PASSING.values(), ids=PASSING.keys())
def test_what_passes_is_asked_again(serve: Serve, reply: Reply) -> None:
    endpoint = serve(first_then(reply, reply))
    with engine_at(endpoint.url).open(_NOBODY) as session:
        (answer,) = session.generate([request()])
        assert answer.result.text == "question 0"
        assert session.facts["since the last start"].endswith("2 retries")


@pytest.mark.parametrize(
    ("reply", "why"),
    [(PASSING["500"], r"oops \(500\)"), (PASSING["429"], r"slow down \(429\)"),
     (PASSING["503 in HTML"], r"Service Unavailable \(503\)"),
     (PASSING["dropped"], "the connection was dropped"),
     (PASSING["no JSON"], "malformed answer: it is not JSON"),
     (PASSING["no choices"], "malformed answer: it has no choices")],
)  # fmt: skip
def test_what_does_not_pass_fails_alone(serve: Serve, reply: Reply, why: str) -> None:
    endpoint = serve(lambda asked, _: reply if "question 1" in str(asked.body) else echo(asked))
    answers = ask(endpoint.url, requests=[request(n) for n in range(3)], max_retries=2)
    results = {answer.id: answer.result for answer in answers}
    failed = results.pop("1")
    assert isinstance(failed, RequestFailed)
    assert re.fullmatch(f"(a )?{why}, in the last of 3 attempts", failed.error)
    assert all(isinstance(result, Completion) for result in results.values())
    assert len(endpoint.bodies) == 2 + 3


def test_a_run_of_which_nothing_succeeds_ends_early(serve: Serve) -> None:
    endpoint = serve(lambda *_: Reply(b"<p>Welcome!</p>"))
    told = "none of 1[0-9][0-9] requests was answered, the last because: a malformed answer: .*"
    with pytest.raises(EngineFailed, match=f"{told}check --base-url"):
        ask(endpoint.url, requests=[request(n) for n in range(500)], max_retries=0)
    assert len(endpoint.bodies) < 250


def test_one_answer_is_enough_to_hope(serve: Serve) -> None:
    endpoint = serve(lambda asked, _: echo(asked) if "question 0" in str(asked.body) else Reply(""))
    answers = ask(endpoint.url, requests=[request(n) for n in range(150)], max_retries=0)
    assert sum(isinstance(answer.result, RequestFailed) for answer in answers) == 149


def test_a_slow_server_is_left(serve: Serve) -> None:
    gate = threading.Event()
    endpoint = serve(lambda asked, n: _held(gate, asked) if n == 0 else echo(asked))
    (answer,) = ask(endpoint.url, requests=[request()], timeout_seconds=0.3)
    gate.set()
    assert answer.result.text == "question 0"
    assert len(endpoint.bodies) >= 2


def test_a_refusal_of_one_request_fails_that_one_without_asking_again(serve: Serve) -> None:
    endpoint = serve(lambda *_: Reply(failure("the image is blurred"), 400))
    (answer,) = ask(endpoint.url, requests=[request()])
    assert answer.result.error == "the endpoint refuses it: the image is blurred (400)"
    assert len(endpoint.bodies) == 1


@pytest.mark.parametrize(
    "header", [{"retry-after": "0.2"}, {"retry-after-ms": "200", "retry-after": "9"}]
)
def test_the_server_says_how_long_to_wait(serve: Serve, header: dict[str, str]) -> None:
    endpoint = serve(first_then(Reply(failure("busy"), 429, header)))
    ask(endpoint.url, requests=[request()], retry_seconds=30)
    first, second = (asked.at for asked in endpoint.asked)
    assert second - first >= 0.2


@pytest.mark.parametrize("said", ["0", "-3", "Wed, 01 Jan 2025 00:00:00 GMT"])
@pytest.mark.parametrize("status", [429, 503])
def test_no_wait_or_a_past_date_is_no_leave_to_hurry(serve: Serve, said: str, status: int) -> None:
    """A server's clock may be behind; all attempts at once would all fail."""
    endpoint = serve(first_then(Reply(failure("busy"), status, {"retry-after": said})))
    (answer,) = ask(endpoint.url, requests=[request()], retry_seconds=0.2)
    assert answer.result.text == "question 0"
    first, second = (asked.at for asked in endpoint.asked)
    assert second - first >= 0.2


def test_a_server_that_wants_the_same_wait_again_gets_longer_ones(serve: Serve) -> None:
    """Many requests that come back together would all fail but a few, each time."""
    busy = Reply(failure("busy"), 429, {"retry-after-ms": "50"})
    endpoint = serve(first_then(busy, busy, busy))
    ask(endpoint.url, requests=[request()], retry_seconds=30)
    times = [asked.at for asked in endpoint.asked]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert all(wait >= wanted for wait, wanted in zip(waits, (0.05, 0.1, 0.2), strict=True))


@pytest.mark.parametrize("form", ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                  "%a %b %d %H:%M:%S %Y"])  # fmt: skip
def test_all_three_forms_of_a_date_are_read_as_gmt(
    monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    date = time.strftime(form, time.gmtime(time.time() + 100))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        wait = retry_after({"retry-after": date})
    finally:
        monkeypatch.undo()
        time.tzset()
    assert wait is not None
    assert 50 < wait <= 101


@pytest.mark.parametrize("said", ["", "soon", "nan", "1, 2", "99 bottles", "Wed, 99 Foo 2025"])
def test_what_is_no_wait_is_none(said: str) -> None:
    assert retry_after({"retry-after": said, "retry-after-ms": said}) is None


def test_a_server_that_wants_a_day_ends_the_run(serve: Serve) -> None:
    endpoint = serve(lambda *_: Reply(failure("daily limit"), 429, {"retry-after": "86400"}))
    with pytest.raises(EngineFailed, match=r"wait 86,400 seconds: daily limit .*--resume last"):
        ask(endpoint.url, requests=[request()])


# prompts that do not fit

TOO_LONG = {
    "OpenAI": failure("maximum context length is 10 tokens", code="context_length_exceeded"),
    "vLLM": failure(
        "This model's maximum context length is 512 tokens. However, your prompt contains at "
        "least 513 input tokens, which exceeds this limit even without any output tokens.",
        type="BadRequestError", code=400,
    ),
    "others": failure("the request exceeds the available context size"),
}  # fmt: skip


@pytest.mark.parametrize("body", TOO_LONG.values(), ids=TOO_LONG.keys())
def test_a_prompt_that_does_not_fit_is_no_failure(serve: Serve, body: Any) -> None:
    endpoint = serve(lambda *_: Reply(body, 400))
    (answer,) = ask(endpoint.url, requests=[request()])
    assert answer.result.finish_reason == "prompt_too_long"
    assert answer.result.text == ""
    assert len(endpoint.bodies) == 1


def test_an_answer_gets_what_room_the_context_has(serve: Serve) -> None:
    message = (
        "This model's maximum context length is 100 tokens. However, you requested 130 tokens "
        "(80 in the messages, 50 in the completion)."
    )
    endpoint = serve(
        lambda asked, _: (
            echo(asked) if asked.body["max_tokens"] <= 20 else Reply(failure(message), 400)
        )
    )
    (answer,) = ask(endpoint.url, requests=[request(max_new_tokens=50)])
    assert answer.result.text == "question 0"
    assert [body["max_tokens"] for body in endpoint.bodies] == [50, 20]


@pytest.mark.parametrize("prompt", [60, 98, 99, 100, 300])
def test_an_answer_gets_room_where_the_server_counts_no_further_than_it_must(
    serve: Serve, prompt: int
) -> None:
    """As vLLM does: it reads a prompt only as far as would fit with the answer."""

    def script(asked: Asked, _: int) -> Reply:
        read = 100 - asked.body["max_tokens"] + 1
        return Reply(failure(_uncounted(read)), 400) if prompt >= read else echo(asked)

    endpoint = serve(script)
    (answer,) = ask(endpoint.url, requests=[request(max_new_tokens=50)])
    fits = prompt < 100
    assert answer.result.finish_reason == ("stop" if fits else "prompt_too_long")
    room = endpoint.bodies[-1]["max_tokens"]
    assert (100 - prompt) // 2 <= room <= max(1, 100 - prompt)


def _uncounted(read: int) -> str:
    return (
        f"This model's maximum context length is 100 tokens. However, your prompt contains at "
        f"least {read} input tokens, which exceeds this limit even without any output tokens. "
        "Please reduce the length of the input prompt."
    )


def test_an_answer_gets_room_where_the_server_counts_letters(serve: Serve) -> None:
    def script(asked: Asked, _: int) -> Reply:
        most = 100 - asked.body["max_tokens"]
        message = (
            "This model's maximum context length is 100 tokens. However, your prompt contains 800 "
            f"characters (more than {10 * most} characters, which is the upper bound for {most} "
            "input tokens). Please reduce the length of the input prompt."
        )
        return echo(asked) if 10 * most >= 800 else Reply(failure(message), 400)

    (answer,) = ask(serve(script).url, requests=[request(max_new_tokens=50)])
    assert answer.result.text == "question 0"


@pytest.mark.parametrize(
    "message",
    ["max_tokens is too large: 50. This model supports at most 30 completion tokens.",
     "max_tokens=50 cannot be greater than max_model_len=30. Please request fewer output tokens."],
)  # fmt: skip
def test_an_answer_is_no_longer_than_the_model_writes(serve: Serve, message: str) -> None:
    endpoint = serve(
        lambda asked, _: (
            echo(asked) if asked.body["max_tokens"] <= 30 else Reply(failure(message), 400)
        )
    )
    (answer,) = ask(endpoint.url, requests=[request(max_new_tokens=50)])
    assert answer.result.text == "question 0"
    assert [body["max_tokens"] for body in endpoint.bodies] == [50, 30]


def test_a_prompt_that_a_filter_refuses_is_a_cut_answer(serve: Serve) -> None:
    endpoint = serve(lambda *_: Reply(failure("filtered", code="content_filter"), 400))
    (answer,) = ask(endpoint.url, requests=[request()])
    assert (answer.result.text, answer.result.finish_reason) == ("", "length")


# failures that stay


@pytest.mark.parametrize("status", [401, 403])
def test_without_a_key_one_sentence_says_where_to_put_it(serve: Serve, status: int) -> None:
    endpoint = serve(lambda *_: Reply(failure("no key"), status))
    with pytest.raises(EngineFailed) as caught:
        ask(endpoint.url, requests=[request(n) for n in range(9)], max_concurrency=2)
    assert str(caught.value) == (
        f"{endpoint.url} wants a key: no key ({status}); put it into the environment: "
        "export OPENAI_API_KEY=…, or name the variable that holds it with --api-key-env"
    )
    assert len(endpoint.bodies) <= 2


def test_a_wrong_key_is_named_by_its_variable(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG_KEY", "sk-wrong-123456")
    endpoint = serve(lambda *_: Reply(failure("bad key"), 401))
    with pytest.raises(EngineFailed, match=r"refuses the key in \$WRONG_KEY: bad key \(401\)"):
        ask(endpoint.url, requests=[request()], api_key_env="WRONG_KEY")


def test_an_unknown_model_is_answered_with_those_that_are_served(serve: Serve) -> None:
    models = {"object": "list", "data": [{"id": name, "object": "model"} for name in ("a", "b")]}
    endpoint = serve(
        lambda asked, _: (
            Reply(models)
            if asked.path.endswith("/models")
            else Reply(failure("no such model"), 404)
        )
    )
    with pytest.raises(EngineFailed, match=r"does not serve the model 'judge'.* --model: a, b$"):
        ask(endpoint.url, requests=[request()])


def test_a_wrong_path_is_told(serve: Serve) -> None:
    endpoint = serve(lambda *_: Reply(b"not here", 404, {"content-type": "text/plain"}))
    with pytest.raises(EngineFailed, match=r"nothing at .*/chat/completions: Not Found .*/v1"):
        ask(endpoint.url, requests=[request()])


def test_an_account_without_credit_ends_the_run(serve: Serve) -> None:
    body = failure("you have no credit", code="insufficient_quota")
    endpoint = serve(lambda *_: Reply(body, 429))
    with pytest.raises(EngineFailed, match=r"used up: you have no credit .*--resume last"):
        ask(endpoint.url, requests=[request()])
    assert len(endpoint.bodies) == 1


def test_a_server_that_is_not_there_ends_the_run(serve: Serve) -> None:
    endpoint = serve(echo)
    endpoint.close()
    with pytest.raises(EngineFailed, match=f"nothing answers at {endpoint.url}: no connection"):
        ask(endpoint.url, requests=[request(n) for n in range(9)], max_retries=1)


@pytest.mark.parametrize(
    "said",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 999999 What\r\n\r\n", b"",
     b"HTTP/1.1 500 \xff\xfe\r\ncontent-length: 0\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_web_server_fails_the_request(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        (answered,) = ask(url, requests=[request()], max_retries=1)
    assert answered.result.error == "the connection was dropped, in the last of 2 attempts"


# several URLs


def test_several_urls_share_the_load(serve: Serve) -> None:
    endpoints = [serve(lambda asked, _: echo(asked)._replace(delay=0.005)) for _ in range(3)]
    urls = [endpoint.url for endpoint in endpoints]
    answers = ask(*urls, requests=[request(n) for n in range(60)], max_concurrency=12)
    assert len(texts(answers)) == 60
    assert all(10 <= len(endpoint.bodies) <= 30 for endpoint in endpoints)


def test_what_fails_at_one_url_is_asked_at_another(serve: Serve) -> None:
    """A broken server fails quickly, so it is always the one with the fewest under way."""
    broken = serve(lambda *_: Reply(failure("oops"), 500))
    whole = serve(lambda asked, _: echo(asked)._replace(delay=0.01))
    asked = [request(n) for n in range(40)]
    answers = ask(broken.url, whole.url, requests=asked, max_retries=1, max_concurrency=8)
    assert texts(answers) == {str(n): f"question {n}" for n in range(40)}
    assert len(broken.bodies) <= 40


@pytest.mark.parametrize("status", [401, 403, 404])
def test_one_url_of_several_that_refuses_ends_the_run(serve: Serve, status: int) -> None:
    good, bad = serve(echo), serve(lambda *_: Reply(failure("not you"), status))
    with pytest.raises(EngineFailed, match=rf"{bad.url}.* not you \({status}\)"):
        ask(good.url, bad.url, requests=[request(n) for n in range(200)], max_concurrency=4)
    assert len(bad.bodies) <= 4


def test_a_url_that_is_down_is_left_to_the_others(serve: Serve) -> None:
    up, down = serve(echo), serve(echo)
    down.close()
    answers = ask(down.url, up.url, requests=[request(n) for n in range(20)], max_retries=3)
    assert len(texts(answers)) == 20


def test_prompts_that_begin_alike_meet_where_loads_are_equal() -> None:
    first, second = Endpoint_("first", None), Endpoint_("second", None)
    endpoints = Endpoints([first, second])

    async def choose(*prompts: str) -> list[str]:
        return [(await endpoints.choose(prompt)).url for prompt in prompts]

    first.takes("judge: cats and dogs")
    second.takes("judge: bread or cake")
    assert asyncio.run(choose("judge: bread or jam")) == ["second"]
    assert asyncio.run(choose("judge: bread or fish", "judge: cats!")) == ["second", "first"]
    second.under_way += 5
    assert asyncio.run(choose("judge: bread and butter")) == ["first"]


def test_a_url_that_stays_down_is_tried_more_and_more_seldom() -> None:
    endpoint, now, tries = Endpoint_("down", None), 0.0, []
    while now < 200:
        tries.append(now)
        endpoint.is_down(1.0, now)
        endpoint.is_down(1.0, now)
        now += endpoint.wakes_in(now)
    assert tries == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    endpoint.heard(now)
    endpoint.is_down(1.0, now)
    assert endpoint.wakes_in(now) == 1.0


def test_a_url_that_rests_is_waited_for_where_there_is_no_other() -> None:
    async def waited() -> bool:
        loop, endpoint = asyncio.get_running_loop(), Endpoint_("only", None)
        began = loop.time()
        endpoint.rest(0.02, began)
        await Endpoints([endpoint]).choose("x")
        return loop.time() - began >= 0.02

    assert asyncio.run(waited())


_NOBODY = engine_at("http://127.0.0.1:1/v1").own_backbone()
