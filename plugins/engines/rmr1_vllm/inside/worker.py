"""The worker: loads the weights, takes requests as they come, sends each answer when it is there.

Three threads: one reads and renders, one steps the engine, one decodes and sends. It ends when
nobody can ask it anything any more.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from functools import lru_cache, partial
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from rmr1_vllm import wire
from rmr1_vllm.inside import engines
from rmr1_vllm.inside.prompts import CannotLoadError, Prompts, first_line, named, too_long
from rmr1_vllm.inside.streams import Inbox, Outbox, take_over

_BATCH = 32
_CLOSE_SECONDS = 5.0


class Rendered(NamedTuple):
    """A request as token ids, or why it cannot be rendered, and what its answer begins with."""

    ask: wire.Ask
    ids: list[int] | str
    begun: list[int]


class End(NamedTuple):
    """Nobody asks any more."""


Event = Rendered | wire.Forget | engines.Finished | End


def work() -> None:
    """Load and answer until the conversation ends. Its exit code is 0 only then."""
    source, target = take_over()
    # the engine's thread gets its turn back from the others ten times as soon
    sys.setswitchinterval(0.0005)
    outbox, events = Outbox(target), SimpleQueue[Event]()
    inbox = Inbox(source, ended=lambda: _end_soon(events))
    try:
        for setup in inbox.read():
            if isinstance(setup, wire.Setup):
                _load(setup, outbox, events, inbox).run()
        code = 0
    except CannotLoadError as error:
        outbox.say(wire.Refused(why=str(error)))
        code = 2
    except BaseException as error:
        traceback.print_exc()
        outbox.say(wire.Failed(why=named(error)))
        code = 1
    outbox.flush()
    # vLLM's and torch's own ends take seconds, and what is open here is not worth them
    os._exit(code)


class Worker:
    """A loaded engine and its queues."""

    def __init__(
        self, engine: Any, prompts: Prompts, config: Any, events: SimpleQueue[Event]
    ) -> None:
        self._engine, self._prompts, self._events = engine, prompts, events
        self._context: int = config.model_config.max_model_len
        self._ends = _ends(config.model_config, prompts)
        self._asked: dict[int, Rendered] = {}
        self.outbox: Outbox

    def read(self, messages: list[wire.ToWorker]) -> None:
        """Render what was asked, in the inbox's thread; a few at a time, so that vLLM begins."""
        asks = [message for message in messages if isinstance(message, wire.Ask)]
        for start in range(0, len(asks), _BATCH):
            batch = asks[start : start + _BATCH]
            for ask, ids in zip(batch, self._prompts.ids([a.messages for a in batch]), strict=True):
                begun = self._prompts.begun(ask.prefill) if ask.prefill else []
                self._events.put(Rendered(ask, ids, begun))
        for message in messages:
            if isinstance(message, wire.Cut):
                characters = self._prompts.first_tokens(message.text, message.tokens)
                self.outbox.say(wire.Beginning(number=message.number, characters=characters))
            if isinstance(message, wire.Forget):
                self._events.put(message)

    def run(self) -> None:
        """Answer until nobody asks any more."""
        while True:
            for event in self._new_events():
                match event:
                    case Rendered():
                        self._take(event)
                    case wire.Forget():
                        self._forget(event)
                    case engines.Finished():
                        self._answer([event])
                    case End():
                        self._engine.close()
                        return
            if self._engine.waits_for_steps:
                self._answer(self._engine.step())

    def _new_events(self) -> list[Event]:
        """What happened since; if there is nothing else to do, it is waited for."""
        events = [] if self._engine.waits_for_steps else [self._events.get()]
        while True:
            try:
                events.append(self._events.get_nowait())
            except Empty:
                return events

    def _take(self, rendered: Rendered) -> None:
        ask, ids, begun = rendered
        if isinstance(ids, str):
            self.outbox.say(wire.Declined(number=ask.number, why=ids))
            return
        ids = [*ids, *begun]
        limit = min(ask.max_new_tokens, self._context - len(ids))
        if limit < 1:
            self.outbox.say(too_long(ask, ids))
            return
        params = _sampling(limit, ask.temperature, ask.top_p, ask.seed, ask.stop, self._ends)
        try:
            self._engine.add(ask.number, ids, params)
        except ValueError as error:
            self._decline(ask.number, first_line(error))
        else:
            self._asked[ask.number] = rendered

    def _answer(self, finished: list[engines.Finished]) -> None:
        made = []
        for number, output, why in finished:
            if isinstance(output, Exception):
                raise output
            rendered = self._asked.pop(number, None)
            if rendered is None:
                continue  # forgotten
            if output is None or output.outputs[0].finish_reason not in ("stop", "length"):
                reason = why or f"it ended as {output.outputs[0].finish_reason!r}"
                self._decline(number, reason)
                continue
            made.append(partial(self._wrote, rendered, output))
        if made:
            self.outbox.put(made)

    def _wrote(self, rendered: Rendered, output: Any) -> wire.FromWorker:
        """The answer in words; called in the outbox's thread."""
        ask, ids, begun = rendered
        completion = output.outputs[0]
        try:
            text = self._prompts.text(completion.token_ids, self._ends, ask.stop, begun)
        except Exception as error:  # the boundary to a foreign tokenizer
            why = f"the model's tokenizer cannot read the answer: {named(error)}"
            return wire.Declined(number=ask.number, why=why)
        return wire.Wrote(
            number=ask.number,
            text=ask.prefill + text,
            finish_reason=completion.finish_reason,
            prompt_tokens=len(ids),
            completion_tokens=len(begun) + len(completion.token_ids),
            cached_tokens=output.num_cached_tokens or 0,
        )

    def _decline(self, number: int, why: str) -> None:
        self.outbox.say(wire.Declined(number=number, why=f"vLLM refuses the request: {why}"))

    def _forget(self, message: wire.Forget) -> None:
        numbers = [number for number in message.numbers if self._asked.pop(number, None)]
        if numbers:
            self._engine.forget(numbers)


def _load(
    setup: wire.Setup, outbox: Outbox, events: SimpleQueue[Event], inbox: Inbox
) -> Worker:  # fmt: skip
    outbox.say(wire.Loading(step="importing vLLM"))
    engines.choose_process(setup.arguments)
    outbox.say(wire.Loading(step="reading the model's configuration"))
    prompts = Prompts(setup.model, setup.revision, setup.arguments)
    config = engines.configure(setup.model, setup.revision, setup.arguments)
    outbox.say(wire.Loading(step="loading the weights"))
    replicas = config.parallel_config.data_parallel_size
    engine = (
        engines.OneReplica(config) if replicas == 1 else engines.SeveralReplicas(config, events.put)
    )
    worker = Worker(engine, prompts, config, events)
    worker.outbox = outbox
    inbox.follow(worker.read)
    from rmr1_vllm.inside.facts import facts

    running = replicas * config.scheduler_config.max_num_seqs
    outbox.say(wire.Ready(facts={**facts(config), **prompts.facts}, running=running))
    return worker


@lru_cache(maxsize=256)
def _sampling(
    limit: int,
    temperature: float,
    top_p: float,
    seed: int | None,
    stop: tuple[str, ...],
    ends: tuple[int, ...],
) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        max_tokens=limit,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        stop=list(stop),
        stop_token_ids=list(ends),
        include_stop_str_in_output=True,
        skip_special_tokens=False,  # a stop string may be a special token; ours decodes the text
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _ends(model: Any, prompts: Prompts) -> tuple[int, ...]:
    """Every token that ends an answer: of the generation settings, the config, the tokenizer."""
    config = getattr(model, "hf_text_config", model.hf_config)
    found: set[int] = set()
    for ids in (
        model.try_get_generation_config().get("eos_token_id"),
        getattr(config, "eos_token_id", None),
        prompts.eos,
    ):
        found.update(ids if isinstance(ids, list) else [] if ids is None else [ids])
    return tuple(sorted(found))


def _end_soon(events: SimpleQueue[Event]) -> None:
    """Let the engine end its processes, and end them all if that takes long."""
    events.put(End())
    from rmr1_vllm.inside.start import end_all

    timer = threading.Timer(_CLOSE_SECONDS, end_all)
    timer.daemon = True
    timer.start()
