"""Requests in, answers out: a bounded window of them is with the worker, in the order given.

The window holds more than vLLM works on at a time, so that it never waits for us, and no more, so
that memory stays flat however many requests there are. vLLM starts them in the order in which they
come, so prompts that begin alike meet in its prefix cache.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from rmr1_core import (
    Answer,
    Backbone,
    Completion,
    EngineSession,
    LiveRequests,
    Request,
    RequestFailed,
)
from rmr1_core.environments import locate
from rmr1_core.errors import EngineFailed
from rmr1_core.hub import prefer_cache_when_unreachable
from rmr1_core.processes import talking
from rmr1_vllm import wire
from rmr1_vllm.arguments import engine_arguments, weights
from rmr1_vllm.causes import attention, doing
from rmr1_vllm.status import Status
from rmr1_vllm.talk import Worker

if TYPE_CHECKING:
    from rmr1_vllm import VllmEngine

START = Path(__file__).with_name("inside") / "start.py"
"""What runs inside the environment, which has no rmr1: it is started by its path."""
_AHEAD = 128
_BATCH = 64


class VllmSession(EngineSession):
    """A worker with its weights loaded."""

    def __init__(self, worker: Worker, ready: wire.Ready) -> None:
        self._worker, self._ready = worker, ready
        self._numbers = 0
        self._waiting: dict[int, str] = {}

    @property
    def facts(self) -> Mapping[str, str]:
        """Versions, dtype, device, attention, parallelism and cache."""
        return {**attention(self._worker.log, self._worker.since), **self._ready.facts}

    @property
    def window(self) -> int:
        """How many requests are with the worker at a time."""
        return 2 * self._ready.running + _AHEAD

    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request, each as it is finished."""
        source = iter(requests)
        hear: Callable[[], list[wire.FromWorker]] = self._worker.hear
        if isinstance(requests, LiveRequests):
            look = round(1000 * requests.LOOK_SECONDS)
            hear = partial(self._worker.hear, patient=False, milliseconds=look)
        try:
            while self._send(source) or self._waiting:
                for message in hear():
                    id_ = self._waiting.pop(getattr(message, "number", 0), None)
                    if id_ is not None:
                        yield Answer(id=id_, result=_result(message))
        finally:
            if self._waiting:
                self._forget()

    def beginnings(self, texts: Sequence[str], tokens: int) -> list[int]:
        """For each text how many characters its first so many tokens are; the worker has the
        tokenizer."""
        first = self._numbers + 1
        self._numbers += len(texts)
        self._worker.say(
            [wire.Cut(number=first + i, text=text, tokens=tokens) for i, text in enumerate(texts)]
        )
        found: dict[int, int] = {}
        while len(found) < len(texts):
            said = self._worker.hear()
            found |= {m.number: m.characters for m in said if isinstance(m, wire.Beginning)}
        return [found[first + i] for i in range(len(texts))]

    def _send(self, source: Iterator[Request]) -> bool:
        """Fill the window when there is room for a batch; whether anything was sent."""
        sent = False
        while self.window - len(self._waiting) >= _BATCH:
            batch = list(islice(source, _BATCH))
            if not batch:
                break
            self._worker.say([self._ask(request) for request in batch])
            sent = True
        return sent

    def _ask(self, request: Request) -> wire.Ask:
        self._numbers += 1
        self._waiting[self._numbers] = request.id
        sampling = request.sampling
        return wire.Ask(
            number=self._numbers,
            messages=tuple((message.role, message.content) for message in request.messages),
            max_new_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed if sampling.temperature else None,
            stop=sampling.stop,
            prefill=request.prefill,
        )

    def _forget(self) -> None:
        """Nobody waits any more: the worker may be gone, or the caller has seen enough."""
        numbers = tuple(self._waiting)
        self._waiting.clear()
        self._worker.say([wire.Forget(numbers=numbers)])


@contextmanager
def opened(engine: VllmEngine, backbone: Backbone) -> Iterator[VllmSession]:
    """A session with the weights loaded; its worker ends with the block.

    Raises:
        UsageError: the environment is missing, or what was given cannot work.
        EngineFailed: vLLM failed; the error names its log.
    """
    setup = wire.Setup(
        model=weights(backbone), revision=backbone.revision, arguments=engine_arguments(engine)
    )
    located = locate(engine.environment)
    if not Path(setup.model).is_dir():
        prefer_cache_when_unreachable()
    with (
        log_file(engine.log) as log,
        talking([str(located.python), str(START)], env=located.env, log=log) as process,
    ):
        worker = Worker(process, log, since=log.stat().st_size)
        yield VllmSession(worker, _loaded(worker, setup, backbone.name))
        worker.bye()


def _loaded(worker: Worker, setup: wire.Setup, name: str) -> wire.Ready:
    status, step = Status(f"loading {name} with vLLM"), ""
    try:
        worker.say([setup])
        while True:
            for message in worker.hear(patient=False):
                if isinstance(message, wire.Ready):
                    status.done(f"ready, log in {worker.log}")
                    return message
                if isinstance(message, wire.Loading):
                    step = message.step
            status.show(doing(worker.log, worker.since) or step)
    except BaseException:
        status.clear()
        raise


def _result(message: wire.FromWorker) -> Completion | RequestFailed:
    if isinstance(message, wire.Wrote):
        return Completion(
            text=message.text,
            finish_reason=message.finish_reason,
            prompt_tokens=message.prompt_tokens,
            completion_tokens=message.completion_tokens,
            cached_tokens=message.cached_tokens,
        )
    assert isinstance(message, wire.Declined)
    return RequestFailed(error=message.why)


@contextmanager
def log_file(chosen: str) -> Iterator[Path]:
    """The file of vLLM's log: as chosen, or a temporary one that is kept if vLLM fails."""
    if chosen:
        path = Path(chosen).expanduser().resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        yield path
        return
    folder = Path(tempfile.mkdtemp(prefix="rmr1-vllm-"))
    (folder / "vllm.log").touch()
    try:
        yield folder / "vllm.log"
    except EngineFailed:
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)
