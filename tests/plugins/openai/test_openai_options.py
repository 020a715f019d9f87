"""What can be typed, what is refused, and that the key shows up nowhere."""

from __future__ import annotations

import base64
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from openai_endpoint import KEY, Asked, Endpoint, Reply, ask, chat, engine_at, failure, request

from rmr1_core import Backbone, Completion
from rmr1_core.errors import BadOption, EngineFailed, Rmr1Error, UsageError
from rmr1_core.lookup import resolve
from rmr1_core.testing import check_component
from rmr1_core.values import Ref
from rmr1_openai import rmr1_engines

Serve = Callable[..., Endpoint]


def test_the_engine_keeps_the_contract_of_components() -> None:
    for engine in rmr1_engines():
        check_component(engine)


def test_opening_the_package_loads_no_client() -> None:
    code = (
        "import sys, rmr1_openai; from rmr1_openai import OpenAIEngine\n"
        "OpenAIEngine(name='openai', model='m').own_backbone()\n"
        "print({'openai', 'aiohttp', 'asyncio', 'httpx2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_model_judges_when_nobody_else_is_named() -> None:
    assert engine_at("http://x/v1", model="org/m").own_backbone().name == "org/m"
    with pytest.raises(UsageError, match="--model NAME, or with --backbone NAME"):
        engine_at("http://x/v1", model="").own_backbone()


def test_the_weights_of_the_backbone_name_the_model(serve: Serve) -> None:
    endpoint = serve(lambda *_: Reply(chat()))
    backbone = Backbone(name="qwen7b", model="Qwen/Qwen2.5-7B-Instruct")
    with engine_at(endpoint.url, model="").open(backbone) as session:
        list(session.generate([request()]))
        assert session.facts["model"] == "Qwen/Qwen2.5-7B-Instruct"
    assert endpoint.bodies[0]["model"] == "Qwen/Qwen2.5-7B-Instruct"


@pytest.mark.parametrize(
    "url",
    ["localhost:8000/v1", "ftp://host/v1", "http://", "http://[::1", "http://host:port/v1",
     " http://host/v1", "http://host/v1\n", "http://host/v 1", "http://a..b/v1", "http://\ud800/v1",
     f"http://{'a' * 70}.com/v1", "http://host\\v1"],
)  # fmt: skip
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="a base URL is like http://localhost:8000/v1"):
        engine_at(url)


def test_the_url_of_a_method_is_refused() -> None:
    with pytest.raises(UsageError, match="give the part before /chat/completions"):
        engine_at("http://host/v1/chat/completions")


@pytest.mark.parametrize(
    "url",
    [f"https://user:{KEY}@host/v1", f"https://{KEY}@host/v1", f"https://host/v1?api_key={KEY}",
     f"https://host/v1#{KEY}", "https://host/v1?", "https://host/v1#"],
)  # fmt: skip
def test_a_key_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match="base URL of host") as caught:
        resolve("engine", Ref(name="openai", options={"base_url": [url]}))
    assert KEY not in str(caught.value)


def test_a_key_in_place_of_its_variable_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="takes the name of an environment variable") as caught:
        resolve("engine", Ref(name="openai", options={"api_key_env": KEY}))
    assert KEY not in str(caught.value)


def test_a_variable_that_is_named_must_be_set() -> None:
    with pytest.raises(UsageError, match=r"\$MY_KEY is not set; put the key there: export MY_KEY"):
        ask("http://127.0.0.1:1/v1", requests=[], api_key_env="MY_KEY")


def test_a_key_that_no_header_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-one\nsk-two")
    with pytest.raises(UsageError, match=r"\$MY_KEY holds what no key does") as caught:
        ask("http://127.0.0.1:1/v1", requests=[], api_key_env="MY_KEY")
    assert "sk-one" not in str(caught.value)


@pytest.mark.parametrize("name", ["stream", "messages", "model", "n", "max_tokens"])
def test_extra_fields_do_not_replace_what_the_engine_decides(name: str) -> None:
    with pytest.raises(UsageError, match=f"may not set '{name}'"):
        engine_at("http://x/v1", extra_body={name: 1})


def test_options_are_checked_against_their_bounds() -> None:
    for options in ({"max_concurrency": 0}, {"base_url": []}, {"omit": ["stops"]}):
        with pytest.raises(BadOption):
            resolve("engine", Ref(name="openai", options=options))


# the key


def echoes(asked: Asked) -> str:
    """Everything that a server can tell of the key that it was sent."""
    sent = asked.headers["authorization"]
    parts = f"{KEY[:-4]} / {KEY[4:]} / ...{KEY[5:14]}..."
    return f"bad header Authorization: {sent} / {sent.upper()} / {parts} / {'x' * 200}{sent}"


HOSTILE = {
    "401": lambda asked: Reply(failure(echoes(asked)), 401),
    "403 without JSON": lambda asked: Reply(echoes(asked).encode(), 403),
    "404": lambda asked: Reply(failure(echoes(asked), code=echoes(asked)), 404),
    "400": lambda asked: Reply(failure(echoes(asked)), 400),
    "400 of a parameter": lambda asked: Reply(
        failure(f"unsupported {echoes(asked)}", param="temperature"), 400
    ),
    "500": lambda asked: Reply({"detail": echoes(asked)}, 500),
    "429": lambda asked: Reply(failure(echoes(asked), code="insufficient_quota"), 429),
    "a good response that is an error": lambda asked: Reply(failure(echoes(asked))),
    "an answer": lambda asked: Reply(chat(echoes(asked))),
    "a thought": lambda asked: Reply(chat("x", message={"reasoning": echoes(asked)})),
    "a header": lambda asked: Reply(
        failure("slow"), 429, {"retry-after": "99999", "x-echo": asked.headers["authorization"]}
    ),
    "a model's name": lambda asked: (
        Reply({"data": [{"id": echoes(asked)}]})
        if asked.path.endswith("/models")
        else Reply(failure("none"), 404)
    ),
    "no JSON": lambda asked: Reply(echoes(asked).encode()),
    "a wrong shape": lambda asked: Reply({"choices": echoes(asked)}),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_server_that_repeats_the_key_does_not_publish_it(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, hostile: Callable[[Asked], Reply],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    endpoint = serve(lambda asked, _: hostile(asked))
    caplog.set_level("DEBUG")
    said: list[Any] = []
    with engine_at(endpoint.url, max_retries=1).open(Backbone(name="x", model="x")) as session:
        try:
            said += session.generate([request()])
        except EngineFailed as error:
            said += traceback.TracebackException.from_exception(error, capture_locals=True).format()
        said += [repr(session), session.facts, vars(session)]
    assert endpoint.asked[0].headers["authorization"] == f"Bearer {KEY}"
    everything = "\n".join([*map(str, said), caplog.text]).lower()
    assert KEY not in everything
    if not any(isinstance(getattr(thing, "result", None), Completion) for thing in said):
        assert not any(KEY[i : i + 8] in everything for i in range(len(KEY) - 7))
    assert base64.b64encode(KEY.encode()).decode().lower() not in everything


@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_what_a_server_says_is_one_line_that_can_be_written(serve: Serve, status: int) -> None:
    body = b'{"error": {"message": "half \\ud800 a\\u001b[31m red\\nline"}}'
    endpoint = serve(lambda *_: Reply(body, status))
    try:
        (answer,) = ask(endpoint.url, requests=[request()], max_retries=0)
        said = answer.result.error
    except EngineFailed as error:
        said = str(error)
    assert "half ? a?[31m red line" in said
    assert said.isprintable()


# the environment


def test_the_key_is_the_one_that_was_named(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others in the environment are sent nowhere."""
    endpoint = serve(lambda *_: Reply(chat()))
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "authorization: Bearer sk-other\nx-team: blue")
    ask(endpoint.url, requests=[request()])
    monkeypatch.setenv("MY_KEY", KEY)
    ask(endpoint.url, requests=[request()], api_key_env="MY_KEY")
    sent = [asked.headers.get("authorization") for asked in endpoint.asked]
    assert sent == [None, f"Bearer {KEY}"]
    assert all(asked.headers["x-team"] == "blue" for asked in endpoint.asked)


def test_a_proxy_is_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(lambda *_: Reply(chat()))
    monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
    ask("http://far.invalid/v1", requests=[request()])
    assert proxy.asked[0].path == "http://far.invalid/v1/chat/completions"


@pytest.mark.parametrize(
    ("name", "value", "url", "problem"),
    [("HTTP_PROXY", "http://me:word@127.0.0.1:1", "http://far.invalid/v1", "to the proxy: "),
     ("HTTPS_PROXY", "OURS", "https://far.invalid/v1", r"the proxy refuses it \(407\)"),
     ("HTTP_PROXY", "OURS", "http://far.invalid/v1", "wants a password: .* say it in HTTP_PROXY"),
     ("ALL_PROXY", "socks5://me:word@host", "http://far.invalid/v1", "of the kind socks5://; name"),
     ("HTTPS_PROXY", "ftp://me:word@host", "http://far.invalid/v1", "HTTP_PROXY, HTTPS_PROXY"),
     ("SSL_CERT_FILE", "/none", "http://far.invalid/v1", "SSL_CERT_FILE")],
)  # fmt: skip
def test_a_surrounding_that_cannot_be_used_is_one_sentence(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str, value: str, url: str, problem: str
) -> None:
    proxy = serve(lambda *_: Reply(failure("no"), 407))
    monkeypatch.setenv(name, value.replace("OURS", proxy.url.removesuffix("/v1")))
    with pytest.raises(Rmr1Error, match=problem) as caught:
        ask(url, requests=[request()], max_retries=1)
    assert "word@" not in str(caught.value)


def test_a_bug_in_the_thread_is_told_to_the_caller(serve: Serve) -> None:
    """A request that cannot be encoded is none of the endpoint's doing."""
    endpoint = serve(lambda *_: Reply(chat()))
    with pytest.raises(TypeError), engine_at(
        endpoint.url, extra_body={"odd": object()}
    ).open(Backbone(name="x", model="x")) as session:  # fmt: skip
        list(session.generate([request()]))
    with pytest.raises(Rmr1Error), engine_at("http://x/v1").open(Backbone(name="x", model="x")):
        raise EngineFailed("passes through")
