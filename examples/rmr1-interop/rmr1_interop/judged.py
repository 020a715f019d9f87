"""What both harnesses need: a benchmark's comparisons, and its score for what was said of them.

Every pair is judged in both orders, as `rmr1 bench` does by default, with the messages that the
prompt strategy renders; its parser reads the answers, and the benchmark's own rule scores them. So
the number is that of `rmr1 bench` for the same answers.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from rmr1_core import (
    Backbone,
    Benchmark,
    Message,
    OrderVerdict,
    Outcome,
    Pair,
    PromptStrategy,
    Scores,
    Verdict,
)
from rmr1_core.lookup import default_prompt, resolve
from rmr1_core.scoring import majority


class Asked(NamedTuple):
    """A pair in one order."""

    pair: Pair
    chosen_first: bool
    messages: tuple[Message, ...]

    @property
    def id(self) -> str:
        """Its name within the benchmark."""
        return f"{self.pair.id}:{self.label}"

    @property
    def label(self) -> Verdict:
        """The right verdict."""
        return Verdict.favouring_chosen(self.chosen_first)


class Said(NamedTuple):
    """A verdict on a pair in one order; several of the same order are votes."""

    pair_id: str
    chosen_first: bool
    verdict: Verdict


class Judged:
    """A benchmark with a prompt strategy. `data` is a local copy, "" for the hub's."""

    def __init__(self, benchmark: str, prompt: str = "", data: str = "") -> None:
        self.benchmark: Benchmark = resolve("benchmark", benchmark)
        ref = prompt or default_prompt(Backbone(name="any", model="any"))
        self.strategy: PromptStrategy = resolve("prompt", ref)
        self.pairs = list(self.benchmark.pairs(Path(data).expanduser() if data else None))

    def asked(self) -> Iterator[Asked]:
        """All comparisons, the two orders of a pair after one another."""
        for pair in self.pairs:
            for first in (True, False):
                yield Asked(pair, first, self.strategy.render(pair.comparison(first)))

    def verdict(self, text: str) -> Verdict:
        """What an answer says, up to where the strategy has it end."""
        return self.strategy.parse(cut(text, self.strategy.stop))

    def scores(self, said: Iterable[Said], scoring: str = "strict") -> Scores:
        """The benchmark's score of what was said of at least one pair."""
        votes: dict[str, dict[bool, list[Verdict]]] = {}
        for pair_id, first, verdict in said:
            votes.setdefault(pair_id, {}).setdefault(first, []).append(Verdict(verdict))
        outcomes = [
            Outcome(
                pair=pair,
                verdicts=tuple(
                    OrderVerdict(chosen_first=first, verdict=majority(votes[pair.id][first]))
                    for first in sorted(votes[pair.id], reverse=True)
                ),
            )
            for pair in self.pairs
            if pair.id in votes
        ]
        return self.benchmark.summarize(outcomes, scoring)


@functools.lru_cache(maxsize=8)
def judged(benchmark: str, prompt: str = "", data: str = "") -> Judged:
    """The same benchmark, loaded once."""
    return Judged(benchmark, prompt, data)


def cut(text: str, stop: Iterable[str]) -> str:
    """The text up to and with the stop string that ends first."""
    ends = [text.index(end) + len(end) for end in stop if end in text]
    return text[: min(ends)] if ends else text
