"""Prices, what was spent, and where to stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_endpoint import Asked, Endpoint, Reply, ask, chat, engine_at, failure, request

from rmr1_core import Completion
from rmr1_core.errors import BadInput, EngineFailed, UsageError
from rmr1_openai.pricing import Account, Price, price_of

Serve = Callable[..., Endpoint]
EXAMPLE = Path(__file__).parents[3] / "examples/prices.toml"


@pytest.fixture
def prices(tmp_path: Path) -> str:
    path = tmp_path / "prices.toml"
    path.write_text('[judge]\ninput = 1000\ncached_input = 500\noutput = 2000\n["a/b"]\n'
                    "input = 1\noutput = 2\n")  # fmt: skip
    return str(path)


def completion(prompt: int, written: int, cached: int = 0) -> Completion:
    return Completion(
        text="x",
        finish_reason="stop",
        prompt_tokens=prompt,
        completion_tokens=written,
        cached_tokens=cached,
    )


def test_cached_tokens_have_a_price_of_their_own() -> None:
    price = Price(input=10, cached_input=1, output=100)
    assert price.of(completion(1_000_000, 1_000_000, 500_000)) == pytest.approx(105.5)
    assert Price(input=10, output=100).of(completion(1_000_000, 0, 500_000)) == pytest.approx(10)


def test_every_answer_has_its_cost(serve: Serve, prices: str) -> None:
    endpoint = serve(lambda *_: Reply(chat()))
    with engine_at(endpoint.url, prices=prices).open(_JUDGE) as session:
        (answer,) = session.generate([request()])
        assert answer.result.cost == pytest.approx((60 * 1000 + 40 * 500 + 10 * 2000) / 1e6)
        assert session.facts["since the last start"].endswith(", $0.1000 spent")


def test_a_model_without_a_price_costs_nothing(serve: Serve, prices: str) -> None:
    endpoint = serve(lambda *_: Reply(chat()))
    (answer,) = ask(endpoint.url, requests=[request()], model="other", prices=prices)
    assert answer.result.cost == 0


def test_the_money_is_not_exceeded_and_nothing_paid_for_is_lost(serve: Serve, prices: str) -> None:
    endpoint = serve(lambda *_: Reply(chat(), delay=0.002))
    options = {"prices": prices, "max_cost": 2.0, "max_concurrency": 8}
    answers, error = ask_until_broke(endpoint.url, **options)
    spent = sum(answer.result.cost for answer in answers)
    assert 1.7 <= spent <= 2.0
    assert len(answers) == len(endpoint.bodies)
    assert error == (
        f"${spent:.2f} are spent, and the next request may cost $0.15, more than is left of "
        "--max-cost 2; what was answered is kept, and rmr1 bench --resume last may spend as much "
        "again"
    )


def ask_until_broke(url: str, **options: Any) -> tuple[list[Any], str]:
    """The answers that there was money for, and what ended them."""
    answers = []
    try:
        with engine_at(url, **options).open(_JUDGE) as session:
            for answer in session.generate(request(n) for n in range(100)):
                answers.append(answer)
    except EngineFailed as error:
        return answers, str(error)
    raise AssertionError("the money was enough")


def test_less_money_than_one_request_may_cost_asks_nothing(serve: Serve, prices: str) -> None:
    endpoint = serve(lambda *_: Reply(chat()))
    with pytest.raises(EngineFailed, match=r"one request may cost \$0\.15, more than --max-cost"):
        ask(endpoint.url, requests=[request()], prices=prices, max_cost=0.01)
    assert endpoint.bodies == []


def test_an_answer_that_was_lost_counts_at_its_worst(serve: Serve, prices: str) -> None:
    def script(asked: Asked, number: int) -> Reply:
        return Reply(chat("x" * 100), cut=number == 0)

    endpoint = serve(script)
    with pytest.raises(EngineFailed, match=r"and perhaps \$0\.\d\d for what was lost"):
        ask(endpoint.url, requests=[request(n) for n in range(50)], prices=prices, max_cost=1.0)


@pytest.mark.parametrize(
    ("reply", "why"),
    [(Reply(chat("x" * 100), cut=True), "the connection was dropped"),
     (Reply(b"{"), "a malformed answer: it is not JSON"),
     (Reply(failure("too late"), 504), "too late (504)")],
)  # fmt: skip
def test_what_is_lost_is_asked_again_only_while_there_is_money(
    serve: Serve, prices: str, reply: Reply, why: str
) -> None:
    """Every attempt that ends in the middle may have been charged."""
    endpoint = serve(lambda *_: reply._replace(delay=0.01))
    limits = {"prices": prices, "max_cost": 1.0, "max_concurrency": 4, "max_retries": 20}
    answers, error = ask_until_broke(endpoint.url, **limits)
    worst = price_of(prices, "judge", needed=True).worst(request())  # type: ignore[union-attr]
    assert 0.8 < len(endpoint.bodies) * worst <= 1.0
    assert {answer.result.error for answer in answers} == {
        f"{why}, and asking again may cost more than --max-cost allows"
    }
    assert error.startswith("$0.00 are spent and perhaps $")


def test_what_was_cancelled_is_held_against_the_limit(serve: Serve, prices: str) -> None:
    endpoint = serve(lambda *_: Reply(chat(), delay=0.02))
    engine = engine_at(endpoint.url, prices=prices, max_cost=1.0, max_concurrency=3)
    with engine.open(_JUDGE) as session:
        answers = session.generate(request(n) for n in range(9))
        next(answers)
        answers.close()
        with pytest.raises(EngineFailed, match=r"perhaps \$0\.[2-5]"):
            list(session.generate(request(n) for n in range(9)))


def test_an_answer_without_counts_is_held_against_the_limit(serve: Serve, prices: str) -> None:
    endpoint = serve(lambda *_: Reply(chat(usage=None)))
    with pytest.raises(EngineFailed, match="perhaps"):
        ask(endpoint.url, requests=[request(n) for n in range(50)], prices=prices, max_cost=1.0)
    assert len(endpoint.bodies) < 10


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), max_size=30), st.floats(0.01, 2))
def test_an_account_never_promises_more_than_it_has(done: Any, limit: float) -> None:
    """Not with answers within their limit, and attempts that were lost only as often as allowed."""
    price = Price(input=1000, output=2000)
    account, waiting = Account(price, limit), []
    for number, (written, lost) in enumerate(done):
        asked = request(number)
        if account.admits(asked):
            waiting.append((asked, completion(20, written), lost))
        elif waiting:
            asked, answer, losses = waiting.pop()
            goes_on = all(account.lost(asked) for _ in range(losses))
            account.settle(asked, answer if goes_on else None)
        assert account.spent + account.uncertain <= limit + 1e-9
    account.abandon()
    assert account.spent + account.uncertain <= limit + 1e-9


def test_a_limit_without_a_price_says_what_to_write(prices: str) -> None:
    engine = engine_at("http://127.0.0.1:1", model="org/new", max_cost=1.0)
    with pytest.raises(UsageError) as caught:
        engine.own_backbone()
    assert str(caught.value) == (
        "--max-cost needs the prices of model 'org/new'; write them into a file, and add --prices "
        "FILE, in US dollars per million tokens:\n\n"
        '["org/new"]\ninput = …\ncached_input = …\noutput = …'
    )
    with pytest.raises(UsageError, match=f"write them into {prices}"):
        engine_at("http://127.0.0.1:1", model="new", max_cost=1.0, prices=prices).own_backbone()


@pytest.mark.parametrize(
    ("text", "problem"),
    [("[judge", "write a table per model"), ("[judge]\ninput = 1\n", "missing required field"),
     ("[judge]\ninput = -1\noutput = 1\n", "expected 'float' >= 0"), ("judge = 3\n", "expected"),
     ("[judge]\ninput = 1\noutput = 1\nouptut = 1\n", "unknown field 'ouptut'")],
)  # fmt: skip
def test_a_file_that_holds_no_prices_is_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=rf"wrong\.toml: .*{problem}"):
        price_of(str(path), "judge", needed=False)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        price_of(str(tmp_path / "none.toml"), "judge", needed=False)


def test_the_example_of_a_table_can_be_read() -> None:
    price = price_of(str(EXAMPLE), "example/large-judge", needed=True)
    assert price is not None
    assert price.output > price.input > (price.cached_input or 0)


_JUDGE = engine_at("http://127.0.0.1:1/v1").own_backbone()
