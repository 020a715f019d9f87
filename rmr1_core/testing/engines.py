"""What holds for an engine that is open."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from rmr1_core.components import Backbone, Engine, EngineSession, LiveRequests
from rmr1_core.testing.made import HOSTILE_TEXTS, example_requests
from rmr1_core.values import (
    Answer,
    Comparison,
    Completion,
    Message,
    Request,
    RequestFailed,
    Sampling,
)

_QUESTIONS = ("What is 2 + 2?", "And 3 + 3?", *HOSTILE_TEXTS[1:4])

_COMPARED = Request(
    id="compared",
    messages=(Message("user", "Which answer to 2 + 2 is better, A: 4 or B: 5?"),),
    sampling=Sampling(max_new_tokens=64),
    comparison=Comparison(prompt=(Message("user", "What is 2 + 2?"),), a="4", b="5"),
)


def check_engine(engine: Engine, backbone: Backbone | None = None) -> None:
    """Open an engine and assert what holds for its session: every request is answered once, under
    its own id, with a completion or a failure; no request and live requests are fine; its facts are
    texts by name, before and after. One that `prefills` cuts texts to tokens.

    `backbone` is what it loads, by default the engine's own.

    Raises:
        AssertionError: a rule is broken.
        EngineFailed, UsageError: the engine cannot be opened.
    """
    backbone = backbone or engine.own_backbone() or Backbone(name="nobody", model="")
    with engine.open(backbone) as session:
        _check_facts(session.facts)
        if engine.prefills:
            _check_beginnings(session)
        assert not list(session.generate([])), "it answers what nobody asked"
        requests = [*example_requests(*_QUESTIONS), _COMPARED]
        _check_answers(session, requests, requests)
        live = _InTwoParts(example_requests(*_QUESTIONS))
        _check_answers(session, live, live.drawn)
        assert live.drawn, "it asked for none of the live requests"
        _check_facts(session.facts)


class _InTwoParts(LiveRequests):
    """Two requests, then none for now, then the rest; and what was taken."""

    def __init__(self, requests: list[Request]) -> None:
        self._left = [*requests[:2], None, *requests[2:]]
        self.drawn: list[Request] = []

    def __next__(self) -> Request:
        request = self._left.pop(0) if self._left else None
        if request is None:
            raise StopIteration
        self.drawn.append(request)
        return request


def _check_answers(
    session: EngineSession, requests: Iterable[Request], asked: list[Request]
) -> None:
    """Ask `requests`; `asked` are those that it took, once it has ended."""
    times: Counter[str] = Counter()
    limits: dict[str, int] = {}
    for answer in session.generate(requests):
        assert isinstance(answer, Answer), f"it yields {answer!r}, which is no Answer"
        limits |= {request.id: request.sampling.max_new_tokens for request in asked}
        assert answer.id in limits, f"nobody asked {answer.id!r}; the request's id comes back"
        times[answer.id] += 1
        _check_result(answer.result, limits[answer.id])
    for request in asked:
        found = times[request.id]
        assert found == 1, f"{request.id} was answered {found} times"


def _check_result(result: object, limit: int) -> None:
    assert isinstance(result, Completion | RequestFailed), f"{result!r} is no result"
    if isinstance(result, RequestFailed):
        assert result.error, "a request that failed says why, in one sentence"
        return
    assert isinstance(result.text, str), f"the text {result.text!r} is no string"
    known = ("stop", "length", "prompt_too_long")
    assert result.finish_reason in known, f"finish_reason {result.finish_reason!r} is not known"
    for field in ("prompt_tokens", "completion_tokens", "cached_tokens"):
        count = getattr(result, field)
        assert isinstance(count, int), f"{field}: {count!r} is no count"
        assert count >= 0, f"{field}: {count!r} is no count"
    assert result.completion_tokens <= limit, (
        f"{result.completion_tokens} tokens were written, and max_new_tokens is {limit}"
    )
    if result.scores is not None:
        finite = [isinstance(s, float) and math.isfinite(s) for s in result.scores]
        assert finite == [True, True], f"scores {result.scores!r}: a finite number for A and for B"
    if result.finish_reason == "prompt_too_long":
        assert not result.text, "nothing is generated for a prompt that is too long"


def _check_beginnings(session: EngineSession) -> None:
    texts = ["What is 2 + 2? It is 4.", ""]
    first, whole = session.beginnings(texts, 1), session.beginnings(texts, 10_000)
    assert 0 < first[0] < len(texts[0]), f"{first[0]} characters of {texts[0]!r} are no one token"
    assert first[1] == 0, f"{first[1]} characters of an empty text are no token"
    assert list(whole) == [len(text) for text in texts], (
        f"all of {texts} has fewer than 10,000 tokens, and is said to be cut at {whole}"
    )


def _check_facts(facts: Mapping[str, str]) -> None:
    for name, value in facts.items():
        assert isinstance(name, str), f"the fact's name {name!r} is no text"
        assert isinstance(value, str), f"fact {name!r} is {value!r}; facts are texts"
