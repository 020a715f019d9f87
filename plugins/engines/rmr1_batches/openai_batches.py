"""OpenAI's Batch API: a file of requests goes up, a batch is made of it, two files come down.

Source: https://platform.openai.com/docs/guides/batch and the API reference of files and batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rmr1_batches import OpenAIBatch
from rmr1_batches.calls import Calls
from rmr1_batches.provider import Progress, Provider, count, mapping
from rmr1_core import Completion, Request, RequestFailed, Sampling
from rmr1_core.errors import EngineFailed
from rmr1_openai import answers
from rmr1_openai.bodies import body_of
from rmr1_openai.failures import LONGEST_MESSAGE

_PATH = "/v1/chat/completions"
_OVER = ("completed", "failed", "expired", "cancelled")


class OpenAIBatches(Provider):
    """Batches of chat completions."""

    def __init__(self, engine: OpenAIBatch, model: str, calls: Calls) -> None:
        super().__init__(calls)
        self._engine, self._model = engine, model

    def body(self, request: Request) -> bytes:
        """The body of a chat completion's request."""
        limit = request.sampling.max_new_tokens
        return body_of(self._engine, self._model, request, limit, self._engine.token_limit)

    def line(self, custom_id: str, body: bytes) -> bytes:
        """A line of the file that goes up."""
        fields = {"custom_id": custom_id, "method": "POST", "url": _PATH, "body": msgspec.Raw(body)}
        return msgspec.json.encode(fields)

    def submit(self, lines: Sequence[bytes]) -> str:
        """Send the file, which costs nothing, then make the batch, once."""
        file = ("rmr1.jsonl", b"\n".join(lines) + b"\n", "application/jsonl")
        sent = self.calls.json("POST", "/files", files={"file": file}, data={"purpose": "batch"})
        wanted = {
            "input_file_id": sent.get("id"),
            "endpoint": _PATH,
            "completion_window": "24h",
        }
        made = self.calls.json("POST", "/batches", once=True, json=wanted)
        if not isinstance(made.get("id"), str):
            raise EngineFailed(f"{self.calls.url} made a batch without an id; check --base-url")
        return str(made["id"])

    def progress(self, batch: str) -> Progress:
        """How far it is; a batch that expired or was cancelled has files of what was done."""
        said = self.calls.json("GET", f"/batches/{batch}")
        status, counts = said.get("status"), mapping(said.get("request_counts"))
        done = count(counts.get("completed")) + count(counts.get("failed"))
        if status not in _OVER:
            return Progress(done)
        found = [said.get(name) for name in ("output_file_id", "error_file_id")]
        files = tuple(f"/files/{file}/content" for file in found if isinstance(file, str) and file)
        ended = "" if status == "completed" else f"{status}{self._errors(said)}"
        return Progress(done, over=True, ended=ended, files=files)

    def result(self, line: Mapping[str, Any], sampling: Sampling) -> Completion | RequestFailed:
        """The chat completion in a line, or its error."""
        response, error = mapping(line.get("response")), mapping(line.get("error"))
        status = response.get("status_code")
        if not response or not isinstance(status, int):
            said = self.calls.secret.sentence(str(error.get("message") or "no answer"), 300)
            code = self.calls.secret.sentence(str(error.get("code") or ""), 100)
            return RequestFailed(error=f"{said} ({code})" if code else said)
        if status >= 300:
            return self.refused(status, response.get("body"), self._engine.token_limit)
        limit, sent = sampling.max_new_tokens, "stop" not in self._engine.omit
        try:
            content = msgspec.json.encode(response.get("body"))
            return answers.completion_of(content, answers.Asked(sampling.stop, limit, sent))
        except answers.Malformed as malformed:
            why = self.calls.secret.sentence(str(malformed), LONGEST_MESSAGE)
            return RequestFailed(error=f"a malformed answer: {why}")

    def _errors(self, said: Mapping[str, Any]) -> str:
        """The first thing that is wrong with a batch that failed."""
        data = mapping(said.get("errors")).get("data")
        first = mapping(data[0]) if isinstance(data, list) and data else {}
        words = self.calls.secret.sentence(str(first.get("message") or ""), LONGEST_MESSAGE)
        return f": {words.rstrip('.')}" if words else ""
