"""Comparisons in, scores out: every conversation with an answer is scored once.

Requests are taken in windows; of each window, what is not scored yet is scored in batches of
similar length, the longest first, and an answer goes out as soon as both of its scores are there.
"""

from __future__ import annotations

import gc
import hashlib
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import torch

from rmr1_core import Answer, Completion, EngineSession, Request, RequestFailed, Verdict
from rmr1_reward_models.scorers import Scorer
from rmr1_reward_models.texts import Side, Text
from rmr1_transformers.facts import facts_of

if TYPE_CHECKING:
    from rmr1_reward_models import ScoringEngine

_WINDOW = 2048
_REMEMBERED = 500_000


class _Known(NamedTuple):
    """What is known of a conversation with an answer: its score, or why there is none."""

    tokens: int
    score: float | None = None
    error: str = ""


class _Item(NamedTuple):
    key: bytes
    text: Text


class ScoringSession(EngineSession):
    """Loaded weights that answer comparisons with scores."""

    def __init__(self, scorer: Scorer, engine: ScoringEngine) -> None:
        self._scorer = scorer
        self._threads = torch.get_num_threads()
        if engine.threads:
            torch.set_num_threads(engine.threads)
        self._rows = engine.max_batch_size
        self._tokens = engine.max_batch_tokens or scorer.most_tokens
        self._known: dict[bytes, _Known] = {}
        self._paid: set[bytes] = set()
        self._scored = 0

    @property
    def facts(self) -> Mapping[str, str]:
        """Versions, dtype, device and attention, and what the scores are."""
        return {
            **facts_of(self._scorer.model, self._scorer.writer.tokenizer),
            **self._scorer.facts,
            "answers scored": f"{self._scored}, each by itself: their order makes no difference",
        }

    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every comparison as soon as both of its answers are scored."""
        source = iter(requests)
        while window := list(islice(source, _WINDOW)):
            if len(self._known) > _REMEMBERED:
                self._known.clear()
                self._paid.clear()
            yield from self._answers(window)

    def close(self) -> None:
        """Let go of the model and its memory."""
        gpu = self._scorer.model.device.type == "cuda"
        del self._scorer
        torch.set_num_threads(self._threads)
        gc.collect()
        if gpu:
            torch.cuda.empty_cache()

    def _answers(self, window: Sequence[Request]) -> Iterator[Answer]:
        open_: dict[int, set[bytes]] = {}
        wanted: dict[bytes, list[int]] = {}
        sides: dict[bytes, Side] = {}
        for number, request in enumerate(window):
            mine = dict(_sides(request))
            open_[number] = {key for key in mine if key not in self._known}
            sides.update((key, mine[key]) for key in open_[number])
            for key in open_[number]:
                wanted.setdefault(key, []).append(number)
            if not open_[number]:
                yield self._answer(request)
        for key in self._score(sides):
            for number in wanted[key]:
                open_[number].discard(key)
                if not open_[number]:
                    yield self._answer(window[number])

    def _score(self, sides: Mapping[bytes, Side]) -> Iterator[bytes]:
        """Find out all that is asked, and yield what became known."""
        items = []
        for key, side in sides.items():
            text, limit = self._scorer.write(side), self._scorer.context
            if isinstance(text, str):
                self._known[key] = _Known(0, error=text)
                yield key
            elif limit is not None and len(text.ids) > limit:
                self._known[key] = _Known(len(text.ids))
                yield key
            else:
                items.append(_Item(key, text))
        queue = deque(sorted(items, key=lambda item: -len(item.text.ids)))
        while queue:
            yield from self._batch(self._take(queue), queue)

    def _take(self, queue: deque[_Item]) -> list[_Item]:
        longest = len(queue[0].text.ids)
        count = max(1, min(self._rows, self._tokens // longest))
        return [queue.popleft() for _ in range(min(count, len(queue)))]

    def _batch(self, items: Sequence[_Item], queue: deque[_Item]) -> Iterator[bytes]:
        """Score items; when memory runs out, half as many at a time from then on."""
        try:
            scores = self._scorer.score([item.text for item in items])
        except torch.OutOfMemoryError:
            scores = None
        if scores is None:
            if self._scorer.model.device.type == "cuda":
                torch.cuda.empty_cache()
            if len(items) > 1:
                self._tokens = len(items) * len(items[0].text.ids) // 2
                queue.extendleft(reversed(items))
                return
            [item] = items
            error = f"{len(item.text.ids)} tokens do not fit the memory of the device"
            self._known[item.key] = _Known(len(item.text.ids), error=error)
            yield item.key
            return
        for item, score in zip(items, scores, strict=True):
            self._scored += 1
            error = "" if math.isfinite(score) else f"the model's score is {score}; try float32"
            self._known[item.key] = _Known(len(item.text.ids), score, error)
            yield item.key

    def _answer(self, request: Request) -> Answer:
        """The answer to a comparison whose two sides are known; without one there is none."""
        known = [(key, self._known[key]) for key, _ in _sides(request)]
        if not known:
            error = "there are no two answers to score; this engine compares, and writes nothing"
            return Answer(id=request.id, result=RequestFailed(error=error))
        for _, side in known:
            if side.error:
                return Answer(id=request.id, result=RequestFailed(error=side.error))
        paid = sum(side.tokens for key, side in dict(known).items() if key not in self._paid)
        self._paid.update(key for key, _ in known)
        (_, a), (_, b) = known
        read = a.tokens + b.tokens
        if a.score is None or b.score is None:
            result = Completion(
                text="", finish_reason="prompt_too_long", prompt_tokens=read, completion_tokens=0
            )
            return Answer(id=request.id, result=result)
        result = Completion(
            text=said(a.score, b.score),
            finish_reason="stop",
            prompt_tokens=read,
            completion_tokens=0,
            cached_tokens=read - paid,
            scores=(a.score, b.score),
        )
        return Answer(id=request.id, result=result)


def said(a: float, b: float) -> str:
    """Both scores and the verdict that follows, for the parser that reads every judge."""
    verdict = Verdict.TIE if a == b else Verdict.A if a > b else Verdict.B
    return f"Score of A: {a:.6g}\nScore of B: {b:.6g}\n<answer>[[{verdict.value}]]</answer>"


def _sides(request: Request) -> list[tuple[bytes, Side]]:
    if request.comparison is None:
        return []
    prompt = request.comparison.prompt
    return [(_key(prompt, answer), (prompt, answer)) for answer in
            (request.comparison.a, request.comparison.b)]  # fmt: skip


def _key(*side: object) -> bytes:
    return hashlib.sha256(msgspec.json.encode(side)).digest()[:16]
