"""Which judgments a protocol asks for: pairs × orders × samples, in the order that asks best.

Judgments whose prompts share a beginning follow one another, so that engines with a prefix cache
find it: those of one conversation, and of these the ones that begin with the same answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from rmr1_core.errors import UsageError
from rmr1_core.values import EvalProtocol, Order, Pair

Identity = tuple[str, str, bool, int]
"""Benchmark, pair's id, whether the chosen answer comes first, and sample."""


class Slot(NamedTuple):
    """One judgment to make."""

    benchmark: str
    pair: Pair
    chosen_first: bool
    sample: int

    @property
    def identity(self) -> Identity:
        """What tells the judgment from all others of its evaluation."""
        return self.benchmark, self.pair.id, self.chosen_first, self.sample

    @property
    def key(self) -> str:
        """Its identity as a JSON array."""
        return msgspec.json.encode(self.identity).decode()

    def request_id(self, pass_name: str = "") -> str:
        """The id of its request: the key, in another pass with the pass's name at its end."""
        if not pass_name:
            return self.key
        return msgspec.json.encode((*self.identity, pass_name)).decode()


def protocol_of(**asked: Any) -> EvalProtocol:
    """The protocol with these fields. One sample is greedy by default, and several are drawn.

    Raises:
        UsageError: several samples would all be the same, or a vote of one is to end early.
    """
    samples, temperature = asked.get("samples", 1), asked.get("temperature")
    if temperature is None:
        temperature = 0.0 if samples == 1 else 1.0
    if samples > 1 and temperature == 0:
        raise UsageError(
            "-n with --temperature 0 gives the same answer every time; leave out one of them"
        )
    if samples == 1 and asked.get("confidence") is not None:
        raise UsageError(
            "--adaptive ends a vote early, so it needs several samples; add -n 16 or another number"
        )
    fields = EvalProtocol.__struct_fields__
    given = {name: value for name, value in asked.items() if name in fields}
    return msgspec.convert({**given, "temperature": temperature}, EvalProtocol)


def slots(benchmark: str, pairs: Sequence[Pair], protocol: EvalProtocol) -> Iterator[Slot]:
    """All judgments that the protocol asks for, in the order in which they are best asked."""
    orders = assign_orders(pairs, protocol.order, protocol.seed)
    place: dict[str, int] = {}
    for pair in pairs:
        place.setdefault(pair.group, len(place))
    wanted = [(pair, first) for pair, firsts in zip(pairs, orders, strict=True) for first in firsts]
    # one prompt's comparisons together, and among them those that begin with the same answer
    wanted.sort(key=lambda w: (place[w[0].group], w[0].chosen if w[1] else w[0].rejected))
    for pair, first in wanted:
        for sample in range(protocol.samples):
            yield Slot(benchmark, pair, first, sample)


def assign_orders(pairs: Sequence[Pair], order: Order, seed: int) -> list[tuple[bool, ...]]:
    """For each pair, whether the chosen answer comes first, once per order to judge.

    "balanced" puts it first in exactly half of the pairs (one more when their number is odd);
    "random" draws each pair's order alone, as the papers do, but seeded.
    """
    match order:
        case "both":
            return [(True, False)] * len(pairs)
        case "chosen-first":
            return [(True,)] * len(pairs)
        case "random":
            return [(draw(seed, pair.id) % 2 == 0,) for pair in pairs]
        case "balanced":
            ranked = sorted(range(len(pairs)), key=lambda i: (draw(seed, pairs[i].id), i))
            first = set(ranked[::2])
            return [(i in first,) for i in range(len(pairs))]


def draw(seed: int, text: str) -> int:
    """A 64-bit number drawn by lot from a text."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{text}".encode()).digest()[:8], "big")
