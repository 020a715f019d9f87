"""What an evaluation asks, as hashes: whether two runs asked the same is then seen at a glance.

    <evaluation>/fingerprints.json   by benchmark; written before anything is asked

A run that goes on must ask what it asked before, byte for byte, and is refused where it does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from rmr1_core import runs
from rmr1_core.errors import UsageError
from rmr1_core.slots import Slot
from rmr1_core.values import Request, Value

FILE = "fingerprints.json"
SHOWN = 16
"""So many digits of a hash tell any two apart that somebody will ever see."""


class Fingerprint(Value, frozen=True):
    """SHA-256 of what is asked of one benchmark, in hex: `prompts` of the messages of each pair and
    order, `requests` of all requests with their sampling, in the order of `slots`; `count` of
    them, identical ones included. Ids are in neither."""

    prompts: str
    requests: str
    count: int

    @property
    def words(self) -> str:
        """Both, cut to what a reader compares."""
        return (
            f"prompts {self.prompts[:SHOWN]}, with sampling {self.requests[:SHOWN]} "
            f"({self.count:,} requests)"
        )


class _Hashes:
    """The hashes of one benchmark, as its requests go by."""

    def __init__(self) -> None:
        self._prompts, self._requests = hashlib.sha256(), hashlib.sha256()
        self._count = 0

    def add(self, slot: Slot, request: Request) -> None:
        """Take in a request. A line of JSON has no line break, so lines cannot run together."""
        messages = msgspec.json.encode(request.messages) + b"\n"
        if slot.sample == 0:
            self._prompts.update(messages)
        self._requests.update(messages + msgspec.json.encode(request.sampling) + b"\n")
        self._count += 1

    def fingerprint(self) -> Fingerprint:
        """Of all that was added."""
        return Fingerprint(
            prompts=self._prompts.hexdigest(),
            requests=self._requests.hexdigest(),
            count=self._count,
        )


def fingerprints(asked: Iterable[tuple[Slot, Request]]) -> dict[str, Fingerprint]:
    """The fingerprint of each benchmark's requests."""
    hashes: dict[str, _Hashes] = {}
    for slot, request in asked:
        hashes.setdefault(slot.benchmark, _Hashes()).add(slot, request)
    return {benchmark: found.fingerprint() for benchmark, found in hashes.items()}


def keep(folder: Path, found: Mapping[str, Fingerprint]) -> None:
    """Store what an evaluation asks, or make sure that it still asks that.

    Raises:
        UsageError: it asks something else than when it began.
    """
    path = folder / FILE
    if not path.exists():
        runs.write_whole(path, found)
        return
    before = stored(folder)
    changed = [name for name, own in found.items() if before.get(name) not in (None, own)]
    if changed:
        raise UsageError(
            f"the requests for {', '.join(changed)} are not those with which the run began, whose "
            f"hashes are in {path}: the prompt, the limit of tokens or a seed has changed; start a "
            "new run"
        )


def stored(folder: Path) -> dict[str, Fingerprint]:
    """What the evaluation in a folder asks, by benchmark; nothing where that is not known. Raises
    BadInput when the file is damaged."""
    path = folder / FILE
    return runs.read_whole(path, dict[str, Fingerprint]) if path.exists() else {}


def lines(folder: Path) -> list[str]:
    """What the evaluation in a folder asks, a line for each benchmark."""
    return [f"{benchmark}: {found.words}" for benchmark, found in stored(folder).items()]


def unlike(
    first: Mapping[str, Fingerprint], second: Mapping[str, Fingerprint], benchmark: str
) -> str:
    """In what two evaluations of the same pairs in the same orders were asked otherwise on a
    benchmark, in words; "" where they were not, or that is not known."""
    own, other = first.get(benchmark), second.get(benchmark)
    if own is None or other is None or own == other:
        return ""
    if own.prompts != other.prompts:
        return f"other prompts on {benchmark}"
    if own.count != other.count:  # another number of samples, which is said elsewhere
        return ""
    return f"the same prompts on {benchmark} with other limits, seeds or stop strings"
