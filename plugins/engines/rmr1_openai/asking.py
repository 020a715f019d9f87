"""One request from its first attempt to its answer, inside of the event loop.

The body is encoded and decoded here, which halves what the client costs.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import aiohttp
import httpx2
import msgspec
import openai

from rmr1_core import Completion, Request, RequestFailed
from rmr1_core.errors import EngineFailed
from rmr1_openai import OpenAIEngine, answers
from rmr1_openai.bodies import body_of
from rmr1_openai.clients import CONNECT_SECONDS, client_at
from rmr1_openai.endpoints import LONGEST_REST, Endpoint, Endpoints
from rmr1_openai.failures import (
    LONGEST_MESSAGE,
    Again,
    Failure,
    Fewer,
    OtherField,
    Problem,
    Withheld,
    meaning,
    not_served,
    refused_field,
    refused_key,
    unconnected,
)
from rmr1_openai.limits import Rates
from rmr1_openai.pricing import Account
from rmr1_openai.secret import Secret

_DROPPED = (
    openai.APIConnectionError,
    httpx2.HTTPError,
    aiohttp.ClientError,
    OSError,
    UnicodeError,  # a status line that is no text
)
_LETTERS_PER_TOKEN = 4
_MOST_SHORTENINGS = 20
_MOST_DOUBLINGS = 20
_PATH = "/chat/completions"


Result = Completion | RequestFailed | EngineFailed


class Asked(NamedTuple):
    """How a request ended, and after how many retries."""

    request: Request
    result: Result
    retries: int = 0


class _Course:
    """How far a request is: its token limit, which a small context shortens, and its attempts."""

    def __init__(self, began: float, limit: int) -> None:
        self.began, self.limit = began, limit
        self.retries = self.shortenings = 0
        self.refused: set[str] = set()
        self.failed_at: Endpoint | None = None


class Asker:
    """Asks an engine's base URLs; an asynchronous context manager that closes its connections."""

    def __init__(self, engine: OpenAIEngine, model: str, secret: Secret, account: Account) -> None:
        self._engine, self._model, self._secret = engine, model, secret
        self._account = account
        self._field: str = engine.token_limit
        if engine.token_limit == "auto":
            self._field = "max_tokens"
        self._headers: dict[str, Any] = {} if secret.reveal() else {"Authorization": openai.Omit()}
        self._post: Any = {"headers": {"Content-Type": "application/json", **self._headers}}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Asker:
        urls = dict.fromkeys(url.rstrip("/") for url in self._engine.base_url)
        most, endpoints = self._engine.max_concurrency, []
        for url in urls:
            client = client_at(url, self._secret, most)
            endpoints.append(Endpoint(url, await self._stack.enter_async_context(client)))
        self._endpoints = Endpoints(endpoints)
        self._rates = Rates(self._engine.requests_per_minute, self._engine.tokens_per_minute)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def ask(self, request: Request) -> Asked:
        """Ask until there is an answer, or no use in asking again."""
        course = _Course(_now(), request.sampling.max_new_tokens)
        prompt = "\n".join(m.content for m in request.messages) if self._endpoints.several else ""
        while True:
            endpoint = await self._rates.passed(
                _tokens_in(request) + course.limit,
                lambda: self._endpoints.choose(prompt, course.failed_at),
            )
            try:
                outcome = await self._attempt(endpoint, request, course.limit)
            finally:
                endpoint.under_way -= 1
            result = self._settled(outcome, request, course)
            if result is not None:
                return Asked(request, result, course.retries)
            if isinstance(outcome, Again):
                await self._wait(endpoint, outcome, course.retries)
                course.failed_at = endpoint
                course.retries += 1

    def _settled(
        self, outcome: Completion | Failure, request: Request, course: _Course
    ) -> Result | None:
        """What an attempt settles; None where another one follows."""
        result: Result | None = None
        match outcome:
            case OtherField(refused, other):
                if self._engine.token_limit != "auto" or refused in course.refused:
                    result = refused_field(refused, other)
                course.refused.add(refused)
                self._field = other
            case Fewer(said):
                course.shortenings += 1
                tokens = course.limit // 2 if said is None else said
                if not 0 < tokens < course.limit or course.shortenings > _MOST_SHORTENINGS:
                    result = _nothing("prompt_too_long")
                course.limit = tokens
            case Withheld():
                result = _nothing("length")
            case Again():
                affordable = not outcome.lost or self._account.lost(request)
                if course.retries >= self._engine.max_retries:
                    result = self._given_up(outcome, course.began)
                elif not affordable:
                    why = f"{outcome.why}, and asking again may cost more than --max-cost allows"
                    result = RequestFailed(error=why)
            case _:
                result = outcome
        return result

    async def _attempt(
        self, endpoint: Endpoint, request: Request, limit: int
    ) -> Completion | Failure:
        field, booked = self._field, _tokens_in(request) + limit
        body = body_of(self._engine, self._model, request, limit, field)
        try:
            async with asyncio.timeout(self._engine.timeout_seconds):
                response = await endpoint.client.post(
                    _PATH,
                    cast_to=httpx2.Response,
                    content=body,
                    options=self._post,
                )
            sent = "stop" not in self._engine.omit
            asked = answers.Asked(request.sampling.stop, limit, sent)
            answer = answers.completion_of(response.content, asked)
        except openai.APIStatusError as error:
            endpoint.heard(_now())
            self._rates.correct(booked, 0)
            return await self._meaning(endpoint, Problem.of(error, self._secret), field)
        except TimeoutError:
            seconds = self._engine.timeout_seconds
            return Again(f"no answer within {seconds:g} seconds", lost=True)
        except _DROPPED as error:
            return unconnected(error)
        except answers.Malformed as error:
            endpoint.heard(_now())
            why = self._secret.sentence(str(error), LONGEST_MESSAGE)
            return Again(f"a malformed answer: {why}", lost=True)
        endpoint.heard(_now())
        used = answer.prompt_tokens or _tokens_in(request)
        self._rates.correct(booked, used + (answer.completion_tokens or _tokens(answer.text)))
        hidden = self._secret.hide_in_answer(answer.text)
        return answer if hidden is answer.text else msgspec.structs.replace(answer, text=hidden)

    async def _wait(self, endpoint: Endpoint, again: Again, retries: int) -> None:
        """Wait before the next attempt, and let the URL rest where it is in trouble."""
        first = self._engine.retry_seconds
        if again.down:
            endpoint.is_down(first, _now())
            return  # another one may be up; where none is, choosing waits
        wanted = again.after or first
        if again.busy:  # the others try again after that; this one, which failed before, later
            endpoint.rest(wanted, _now())
            if self._endpoints.is_any_awake():
                return
        seconds = max(wanted, min(wanted * 2 ** min(retries, _MOST_DOUBLINGS), LONGEST_REST))
        await asyncio.sleep(seconds * random.uniform(1, 1.25))

    async def _meaning(self, endpoint: Endpoint, problem: Problem, field: str) -> Failure:
        match problem.status:
            case 401 | 403 | 407:
                has_key = bool(self._secret.reveal())
                return refused_key(endpoint.url, self._engine.api_key_env, problem, has_key=has_key)
            case 404:
                served = await self._served(endpoint)
                return not_served(endpoint.url, self._model, problem, served)
            case _:
                return meaning(problem, field)

    async def _served(self, endpoint: Endpoint) -> list[str]:
        """The models that the endpoint lists; none where it lists none."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                models = await endpoint.client.models.list(extra_headers=self._headers)
            return [self._secret.sentence(str(model.id), LONGEST_MESSAGE) for model in models.data]
        except Exception:  # whatever is there, it is no list of models
            return []

    def _given_up(self, again: Again, began: float) -> Result:
        if again.down and self._endpoints.silent_since(began):
            urls = ", ".join(self._engine.base_url)
            return EngineFailed(
                f"nothing answers at {urls}: {again.why}; start the server or check the URL, and "
                "go on with: rmr1 bench --resume last"
            )
        times = self._engine.max_retries + 1
        return RequestFailed(error=f"{again.why}, in the last of {times} attempts")


def _nothing(reason: Any) -> Completion:
    return Completion(text="", finish_reason=reason, prompt_tokens=0, completion_tokens=0)


def _tokens_in(request: Request) -> float:
    """About how many tokens a prompt has."""
    return sum(_tokens(message.content) for message in request.messages)


def _tokens(text: str) -> float:
    return len(text) / _LETTERS_PER_TOKEN


def _now() -> float:
    return asyncio.get_running_loop().time()
