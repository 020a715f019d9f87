"""Requests of rmr1 asked through Inspect AI's `Model.generate`, several at the same time.

Stop strings are not sent: Inspect's providers leave them out of the text and do not say which one
ended it. The text is cut behind the first one instead, as if generation had ended there.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from rmr1_core import (
    Answer,
    Completion,
    EngineSession,
    LiveRequests,
    Message,
    Request,
    RequestFailed,
)
from rmr1_core.errors import UsageError
from rmr1_interop.judged import cut

if TYPE_CHECKING:
    from rmr1_interop import InspectEngine

ENDS = {"max_tokens": "length", "model_length": "prompt_too_long"}
"""Inspect's reasons to stop that are not the model's own; the second only where nothing came."""


@contextmanager
def opened(engine: InspectEngine, name: str) -> Iterator[InspectSession]:
    """A session with a loop of its own, on which the provider's clients live."""
    try:
        from inspect_ai.model import GenerateConfig, get_model
    except ImportError as error:
        raise UsageError(f"Inspect AI cannot be loaded: {error}; pip install inspect-ai") from None
    config = GenerateConfig(max_connections=engine.connections, max_retries=engine.retries)
    try:
        model = get_model(
            name, config=config, base_url=engine.base_url or None, **dict(engine.model_args)
        )
    except Exception as error:  # the boundary to providers, their packages and keys
        words = " ".join(str(error).split())
        raise UsageError(f"Inspect has no model {name!r} here: {words}") from error
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="inspect", daemon=True)
    thread.start()
    try:
        yield InspectSession(model, engine.connections, loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=5)


class InspectSession(EngineSession):
    """Asks one model."""

    def __init__(self, model: Any, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        self._model, self._limit, self._loop = model, limit, loop

    @property
    def facts(self) -> Mapping[str, str]:
        """Inspect's release, and the model as Inspect names it."""
        return {"inspect_ai": version("inspect_ai"), "model": str(self._model)}

    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Ask as many at the same time as there are connections."""
        source, pending = iter(requests), set[Future[Answer]]()
        look = LiveRequests.LOOK_SECONDS if isinstance(requests, LiveRequests) else None
        try:
            while True:
                while len(pending) < self._limit and (request := next(source, None)) is not None:
                    pending.add(self._start(self._answer(request)))
                if not pending:
                    return
                done, pending = wait(pending, timeout=look, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            for future in pending:
                future.cancel()

    def _start(self, asking: Coroutine[Any, Any, Answer]) -> Future[Answer]:
        return asyncio.run_coroutine_threadsafe(asking, self._loop)

    async def _answer(self, request: Request) -> Answer:
        from inspect_ai.model import GenerateConfig

        sampling = request.sampling
        config = GenerateConfig(
            max_tokens=sampling.max_new_tokens, temperature=sampling.temperature
        )
        if sampling.temperature > 0:
            config = config.merge(GenerateConfig(top_p=sampling.top_p, seed=sampling.seed))
        try:
            output = await self._model.generate(chat(request.messages), config=config)
        except Exception as error:  # of any provider, after its retries
            words = " ".join(str(error).split()) or type(error).__name__
            return Answer(id=request.id, result=RequestFailed(error=words[:500]))
        return Answer(id=request.id, result=_completion(output, sampling.stop))


def chat(messages: Iterable[Message]) -> list[Any]:
    """Messages as Inspect has them."""
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    kinds: dict[str, Any] = {
        "system": ChatMessageSystem,
        "user": ChatMessageUser,
        "assistant": ChatMessageAssistant,
    }
    return [kinds[message.role](content=message.content) for message in messages]


def text_of(output: Any) -> str:
    """What a model wrote; what it thought stands before it, where the provider shows that."""
    content = output.message.content if output.choices else ""
    parts = [] if isinstance(content, str) else content
    thought = "".join(part.reasoning for part in parts if part.type == "reasoning")
    return f"<think>{thought}</think>{output.completion}" if thought else str(output.completion)


def _completion(output: Any, stop: tuple[str, ...]) -> Completion:
    whole, usage = text_of(output), output.usage
    text = cut(whole, stop)
    end = "stop" if text != whole else ENDS.get(output.stop_reason, "stop")
    if end == "prompt_too_long" and text:
        end = "length"
    return Completion(
        text=text,
        finish_reason=end,  # type: ignore[arg-type]
        prompt_tokens=usage.input_tokens if usage else 0,
        completion_tokens=usage.output_tokens if usage else 0,
        cached_tokens=(usage.input_tokens_cache_read or 0) if usage else 0,
    )
