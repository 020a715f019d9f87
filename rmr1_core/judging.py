"""Asking a judge: all judgments minus what the journal holds, each request once.

Every answer goes to the journal before anybody else sees it.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from rmr1_core import journals, jsonl
from rmr1_core.components import EngineSession, LiveRequests, PromptStrategy
from rmr1_core.errors import PluginFailed, Rmr1Error
from rmr1_core.journals import JournalLine
from rmr1_core.slots import Slot, draw
from rmr1_core.values import (
    Answer,
    Completion,
    EvalProtocol,
    FailedJudgment,
    Judgment,
    Message,
    Pair,
    Request,
    RequestFailed,
    Sampling,
    Verdict,
)
from rmr1_core.voting import Polls


class Judging:
    """Makes the judgments of one evaluation, and keeps them in its journal.

    Without a journal it can only say what there is to ask. `messages` replaces what the strategy
    asks; the answer is read as ever. `pass_name` tells the ids of another pass's requests from
    those of the first: no engine may take them for one that it has answered.
    """

    def __init__(
        self,
        strategy: PromptStrategy,
        protocol: EvalProtocol,
        journal: Path | None,
        *,
        messages: Callable[[Slot], tuple[Message, ...]] | None = None,
        pass_name: str = "",
    ) -> None:
        self._pass_name = pass_name
        self._strategy, self._protocol, self._journal = strategy, protocol, journal
        self._messages = messages or self._rendered
        self._waiting: dict[str, list[Slot]] = {}
        self._polls: Polls | None = None

    def pending(self, wanted: Iterable[Slot], max_new_tokens: int) -> LazyRequests:
        """The requests for all slots that the journal does not answer yet, identical ones once.

        They are rendered again when they are asked, so that memory holds no prompts.
        """
        done = self.made(self._journal)
        by_content: dict[bytes, str] = {}
        for slot in wanted:
            if slot.identity in done:
                continue
            request = self.request(slot, max_new_tokens)
            asked = request.messages, request.sampling, request.comparison, request.prefill
            content = msgspec.json.encode(asked)
            first = by_content.setdefault(hashlib.sha256(content).digest(), request.id)
            self._waiting.setdefault(first, []).append(slot)
        leaders = [slots_[0] for slots_ in self._waiting.values()]
        return LazyRequests(leaders, lambda slot: self.request(slot, max_new_tokens))

    def polled(self, wanted: Iterable[Slot], max_new_tokens: int) -> PolledRequests:
        """The requests for votes that stop early: those to begin with, and while they are answered
        the next ones of every vote that is not settled."""
        self._polls = Polls(wanted, self._protocol, journals.verdicts(self._journal))

        def take(slot: Slot) -> Request:
            request = self.request(slot, max_new_tokens)
            self._waiting[request.id] = [slot]
            return request

        return PolledRequests(self._polls.first(), take)

    @property
    def open_judgments(self) -> int:
        """How many judgments are to be made yet; of votes that stop early, at most."""
        return self._polls.lacking if self._polls else sum(map(len, self._waiting.values()))

    @property
    def spared(self) -> int:
        """How many samples need not be drawn any more, since their vote is settled."""
        return self._polls.spared if self._polls else 0

    def run(self, session: EngineSession, requests: Iterable[Request]) -> Iterator[JournalLine]:
        """Ask, and yield every line after it is in the journal.

        Raises:
            EngineFailed, PluginFailed: what was answered before is in the journal.
        """
        if self._journal is None:
            raise ValueError("there is no journal to keep the answers")
        with jsonl.Appender(self._journal) as journal:
            for answer in session.generate(requests):
                paid, *shared = self._slots_of(answer)
                lines = [self._line(paid, answer)]
                lines += [_free(self._line(slot, answer)) for slot in shared]
                journal.append(*lines)
                self._vote(lines, requests)
                yield from lines
            for slot in [slot for group in self._waiting.values() for slot in group]:
                line = _failed(slot, "the engine gave no answer")
                journal.append(line)
                yield line
            self._waiting.clear()
        if isinstance(requests, PolledRequests) and len(requests):
            yield from self.run(session, requests)  # the engine ended its round

    def _vote(self, lines: Iterable[JournalLine], requests: Iterable[Request]) -> None:
        """Ask for what these lines leave open of their votes."""
        if self._polls and isinstance(requests, PolledRequests):
            for line in lines:
                if isinstance(line, Judgment):
                    requests.add(self._polls.add(line))

    made = staticmethod(journals.made)
    stored = staticmethod(journals.stored)

    def request(self, slot: Slot, max_new_tokens: int) -> Request:
        """What is asked for a slot, whether it is answered or not."""
        sampling = sampling_of(self._strategy, self._protocol, slot, max_new_tokens)
        return Request(
            id=slot.request_id(self._pass_name),
            messages=self._messages(slot),
            sampling=sampling,
            comparison=slot.pair.comparison(slot.chosen_first),
        )

    def _rendered(self, slot: Slot) -> tuple[Message, ...]:
        return render(self._strategy, slot.pair, slot.chosen_first)

    def _slots_of(self, answer: Answer) -> list[Slot]:
        if answer.id not in self._waiting:
            raise PluginFailed(
                "engine", f"it answered {answer.id!r}, which was not asked or is answered"
            )
        return self._waiting.pop(answer.id)

    def _line(self, slot: Slot, answer: Answer) -> JournalLine:
        if isinstance(answer.result, RequestFailed):
            return _failed(slot, answer.result.error)
        if not all(map(math.isfinite, answer.result.scores or ())):
            return _failed(slot, "the engine gave a score that is no finite number")
        return Judgment(
            benchmark=slot.benchmark,
            pair_id=slot.pair.id,
            chosen_first=slot.chosen_first,
            sample=slot.sample,
            verdict=read_verdict(self._strategy, answer.result.text),
            completion=_writable(answer.result),
        )


def sampling_of(
    strategy: PromptStrategy, protocol: EvalProtocol, slot: Slot, max_new_tokens: int
) -> Sampling:
    """How the answer of one judgment is generated; samples differ by their seed alone."""
    greedy = protocol.temperature == 0
    return Sampling(
        max_new_tokens=max_new_tokens,
        temperature=protocol.temperature,
        top_p=1.0 if greedy else protocol.top_p,
        seed=0 if greedy else draw(protocol.seed, slot.key) % 2**31,
        stop=strategy.stop,
    )


def render(strategy: PromptStrategy, pair: Pair, chosen_first: bool) -> tuple[Message, ...]:
    """What the strategy asks of this pair; one that raises is a plugin's failure, named as such."""
    try:
        return tuple(strategy.render(pair.comparison(chosen_first)))
    except Rmr1Error:  # it says what the user should mend, such as a template's file
        raise
    except Exception as error:  # the boundary to foreign code
        problem = f"render of prompt {strategy.name!r} on pair {pair.id} raised {error!r}"
        raise PluginFailed(strategy.name, problem) from error


def read_verdict(strategy: PromptStrategy, text: str) -> Verdict:
    """The strategy's verdict; a parser that raises is a plugin's failure, named as such."""
    try:
        return Verdict(strategy.parse(text))
    except Rmr1Error:
        raise
    except Exception as error:  # the boundary to foreign code
        problem = f"parse of prompt {strategy.name!r} raised {error!r}"
        raise PluginFailed(strategy.name, problem) from error


class LazyRequests:
    """Requests that are rendered when they are reached, as often as they are gone through."""

    def __init__(self, slots_: Sequence[Slot], make: Callable[[Slot], Request]) -> None:
        self._slots, self._make = slots_, make

    def __len__(self) -> int:
        return len(self._slots)

    def __iter__(self) -> Iterator[Request]:
        return map(self._make, self._slots)


class PolledRequests(LiveRequests):
    """Requests of which answers make more."""

    def __init__(self, slots_: Iterable[Slot], take: Callable[[Slot], Request]) -> None:
        self._slots, self._take = deque(slots_), take

    def add(self, slots_: Iterable[Slot]) -> None:
        """Ask these, too."""
        self._slots.extend(slots_)

    def __len__(self) -> int:
        return len(self._slots)

    def __next__(self) -> Request:
        if not self._slots:
            raise StopIteration
        return self._take(self._slots.popleft())


def _writable(completion: Completion) -> Completion:
    """The completion with "?" for what is no text: half a surrogate pair, from a server's JSON."""
    text = completion.text.encode("utf-8", "replace").decode()
    if text == completion.text:
        return completion
    return msgspec.structs.replace(completion, text=text)


def _free(line: JournalLine) -> JournalLine:
    """The same line for a judgment whose request another one has paid for."""
    if isinstance(line, FailedJudgment) or not line.completion.cost:
        return line
    free = msgspec.structs.replace(line.completion, cost=0.0)
    return msgspec.structs.replace(line, completion=free)


def _failed(slot: Slot, error: str) -> FailedJudgment:
    return FailedJudgment(
        benchmark=slot.benchmark,
        pair_id=slot.pair.id,
        chosen_first=slot.chosen_first,
        sample=slot.sample,
        error=error,
    )
