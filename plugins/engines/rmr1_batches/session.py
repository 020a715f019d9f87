"""The engine opened: requests go into batches, or are found in those that were sent before.

Requests are taken as long as the account has money for their worst case, sent, and waited for; what
they did not spend is there for the next round. An interrupt leaves the batches under way.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from rmr1_batches import BatchEngine
from rmr1_batches.calls import Gone
from rmr1_batches.interrupts import interrupts_later
from rmr1_batches.memory import Memory, Sent
from rmr1_batches.provider import Progress, Provider, custom_id_of
from rmr1_core import Answer, Completion, EngineSession, Request, RequestFailed
from rmr1_core.errors import EngineFailed
from rmr1_openai.pricing import Account

_TOLD_SECONDS = 10.0
_MILLION = 1_000_000
_LINE_END = 1


class BatchSession(EngineSession):
    """One model of one provider."""

    def __init__(self, engine: BatchEngine, model: str, provider: Provider) -> None:
        self._engine, self._model, self._provider = engine, model, provider
        price = engine.price(model)
        self._priced = price is not None
        self._account = Account(price, engine.max_cost)
        self._memory = Memory(engine.name, provider.calls.url)
        self._known: dict[str, Sent] = {}
        self._counts: Counter[str] = Counter()
        self._told = -_TOLD_SECONDS

    @property
    def facts(self) -> Mapping[str, str]:
        """Who was asked, and what that took since this session began: the journal has it all."""
        counts = self._counts
        tokens = f"{counts['in']} tokens in ({counts['cached']} cached), {counts['out']} out"
        spent = f", ${self._account.spent:.4f} spent" if self._priced else ""
        return {
            "model": self._model,
            "base URL": self._provider.calls.url,
            "since the last start": f"{tokens}, {counts['sent']} batches sent, "
            f"{counts['joined']} joined{spent}",
        }

    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request, a batch's when it is over.

        Raises:
            EngineFailed: the provider cannot be used, or the money is spent.
        """
        self._known = {digest: sent for sent in self._memory.batches() for digest in sent.requests}
        waiting = iter(requests)
        following = next(waiting, None)
        while following is not None:
            asked = _Round()
            try:
                while following is not None and self._takes(asked, following):
                    following = next(waiting, None)
                self._send(asked)
                if following is not None and not asked.under_way:
                    raise EngineFailed(self._account.exhausted(following))
                yield from self._answers(asked)
            except KeyboardInterrupt:
                self._tell_what_is_left(asked)
                raise

    def _takes(self, asked: _Round, request: Request) -> bool:
        """Find the request in a batch that was sent, or put it into the next; False without the
        money for it."""
        body = self._provider.body(request)
        digest = _digest(request, body)
        sent = self._known.get(digest)
        if sent is not None and self._joins(asked, sent):
            asked.requests[digest] = _light(request)
            return True
        if not self._account.admits(request):
            return False
        asked.requests[digest] = _light(request)
        line = self._provider.line(digest, body)
        most = self._engine.max_megabytes_per_batch * _MILLION
        if asked.lines and (
            len(asked.lines) >= self._engine.max_requests_per_batch
            or asked.size + len(line) + _LINE_END > most
        ):
            self._send(asked)
        asked.lines[digest] = line
        asked.size += len(line) + _LINE_END
        return True

    def _joins(self, asked: _Round, sent: Sent) -> bool:
        """Whether a batch that was sent before is still there."""
        if sent.id in asked.under_way:
            return True
        try:
            progress = self._provider.progress(sent.id)
            is_there = bool(progress.files) or not progress.ended
        except Gone:
            is_there = False
        if not is_there:
            self._memory.forget(sent)
            for digest in sent.requests:
                self._known.pop(digest, None)
            return False
        asked.under_way[sent.id] = (sent, progress)
        self._counts["joined"] += 1
        self._tell(f"batch {sent.id} has such requests already: joining it", at_once=True)
        return True

    def _send(self, asked: _Round) -> None:
        """Send the lines that are waiting, and write down where they went."""
        if not asked.lines:
            return
        self._memory.make_sure(asked.lines)
        with interrupts_later("a batch is being sent; once it is written down, this ends"):
            batch = self._provider.submit(list(asked.lines.values()))
            sent = self._memory.keep(batch, asked.lines)
            asked.under_way[batch] = (sent, Progress(0))
        self._counts["sent"] += 1
        self._tell(f"batch {batch}: {len(asked.lines)} requests sent", at_once=True)
        asked.lines, asked.size = {}, 0

    def _answers(self, asked: _Round) -> Iterator[Answer]:
        """The answers of all batches that are under way, each batch's when it is over."""
        while asked.under_way:
            over = [b for b, (_, progress) in asked.under_way.items() if progress.over]
            for batch in over:
                sent, progress = asked.under_way[batch]
                yield from self._results(asked, sent, progress)
                del asked.under_way[batch]
            if not over:
                time.sleep(self._engine.poll_seconds)
            for batch, (sent, _) in asked.under_way.items():
                asked.under_way[batch] = (sent, self._provider.progress(batch))
            self._tell(asked.words())

    def _results(self, asked: _Round, sent: Sent, progress: Progress) -> Iterator[Answer]:
        """The answers of a batch that is over. What failed is forgotten before it is told, so that
        it is asked again."""
        wanted = {d: asked.requests.pop(d) for d in sent.requests if d in asked.requests}
        failed: dict[str, RequestFailed] = {}
        answered: set[str] = set()
        how = f"batch {sent.id} is {progress.ended or 'over, and has no answer to it'}"
        for file in progress.files:
            try:
                for digest, result in self._read(file, wanted):
                    if isinstance(result, RequestFailed):
                        failed[digest] = result
                    elif digest not in answered:
                        answered.add(digest)
                        yield self._answer(wanted[digest], result)
            except Gone as gone:
                how = str(gone)
        left = [digest for digest in wanted if digest not in answered]
        if left:  # of a batch that did not end well, what another command asked there, too
            self._memory.forget(sent, {*sent.requests} - answered if progress.ended else {*left})
        for digest in left:
            self._account.settle(wanted[digest], None)
            result = failed.get(digest, RequestFailed(error=how))
            yield Answer(id=wanted[digest].id, result=result)

    def _read(
        self, file: str, wanted: Mapping[str, Request]
    ) -> Iterator[tuple[str, Completion | RequestFailed]]:
        """What a file of results says of these requests, by digest."""
        with self._provider.lines(file) as lines:
            for line in lines:
                digest, value = custom_id_of(line)
                if digest in wanted:
                    yield digest, self._provider.result(value, wanted[digest].sampling)

    def _answer(self, request: Request, completion: Completion) -> Answer:
        text = self._provider.calls.secret.hide_in_answer(completion.text)
        completion = msgspec.structs.replace(completion, text=text)
        completion = self._account.settle(request, completion) or completion
        self._counts["in"] += completion.prompt_tokens
        self._counts["cached"] += completion.cached_tokens
        self._counts["out"] += completion.completion_tokens
        return Answer(id=request.id, result=completion)

    def _tell_what_is_left(self, asked: _Round) -> None:
        left = ", ".join(asked.under_way)
        if left:
            self._tell(
                f"left under way at {self._provider.calls.url}: batch {left}; to join what was "
                "sent, go on or type the same command again",
                at_once=True,
            )

    def _tell(self, words: str, *, at_once: bool = False) -> None:
        """A line on standard error, now and then: a bar would be in the way of the flow's own."""
        now = time.monotonic()
        if words and (at_once or now - self._told >= _TOLD_SECONDS):
            self._told = now
            print(words, file=sys.stderr, flush=True)


class _Round:
    """Requests that are asked together: those that wait to be sent, as lines by digest, and the
    batches under way. Of those that are sent, what reading the answer needs is kept."""

    def __init__(self) -> None:
        self.requests: dict[str, Request] = {}
        self.lines: dict[str, bytes] = {}
        self.size = 0
        self.under_way: dict[str, tuple[Sent, Progress]] = {}

    def words(self) -> str:
        """How far all of it is."""
        total = sum(len(sent.requests) for sent, _ in self.under_way.values())
        done = sum(progress.done for _, progress in self.under_way.values())
        batches = ", ".join(self.under_way)
        return f"batch {batches}: {done}/{total} requests done" if self.under_way else ""


def _digest(request: Request, body: bytes) -> str:
    """64 letters, as many as an id may have, that stand for the whole request."""
    sampling = msgspec.json.encode((request.id, request.sampling))
    return hashlib.sha256(sampling + b"\0" + body).hexdigest()


def _light(request: Request) -> Request:
    return msgspec.structs.replace(request, messages=())
