"""Anthropic's Message Batches API: all requests in one call, results as lines.

Source: https://docs.anthropic.com/en/docs/build-with-claude/batch-processing and the API reference
of message batches, messages and errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from rmr1_batches import AnthropicBatch
from rmr1_batches.calls import Calls, Gone
from rmr1_batches.provider import Progress, Provider, count, mapping
from rmr1_core import Completion, Request, RequestFailed, Sampling
from rmr1_core.errors import EngineFailed
from rmr1_openai.answers import with_stop, with_thought

_PATH = "/messages/batches"
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 529,
}
"""Errors by the status that each is sent with; others are the provider's own (500)."""
_CUT_OFF = ("max_tokens", "model_context_window_exceeded", "refusal", "pause_turn")
_ENDED = {
    "canceled": "its batch was cancelled before it was answered",
    "expired": "its batch expired before it was answered",
}


class AnthropicBatches(Provider):
    """Batches of messages."""

    def __init__(self, engine: AnthropicBatch, model: str, calls: Calls) -> None:
        super().__init__(calls)
        self._engine, self._model = engine, model

    def body(self, request: Request) -> bytes:
        """The parameters of a message: the system's words apart, and no seed, which it has not."""
        sampling, omit = request.sampling, self._engine.omit
        said = [(m.role, m.content.encode("utf-8", "replace").decode()) for m in request.messages]
        fields: dict[str, Any] = {
            "model": self._model,
            "max_tokens": sampling.max_new_tokens,
            "messages": [
                {"role": role, "content": text} for role, text in said if role != "system"
            ],
        }
        system = "\n\n".join(text for role, text in said if role == "system")
        if system:
            fields["system"] = system
        if "temperature" not in omit:
            fields["temperature"] = sampling.temperature
        if sampling.top_p != 1 and "top_p" not in omit:
            fields["top_p"] = sampling.top_p
        if sampling.stop and "stop" not in omit:
            fields["stop_sequences"] = sampling.stop
        return msgspec.json.encode({**fields, **self._engine.extra_body})

    def line(self, custom_id: str, body: bytes) -> bytes:
        """An element of the list that is sent."""
        return msgspec.json.encode({"custom_id": custom_id, "params": msgspec.Raw(body)})

    def submit(self, lines: Sequence[bytes]) -> str:
        """Send all requests, once."""
        content = b'{"requests":[' + b",".join(lines) + b"]}"
        headers = {"Content-Type": "application/json"}
        made = self.calls.json("POST", _PATH, once=True, content=content, headers=headers)
        if not isinstance(made.get("id"), str):
            raise EngineFailed(f"{self.calls.url} made a batch without an id; check --base-url")
        return str(made["id"])

    def progress(self, batch: str) -> Progress:
        """How far it is. Requests that were cancelled or expired say so one by one."""
        said = self.calls.json("GET", f"{_PATH}/{batch}")
        counts = mapping(said.get("request_counts"))
        done = sum(count(counts.get(name)) for name in ("succeeded", "errored", *_ENDED))
        if said.get("processing_status") != "ended":
            return Progress(done)
        file = said.get("results_url")
        if not isinstance(file, str) or not file:
            raise Gone(f"the results of batch {batch} are not kept any more")
        return Progress(done, over=True, files=(file,))

    def result(self, line: Mapping[str, Any], sampling: Sampling) -> Completion | RequestFailed:
        """The message in a line, or its error."""
        result = mapping(line.get("result"))
        match result.get("type"):
            case "succeeded":
                return self._completion(mapping(result.get("message")), sampling)
            case "errored":
                error = mapping(result.get("error"))
                error = mapping(error.get("error")) or error
                status = _STATUS.get(str(error.get("type")), 500)
                return self.refused(status, {"error": error}, "max_tokens")
            case "canceled" | "expired" as ended:
                return RequestFailed(error=_ENDED[ended])
        return RequestFailed(error="its result is of no known kind")

    def _completion(
        self, message: Mapping[str, Any], sampling: Sampling
    ) -> Completion | RequestFailed:
        blocks = message.get("content")
        if not isinstance(blocks, list):
            return RequestFailed(error="a malformed answer: it has no content")
        text, thought = _joined(blocks, "text"), _joined(blocks, "thinking")
        reason, usage = message.get("stop_reason"), mapping(message.get("usage"))
        finish: Literal["stop", "length"] = "length" if reason in _CUT_OFF else "stop"
        stopped_by = message.get("stop_sequence") if reason == "stop_sequence" else None
        text, finish = with_stop(text, finish, stopped_by, sampling.stop)
        text = with_thought(text, thought)
        cached = count(usage.get("cache_read_input_tokens"))
        written = count(usage.get("cache_creation_input_tokens"))
        return Completion(
            text=text.encode("utf-8", "replace").decode(),
            finish_reason=finish,
            prompt_tokens=count(usage.get("input_tokens")) + written + cached,
            completion_tokens=count(usage.get("output_tokens")),
            cached_tokens=cached,
        )


def _joined(blocks: Sequence[Any], kind: str) -> str:
    found = [mapping(b).get(kind) for b in blocks if mapping(b).get("type") == kind]
    return "".join(text for text in found if isinstance(text, str))
