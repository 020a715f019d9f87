"""What both APIs have in common: how a batch is made, how far it is, what came of its requests."""

from __future__ import annotations

import abc
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from rmr1_batches.calls import Calls
from rmr1_core import Completion, Request, RequestFailed, Sampling
from rmr1_openai.failures import Again, Fewer, OtherField, Problem, Withheld, meaning, refused_field


class Progress(NamedTuple):
    """How far a batch is. `files` are what to read when it is `over`; `ended` says how it ended
    where it did not end well."""

    done: int
    over: bool = False
    ended: str = ""
    files: tuple[str, ...] = ()


class Provider(abc.ABC):
    """One provider's API for batches of one model's answers."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    @abc.abstractmethod
    def body(self, request: Request) -> bytes:
        """The JSON of one request, without its id."""

    @abc.abstractmethod
    def line(self, custom_id: str, body: bytes) -> bytes:
        """One request as it stands in a batch; ids have 1 to 64 of A-Z, a-z, 0-9, _ and -."""

    @abc.abstractmethod
    def submit(self, lines: Sequence[bytes]) -> str:
        """Make a batch; its id.

        Raises:
            EngineFailed: it could not be made, or nobody knows whether it was.
        """

    @abc.abstractmethod
    def progress(self, batch: str) -> Progress:
        """How far a batch is.

        Raises:
            Gone: the provider does not know it. EngineFailed: the API cannot be used.
        """

    @abc.abstractmethod
    def result(self, line: Mapping[str, Any], sampling: Sampling) -> Completion | RequestFailed:
        """What a line of the results says."""

    def lines(self, file: str) -> AbstractContextManager[Iterator[bytes]]:
        """The lines of a file of results."""
        return self.calls.lines(file)

    def refused(self, status: int, error: Any, field: str) -> Completion | RequestFailed:
        """What an error means that one request was answered with."""
        problem = Problem.said(status, {}, error, self.calls.secret)
        if status in (401, 403, 404):
            return RequestFailed(error=f"the provider refuses it: {problem.message} ({status})")
        meant = meaning(problem, field)
        match meant:
            case Fewer(tokens) if tokens is None or tokens <= 0:
                return _nothing("prompt_too_long")
            case Withheld():
                return _nothing("length")
            case Fewer():
                error = (
                    f"prompt and answer do not fit together: {problem.message} ({status}); allow "
                    "less with --max-new-tokens"
                )
            case Again(why):
                error = why
            case OtherField(refused, other):
                error = str(refused_field(refused, other))
            case RequestFailed(error=why):
                error = why
            case _:
                error = str(meant)
        return RequestFailed(error=error)


def custom_id_of(line: bytes) -> tuple[str, Mapping[str, Any]]:
    """The id in a line of results, and the line; an empty id where it is no such line."""
    try:
        value = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return "", {}
    if not isinstance(value, dict) or not isinstance(value.get("custom_id"), str):
        return "", {}
    return value["custom_id"], value


def mapping(value: Any) -> Mapping[str, Any]:
    """The value, if it is a mapping."""
    return value if isinstance(value, Mapping) else {}


def count(value: Any) -> int:
    """The value, if it is a number of requests or tokens."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _nothing(reason: Any) -> Completion:
    return Completion(text="", finish_reason=reason, prompt_tokens=0, completion_tokens=0)
