"""What was sent in which batch, in the user's data folder, so that it is not sent again.

A batch has a file of its own, which is there before the batch is waited for, and names the digests
of its requests. A request that is asked again, by `--resume` or by another command, is recognized
by its digest, in whichever batch it went. Digests are of the whole request: model, messages,
sampling, id. A request that failed is forgotten, and so is a batch whose results are old.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from rmr1_core import jsonl
from rmr1_core.errors import BadInput

_KEPT_SECONDS = 28 * 86400.0
"""Anthropic keeps results for 29 days, OpenAI for 30."""


class Sent(msgspec.Struct, frozen=True):
    """A batch: its id there, where, when (seconds since the epoch), and its requests' digests."""

    id: str
    url: str
    at: float
    requests: tuple[str, ...]


class Memory:
    """The batches that were sent to one provider."""

    def __init__(self, engine: str, url: str) -> None:
        from platformdirs import user_data_path

        self._url = url
        self._folder = user_data_path("rmr1") / "batches" / _digest(engine, url)[:16]

    def batches(self) -> Iterator[Sent]:
        """What was sent and is not old, the oldest first."""
        found = []
        for path in self._folder.glob("*.jsonl"):
            try:
                found += list(jsonl.read(path, Sent))
            except BadInput:  # of another version
                path.unlink(missing_ok=True)
        for sent in sorted(found, key=lambda sent: sent.at):
            if time.time() - sent.at < _KEPT_SECONDS:
                yield sent
            else:
                self.forget(sent)

    def keep(self, batch: str, requests: Collection[str]) -> Sent:
        """Write down what was sent, before it is waited for."""
        sent = Sent(id=batch, url=self._url, at=time.time(), requests=tuple(requests))
        jsonl.write(self._path(sent), [sent])
        return sent

    def forget(self, sent: Sent, requests: Collection[str] | None = None) -> None:
        """Forget these requests of a batch, or all of it."""
        path = self._path(sent)
        kept = next(jsonl.read(path, Sent), None) if path.exists() else None
        left = [r for r in kept.requests if r not in requests] if kept and requests else []
        if kept and left:
            jsonl.write(path, [msgspec.structs.replace(kept, requests=tuple(left))])
        else:
            path.unlink(missing_ok=True)

    def make_sure(self, requests: Collection[str]) -> None:
        """Raise Rmr1Error where as much cannot be written down."""
        probe = self._folder / "room.probe"
        jsonl.write(probe, list(requests))
        probe.unlink(missing_ok=True)

    def _path(self, sent: Sent) -> Path:
        return self._folder / f"{_digest(sent.id)[:32]}.jsonl"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
