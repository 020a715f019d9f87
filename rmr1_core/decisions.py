"""What a judge decides of answers whose worth nobody knows: opinions, decisions, rankings."""

from __future__ import annotations

from collections.abc import Iterable

from rmr1_core.errors import NotAnswered
from rmr1_core.scoring import majority
from rmr1_core.slots import Slot
from rmr1_core.values import Completion, Value, Verdict

_OTHER = {Verdict.A: Verdict.B, Verdict.B: Verdict.A}


class Opinion(Value, frozen=True):
    """One answer of the judge. `verdict` names the answers as they were given; where `a_first` is
    false they were shown the other way round, and so the text names them."""

    a_first: bool
    sample: int
    verdict: Verdict
    completion: Completion

    @classmethod
    def of(cls, slot: Slot, said: Verdict, completion: Completion) -> Opinion:
        """The opinion in what was said of the answers as they were shown."""
        verdict = said if slot.chosen_first else _OTHER.get(said, said)
        return cls(
            a_first=slot.chosen_first, sample=slot.sample, verdict=verdict, completion=completion
        )


class Decision(Value, frozen=True):
    """Which of two answers is better.

    In each order the majority of the samples decides. `share` is A's part of the orders, in [0, 1],
    where a tie or an unparsed answer is half a win; `verdict` is A above one half, B below it, and
    a tie at it, or UNPARSED if nothing was parsed.
    """

    verdict: Verdict
    share: float
    opinions: tuple[Opinion, ...]

    @property
    def flipped(self) -> bool:
        """Whether the answer preferred in one order is not the one preferred in the other."""
        return {Verdict.A, Verdict.B} <= set(by_order(self.opinions).values())

    @property
    def agreement(self) -> float:
        """The share of opinions with the verdict."""
        return sum(o.verdict is self.verdict for o in self.opinions) / max(len(self.opinions), 1)

    @property
    def prompt_tokens(self) -> int:
        """Tokens read for all opinions."""
        return sum(opinion.completion.prompt_tokens for opinion in self.opinions)

    @property
    def completion_tokens(self) -> int:
        """Tokens written for all opinions."""
        return sum(opinion.completion.completion_tokens for opinion in self.opinions)


class Compared(Value, frozen=True):
    """One match of a tournament: answers i and j, by their places; those after the answers are
    the references."""

    i: int
    j: int
    decision: Decision


class Ranking(Value, frozen=True):
    """Where answers stand: `order` has their places, the best first, and `scores` a number for each
    in the order in which they were given, references left out."""

    order: tuple[int, ...]
    scores: tuple[float, ...]
    matches: tuple[Compared, ...]


def by_order(opinions: Iterable[Opinion]) -> dict[bool, Verdict]:
    """The majority of the samples in each order, by whether A was shown first."""
    cast: dict[bool, list[Verdict]] = {}
    for opinion in opinions:
        cast.setdefault(opinion.a_first, []).append(opinion.verdict)
    return {a_first: majority(verdicts) for a_first, verdicts in cast.items()}


def decide(opinions: Iterable[Opinion]) -> Decision:
    """The decision that opinions make together."""
    listed = tuple(opinions)
    orders = list(by_order(listed).values())
    shares = [{Verdict.A: 1.0, Verdict.B: 0.0}.get(verdict, 0.5) for verdict in orders]
    share = sum(shares) / len(shares)
    verdict = Verdict.A if share > 0.5 else Verdict.B if share < 0.5 else Verdict.TIE
    if all(verdict is Verdict.UNPARSED for verdict in orders):
        verdict = Verdict.UNPARSED
    return Decision(verdict=verdict, share=share, opinions=listed)


def made(tried: Decision | NotAnswered) -> Decision:
    """The decision that was tried for.

    Raises:
        NotAnswered: there is none.
    """
    if isinstance(tried, NotAnswered):
        raise tried
    return tried
