"""The checks of an engine fail where its session breaks a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import msgspec
import pytest

from rmr1_core import (
    Answer,
    Backbone,
    Completion,
    Engine,
    EngineSession,
    Request,
    RequestFailed,
    Verdict,
)
from rmr1_core.errors import EngineFailed
from rmr1_core.testing import ScriptedEngine, check_engine, scripted_judge

SAID = Completion(text="[[A]]", finish_reason="stop", prompt_tokens=3, completion_tokens=1)


def changed(**changes: Any) -> Completion:
    return msgspec.structs.replace(SAID, **changes)


class Session(EngineSession):
    def __init__(self, answer: Callable[[Request], Iterable[Any]], facts: Mapping[str, Any]):
        self._answer, self._facts = answer, facts

    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        for request in requests:
            yield from self._answer(request)

    @property
    def facts(self) -> Mapping[str, str]:
        return self._facts


class Planted(Engine, frozen=True, kw_only=True):
    answer: Callable[[Request], Iterable[Any]]
    facts: Mapping[Any, Any] = {}

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[EngineSession]:
        yield Session(self.answer, self.facts)


def test_a_session_that_keeps_its_contract_passes() -> None:
    check_engine(ScriptedEngine(name="s", write=lambda request: "[[A]]"))
    check_engine(ScriptedEngine(name="s", write=lambda request: RequestFailed(error="no")))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (lambda r: [], "was answered 0 times"),
        (lambda r: [Answer(id=r.id, result=SAID)] * 2, "was answered 2 times"),
        (lambda r: [Answer(id="other", result=SAID)], "nobody asked 'other'"),
        (lambda r: ["[[A]]"], "which is no Answer"),
        (lambda r: [Answer(id=r.id, result="[[A]]")], "is no result"),  # type: ignore[arg-type]
        (lambda r: [Answer(id=r.id, result=RequestFailed(error=""))], "says why"),
        (lambda r: [Answer(id=r.id, result=changed(text=None))], "is no string"),
        (lambda r: [Answer(id=r.id, result=changed(finish_reason="eos"))], "is not known"),
        (lambda r: [Answer(id=r.id, result=changed(prompt_tokens=-1))], "is no count"),
        (lambda r: [Answer(id=r.id, result=changed(cached_tokens=0.5))], "is no count"),
        (lambda r: [Answer(id=r.id, result=changed(completion_tokens=999))], "max_new_tokens"),
        (
            lambda r: [Answer(id=r.id, result=changed(scores=(1.0, float("nan"))))],
            "for A and for B",
        ),
        (lambda r: [Answer(id=r.id, result=changed(scores=(1.0,)))], "for A and for B"),
        (
            lambda r: [Answer(id=r.id, result=changed(finish_reason="prompt_too_long"))],
            "nothing is generated",
        ),
    ],
)
def test_an_answer_that_breaks_a_rule_is_told(
    answer: Callable[[Request], Iterable[Any]], complaint: str
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_engine(Planted(name="p", answer=answer))


@pytest.mark.parametrize("facts", [{"version": 3}, {3: "version"}])
def test_facts_that_are_no_texts_are_told(facts: Mapping[Any, Any]) -> None:
    with pytest.raises(AssertionError, match=r"facts are texts|is no text"):
        check_engine(
            Planted(name="p", answer=lambda r: [Answer(id=r.id, result=SAID)], facts=facts)
        )


class Talkative(ScriptedEngine, frozen=True, kw_only=True):
    prefills: ClassVar[bool] = False  # its session cuts nothing

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[Any]:
        class Said(EngineSession):
            def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
                yield Answer(id="request-0", result=SAID)

        yield Said()


def test_an_answer_without_a_question_is_told() -> None:
    with pytest.raises(AssertionError, match="answers what nobody asked"):
        check_engine(Talkative(name="t", write=lambda request: ""))


class Forgetful(ScriptedEngine, frozen=True, kw_only=True):
    prefills: ClassVar[bool] = False  # its session cuts nothing

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[Any]:
        class Hasty(EngineSession):
            """Answers lists, and loses what it took of live requests when there is none for now."""

            def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
                if not isinstance(requests, list):
                    for _ in requests:
                        pass
                    return
                for request in requests:
                    yield Answer(id=request.id, result=SAID)

        yield Hasty()


def test_an_engine_that_loses_live_requests_is_told() -> None:
    with pytest.raises(AssertionError, match="request-0 was answered 0 times"):
        check_engine(Forgetful(name="f", write=lambda request: ""))


def test_a_scripted_judge_says_what_the_script_says() -> None:
    with scripted_judge(lambda request: "<answer>[[A]]</answer>", order="chosen-first") as judge:
        assert judge.compare("which?", "one", "two").verdict is Verdict.A


class Cutting(Planted, frozen=True, kw_only=True):
    """One that says that it goes on with answers that are begun."""

    prefills: ClassVar[bool] = True
    ends: Callable[[str, int], int] | None = None

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[EngineSession]:
        session = Session(self.answer, self.facts)
        if self.ends is not None:
            ends = self.ends
            session.beginnings = lambda texts, tokens: [  # type: ignore[method-assign]
                ends(text, tokens) for text in texts
            ]
        yield session


@pytest.mark.parametrize(
    ("ends", "complaint"),
    [
        (lambda text, tokens: len(text), "are no one token"),
        (lambda text, tokens: min(len(text) + 1, tokens), "of an empty text"),
        (lambda text, tokens: min(len(text), tokens, 10), "is said to be cut at"),
    ],
)
def test_a_session_that_cuts_at_no_place_of_the_tokens_is_told(
    ends: Callable[[str, int], int], complaint: str
) -> None:
    answer = lambda request: [Answer(id=request.id, result=SAID)]  # noqa: E731
    check_engine(Cutting(name="c", answer=answer, ends=lambda text, tokens: min(len(text), tokens)))
    with pytest.raises(AssertionError, match=complaint):
        check_engine(Cutting(name="c", answer=answer, ends=ends))


def test_a_session_that_was_to_cut_and_cannot_says_so_in_a_sentence() -> None:
    with pytest.raises(EngineFailed, match="Session cannot cut answers to budgets"):
        check_engine(Cutting(name="c", answer=lambda request: []))
