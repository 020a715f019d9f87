"""The requests that trainers send, which ask for the reward of one answer at a time.

`POST /v1/openrlhf` is for OpenRLHF's `--reward.remote_url` (`--remote_rm_url` in older releases).
Its client sends `{"query": […], "prompts": […], "labels": […]}` and takes `{"rewards": […],
"scores": […], "extra_logs": {…}}`. It sends no other settings, so they are in the address.
`POST /v1/gather` is the same with a conversation, for what is written here for veRL.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, Field

from rmr1_core import Message
from rmr1_core.conversations import conversation
from rmr1_core.errors import UsageError
from rmr1_core.ranking import Method, Strength
from rmr1_reward_server.chats import answer_of, turns
from rmr1_reward_server.gathering import (
    Alone,
    Conversation,
    Gatherer,
    How,
    Score,
    Scored,
    score_group,
)
from rmr1_reward_server.presence import while_there

MOST_WAIT = 170.0
"""Seconds. OpenRLHF's client gives up after 180."""
MOST_ANSWERS = 1024

_GROUP = "how many answers to a prompt come one by one; 0: those in one request are a group"
_WAIT = "seconds after which a group is scored without those that are missing"
_ALONE = "the score of an answer that comes alone, without a reference; none: an error"


class Gather(BaseModel):
    """One answer to a conversation, of as many as `group` says."""

    messages: str | list[dict[str, str]] = Field(examples=["What is 2 + 2?"])
    answer: str = Field(examples=["4"])
    group: int = Field(default=8, ge=1, le=MOST_ANSWERS, description=_GROUP)
    wait: float = Field(default=60.0, ge=0, le=MOST_WAIT, description=_WAIT)
    method: Method = "round-robin"
    strength: Strength = "bradley-terry"
    references: list[str] = Field(default=[], max_length=16)
    rounds: int | None = Field(default=None, ge=1, le=64)
    alone: float | None = Field(default=None, description=_ALONE, allow_inf_nan=False)


class GatheredScore(BaseModel):
    """The score of the answer, and how many answers its group had."""

    score: float
    group: int


class Address(BaseModel):
    """The settings in the address that is given to OpenRLHF."""

    group: int = Field(default=0, ge=0, le=MOST_ANSWERS, description=_GROUP)
    wait: float = Field(default=60.0, ge=0, le=MOST_WAIT, description=_WAIT)
    method: Method = "round-robin"
    strength: Strength = "bradley-terry"
    label_is_reference: bool = False
    alone: float | None = Field(default=None, description=_ALONE, allow_inf_nan=False)


class OpenRLHF(BaseModel):
    """What OpenRLHF's client sends: `query` is the prompt and the answer, as one text."""

    query: list[str] = Field(max_length=MOST_ANSWERS, examples=[["What is 2 + 2? 4</s>"]])
    prompts: list[str] = Field(max_length=MOST_ANSWERS, examples=[["What is 2 + 2? "]])
    labels: list[Any] = Field(default=[], max_length=MOST_ANSWERS, examples=[["4"]])


class Rewards(BaseModel):
    """What it takes: `rewards` train, `scores` in [0, 1] choose prompts in dynamic filtering."""

    rewards: list[float]
    scores: list[float]
    extra_logs: dict[str, list[float]]


class _Item(NamedTuple):
    messages: Conversation
    answer: str
    how: How


def router(score: Score, gatherer: Gatherer) -> APIRouter:
    """The routes, for a server that scores groups with `score`, as the gatherer does."""
    routes = APIRouter(tags=["trainers"])

    @routes.post("/v1/gather")
    async def gather(asked: Gather, request: Request) -> GatheredScore:
        """Score an answer together with the others to its conversation that come one by one."""
        how = How(asked.method, asked.strength, tuple(asked.references), asked.rounds)
        item = _Item(_conversation(asked.messages), asked.answer, how)
        coming = _together(gatherer, [item], asked.group, asked.wait, asked.alone)
        found = await while_there(request, coming)
        return GatheredScore(score=found[0].score, group=found[0].group)

    @routes.post("/v1/openrlhf")
    async def openrlhf(
        asked: OpenRLHF, address: Annotated[Address, Query()], request: Request
    ) -> Rewards:
        """Score answers as OpenRLHF's remote reward model does."""
        items = list(_items(asked, address))
        if address.group:
            coming = _together(gatherer, items, address.group, address.wait, address.alone)
        else:
            coming = _by_prompt(score, items, address.alone)
        return _rewards(await while_there(request, coming), address.strength)

    return routes


def _conversation(messages: str | list[dict[str, str]]) -> Conversation:
    try:
        return conversation(messages)
    except UsageError as error:
        raise HTTPException(422, str(error)) from None


def _items(asked: OpenRLHF, address: Address) -> Iterable[_Item]:
    how = How(address.method, address.strength)
    count, labels = len(asked.query), asked.labels or [None] * len(asked.query)
    if not len(asked.prompts) == len(labels) == count:
        raise HTTPException(
            422,
            f"query has {count} texts, prompts {len(asked.prompts)} and labels {len(labels)}; "
            "give one of each for every answer",
        )
    for place, (query, prompt) in enumerate(zip(asked.query, asked.prompts, strict=True)):
        answer = answer_of(query, prompt)
        if answer is None:
            raise HTTPException(
                422, f"query {place} does not begin with its prompt, so it has no answer to judge"
            )
        references = how.references
        if address.label_is_reference:
            references = (_reference(labels[place], place),)
        yield _Item(turns(prompt), answer, how._replace(references=references))


def _reference(label: Any, place: int) -> str:
    if not isinstance(label, str) or not label.strip():
        raise HTTPException(
            422,
            f"label {place} is no text to compare an answer with; name the column with "
            "--data.label_key, or leave out label_is_reference",
        )
    return label


async def _together(
    gatherer: Gatherer, items: Sequence[_Item], size: int, wait: float, alone: float | None
) -> list[Scored]:
    """Scores of answers that wait for the rest of their groups."""
    coming = [
        asyncio.ensure_future(
            gatherer.scored(item.messages, item.answer, item.how, size=size, wait=wait)
        )
        for item in items
    ]
    try:
        return [await _or_alone(one, alone) for one in coming]
    except BaseException:
        for one in coming:
            one.cancel()
        await asyncio.gather(*coming, return_exceptions=True)
        raise


async def _or_alone(coming: asyncio.Future[Scored], alone: float | None) -> Scored:
    try:
        return await coming
    except Alone as error:
        if alone is None:
            raise HTTPException(422, str(error)) from None
        return Scored(alone, 1)


async def _by_prompt(score: Score, items: Sequence[_Item], alone: float | None) -> list[Scored]:
    """Scores of answers whose groups are in one request, group after group."""
    groups: dict[tuple[tuple[Message, ...], How], list[int]] = {}
    for place, item in enumerate(items):
        groups.setdefault((item.messages, item.how), []).append(place)
    found: dict[int, Scored] = {}
    for (messages, how), places in groups.items():
        answers = [items[place].answer for place in places]
        try:
            scores = await score_group(score, messages, answers, how)
        except Alone as error:
            if alone is None:
                raise HTTPException(422, str(error)) from None
            scores = [alone]
        for place, number in zip(places, scores, strict=True):
            found[place] = Scored(number, len(answers))
    return [found[place] for place in range(len(items))]


def _rewards(found: Sequence[Scored], strength: Strength) -> Rewards:
    """A log-strength as a score is the chance to win against one of strength 0."""
    rewards = [one.score for one in found]
    logistic = strength == "bradley-terry"
    scores = [0.5 * (1 + math.tanh(x / 2)) if logistic else x for x in rewards]
    return Rewards(
        rewards=rewards, scores=scores, extra_logs={"group": [float(one.group) for one in found]}
    )
