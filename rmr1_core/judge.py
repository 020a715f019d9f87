"""A judge to ask from Python: which of two answers is better, and in what order many stand.

    from rmr1_core import Judge

    with Judge("qwen14b", engine="vllm") as judge:
        decision = judge.compare("What is 2 + 2?", "4", "5")
        print(decision.verdict, decision.opinions[0].completion.text)

It asks what `rmr1 bench` asks: the same prompts, samples and parser, by default in both orders.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from itertools import islice
from types import TracebackType
from typing import Any, NamedTuple, Self

from rmr1_core.assessing import JudgeParts
from rmr1_core.bench import judge_of, ref_of
from rmr1_core.conversations import Messages, conversation
from rmr1_core.datafiles import prompt_key
from rmr1_core.decisions import Decision, Opinion, Ranking, decide, made
from rmr1_core.dispatching import Dispatcher, all_of
from rmr1_core.errors import NotAnswered, UsageError
from rmr1_core.judging import read_verdict, render, sampling_of
from rmr1_core.ranking import Method, Strength
from rmr1_core.slots import Slot, protocol_of, slots
from rmr1_core.tournaments import Tournament
from rmr1_core.values import Completion, EvalProtocol, Message, Pair, Ref

_AHEAD = 512
"""Comparisons that `compare_many` asks before the first is answered."""


class _Asked(NamedTuple):
    slot: Slot
    answer: Future[Completion]


class Judge:
    """Compares answers. Its engine is opened when it is first asked, and closed with `close`, or at
    the end of a `with`. All methods may be called from any thread, and the async ones from any
    event loop: requests of all share the engine's batches.

    `backbone` is a name, hub id or folder, `engine` and `prompt` are names, or references with
    options; `options` are by "backbone", "engine" and "prompt". `order`, `samples`, `temperature`,
    `top_p`, `max_new_tokens` and `seed` are those of `rmr1 bench`.

    Raises:
        UsageError: a name is unknown, or an option cannot be used.
    """

    def __init__(
        self,
        backbone: str | Ref | None = None,
        *,
        engine: str | Ref | None = None,
        prompt: str | Ref | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        **protocol: Any,
    ) -> None:
        unknown = set(protocol) - set(EvalProtocol.__struct_fields__)
        if unknown:
            raise UsageError(
                f"a judge has no setting {unknown.pop()!r}; see: help(rmr1_core.Judge)"
            )
        more = options or {}
        parts, _, _ = judge_of(
            ref_of(backbone, more.get("backbone")),
            ref_of(engine, more.get("engine")),
            ref_of(prompt, more.get("prompt")),
        )
        self._set_up(parts, protocol_of(**protocol))

    @classmethod
    def of(cls, parts: JudgeParts, protocol: EvalProtocol) -> Self:
        """A judge of components that are looked up already."""
        judge = cls.__new__(cls)
        judge._set_up(parts, protocol)
        return judge

    def _set_up(self, parts: JudgeParts, protocol: EvalProtocol) -> None:
        self.parts, self.protocol = parts, protocol
        self._opening = threading.Lock()
        self._open = ExitStack()
        self._dispatcher: Dispatcher | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close(finish=error is None)

    def open(self) -> Dispatcher:
        """Open the engine, if it is not open yet.

        Raises:
            EngineFailed, UsageError: the weights or what they need cannot be loaded.
            MissingEnvironment: the engine's environment has to be built first.
        """
        with self._opening:
            if self._dispatcher is None:
                engine = self.parts.engine
                session = self._open.enter_context(engine.open(self.parts.backbone))
                self._dispatcher = Dispatcher(session)
            return self._dispatcher

    def close(self, *, finish: bool = True) -> None:
        """Close the engine, after what was asked is answered, or with what waits cancelled."""
        with self._opening:
            if self._dispatcher is not None:
                self._dispatcher.close(finish=finish)
            self._dispatcher = None
            self._open.close()

    def prompts(self, messages: Messages, a: str, b: str) -> list[tuple[Message, ...]]:
        """What `compare` asks, once for each order."""
        wanted = self._slots(messages, a, b)
        firsts = [slot for slot in wanted if slot.sample == 0]
        return [render(self.parts.strategy, slot.pair, slot.chosen_first) for slot in firsts]

    def compare(self, messages: Messages, a: str, b: str) -> Decision:
        """Which of two answers is better.

        Raises:
            UsageError: the messages are no conversation.
            EngineFailed, NotAnswered: the engine, or one of its answers, failed for good.
        """
        return self._decided(self._ask(messages, a, b))

    def compare_many(self, comparisons: Iterable[tuple[Messages, str, str]]) -> Iterator[Decision]:
        """The decisions on (messages, a, b), in their order, as they are made; hundreds are under
        way at a time. It ends by raising what `compare` does; `try_many` goes on."""
        for decision in self.try_many(comparisons):
            yield made(decision)

    def try_many(
        self, comparisons: Iterable[tuple[Messages, str, str]]
    ) -> Iterator[Decision | NotAnswered]:
        """`compare_many`, but a comparison of which a request failed for good has its `NotAnswered`
        in its place, not raised. Raises EngineFailed when the engine itself is gone."""
        source = iter(comparisons)
        waiting = deque(self._ask(*one) for one in islice(source, _AHEAD))
        try:
            while waiting:
                decision = self._tried(waiting.popleft())
                waiting.extend(self._ask(*one) for one in islice(source, 1))
                yield decision
        finally:  # nobody wants the rest
            for one in (one for asked in waiting for one in asked):
                one.answer.cancel()

    async def acompare(self, messages: Messages, a: str, b: str) -> Decision:
        """`compare` for coroutines. Cancelling it drops what was not asked yet."""
        if self._dispatcher is None:
            await asyncio.to_thread(self.open)
        asked = self._ask(messages, a, b)
        try:
            completions = await asyncio.gather(*(asyncio.wrap_future(x.answer) for x in asked))
        except BaseException:
            for one in asked:
                one.answer.cancel()
            raise
        return self._decision([x.slot for x in asked], completions)

    def rank(
        self,
        messages: Messages,
        answers: Sequence[str],
        *,
        method: Method = "round-robin",
        strength: Strength = "bradley-terry",
        references: Sequence[str] | Mapping[str, float] = (),
        rounds: int | None = None,
    ) -> Ranking:
        """In what order answers stand, and how strong each is, by a tournament; see `ranking`.

        `references` are answers that take part without being ranked, with their log-strengths, or
        0: with Bradley-Terry they keep the scale the same from call to call.

        Raises:
            UsageError: there is nothing to compare. And as `compare` does.
        """
        cup = Tournament(answers, references, method, strength, rounds, self.protocol.seed)
        pairs = cup.start()
        while pairs:
            decisions = self.compare_many((messages, *cup.texts(pair)) for pair in pairs)
            pairs = cup.went(pairs, list(decisions))
        return cup.ranking()

    async def arank(
        self,
        messages: Messages,
        answers: Sequence[str],
        *,
        method: Method = "round-robin",
        strength: Strength = "bradley-terry",
        references: Sequence[str] | Mapping[str, float] = (),
        rounds: int | None = None,
    ) -> Ranking:
        """`rank` for coroutines; the comparisons of a round are under way together."""
        cup = Tournament(answers, references, method, strength, rounds, self.protocol.seed)
        pairs = cup.start()
        while pairs:
            coming = (self.acompare(messages, *cup.texts(pair)) for pair in pairs)
            pairs = cup.went(pairs, await all_of(coming))
        return cup.ranking()

    def score(self, messages: Messages, answers: Sequence[str], **how: Any) -> list[float]:
        """A number for each answer, the higher the better: the scores of `rank`, which has the
        same options."""
        return list(self.rank(messages, answers, **how).scores)

    async def ascore(self, messages: Messages, answers: Sequence[str], **how: Any) -> list[float]:
        """`score` for coroutines."""
        return list((await self.arank(messages, answers, **how)).scores)

    def _ask(self, messages: Messages, a: str, b: str) -> list[_Asked]:
        wanted, dispatcher = self._slots(messages, a, b), self.open()
        strategy, limit = self.parts.strategy, self.parts.max_new_tokens(self.protocol)
        asked = []
        for slot in wanted:
            shown = render(strategy, slot.pair, slot.chosen_first)
            sampling = sampling_of(strategy, self.protocol, slot, limit)
            comparison = slot.pair.comparison(slot.chosen_first)
            asked.append(_Asked(slot, dispatcher.submit(shown, sampling, comparison)))
        return asked

    def _slots(self, messages: Messages, a: str, b: str) -> list[Slot]:
        """What is asked; `a` takes the place of the chosen answer, of which nobody knows."""
        prompt = conversation(messages)
        key = prompt_key((*prompt, Message("assistant", a), Message("assistant", b)))
        pair = Pair(id=key, subset="", group=key, prompt=prompt, chosen=a, rejected=b)
        return list(slots("judge", [pair], self.protocol))

    def _decided(self, asked: Sequence[_Asked]) -> Decision:
        return self._decision([x.slot for x in asked], [x.answer.result() for x in asked])

    def _tried(self, asked: Sequence[_Asked]) -> Decision | NotAnswered:
        try:
            return self._decided(asked)
        except NotAnswered as failed:
            return failed

    def _decision(self, wanted: Sequence[Slot], completions: Sequence[Completion]) -> Decision:
        return decide(
            Opinion.of(slot, read_verdict(self.parts.strategy, completion.text), completion)
            for slot, completion in zip(wanted, completions, strict=True)
        )
