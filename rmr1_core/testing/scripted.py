"""Engines and judges without weights: a function says what is answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, ClassVar

from rmr1_core.assessing import JudgeParts
from rmr1_core.components import Backbone, Engine, EngineSession, PromptStrategy
from rmr1_core.judge import Judge
from rmr1_core.lookup import default_prompt, resolve
from rmr1_core.slots import protocol_of
from rmr1_core.values import Answer, Completion, Request, RequestFailed

Script = Callable[[Request], str | Completion | RequestFailed]
"""What answers a request: a text to follow its `prefill`, a whole completion, or a failure."""
_WORD = re.compile(r"\S+")


class ScriptedSession(EngineSession):
    """Answers every request with what a function says; keeps the requests."""

    def __init__(self, write: Script) -> None:
        self._write = write
        self.requests: list[Request] = []

    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer in the order of asking."""
        for request in requests:
            self.requests.append(request)
            written = self._write(request)
            if isinstance(written, str):
                text = request.prefill + written
                written = Completion(
                    text=text,
                    finish_reason="stop",
                    prompt_tokens=sum(len(m.content.split()) for m in request.messages),
                    completion_tokens=len(text.split()),
                )
            yield Answer(id=request.id, result=written)

    def beginnings(self, texts: Sequence[str], tokens: int) -> list[int]:
        """Words are tokens."""
        ends = [[word.end() for word in islice(_WORD.finditer(text), tokens + 1)] for text in texts]
        return [
            end[tokens - 1] if len(end) > tokens else len(text)
            for end, text in zip(ends, texts, strict=True)
        ]


class ScriptedEngine(Engine, frozen=True, kw_only=True):
    """An engine without weights: `write(request)` is the judge."""

    prefills: ClassVar[bool] = True
    write: Script

    def own_backbone(self) -> Backbone | None:
        """The script itself."""
        return Backbone(name=self.name, summary="a script", model="")

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[ScriptedSession]:
        """A session of the script."""
        yield ScriptedSession(self.write)


def scripted_judge(
    write: Script, *, prompt: PromptStrategy | str | None = None, **protocol: Any
) -> Judge:
    """A judge who says what `write(request)` returns, such as "<answer>[[A]]</answer>".

    `prompt` is a strategy or its name, by default that of an instruct model; `protocol` are the
    settings of `rmr1_core.Judge`, such as `samples=3` or `order="chosen-first"`.

    Raises:
        UsageError: no prompt has this name, or a setting does not exist.
    """
    nobody = Backbone(name="nobody", summary="a script", model="")
    strategy: PromptStrategy = (
        prompt
        if isinstance(prompt, PromptStrategy)
        else resolve("prompt", prompt or default_prompt(nobody))
    )
    engine = ScriptedEngine(name="script", summary="a script", write=write)
    parts = JudgeParts(engine=engine, backbone=nobody, strategy=strategy)
    return Judge.of(parts, protocol_of(**protocol))
