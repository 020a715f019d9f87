"""The domain Ties: questions with many right answers, each beside one with a single right answer.

A question is there twice, as "ref:N" with one right answer and as "tied:N" with several. For each,
the gap is the lowest score of a right answer less the highest of a wrong one; the spread of a tied
one is the highest less the lowest score of a right answer. The domain's number, with every term a
mean over questions:

    0.30 gap of tied > 0
    0.30 gap of ref > 0
    0.20 gap of tied > spread
    0.20 the smaller of both gaps > spread
    0.01 tanh(the smaller of both gaps / spread - 1)

This is what the authors' scripts compute (`process_single_model`); where gap and spread are both 0,
the last term is 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from rmr1_core import Outcome
from rmr1_core.statistics import Estimate, mean

KINDS = ("ref", "tied")
TERMS = {
    "tied accuracy": 0.30,
    "reference accuracy": 0.30,
    "spread below gap": 0.20,
    "spread below both gaps": 0.20,
}
"""What the terms are called here, with their weights; the fifth, which has no name, decides between
models that are alike in these."""

NO_SCORES = (
    "Ties is left out of Overall: its rule needs a score for every answer, and this judge gives "
    "verdicts; what its pairs say stands under Ties/"
)
ONE_FORM = "Ties is left out of Overall: no question of it was judged in both of its forms"


class Margins(NamedTuple):
    """Of an item, the gap between right and wrong, and the spread of the right answers; on the
    scale of the scores."""

    gap: float
    spread: float


def scored(items: Sequence[Sequence[Outcome]]) -> dict[str, Estimate]:
    """The domain's number and its terms, from scores. A question with an answer that has no score
    gets nothing of any term; of one that is there in one form only nothing can be said."""
    values: dict[str, list[float]] = {}
    numbers = []
    for number, both in _questions(items).items():
        numbers.append(number)
        ref, tied = (margins(both[kind]) for kind in KINDS)
        terms = [0.0] * 4 if ref is None or tied is None else _terms(ref, tied)
        for name, term in zip(TERMS, terms, strict=True):
            values.setdefault(f"Ties/{name}", []).append(term)
        last = 0.0 if ref is None or tied is None else _last(min(ref.gap, tied.gap), tied.spread)
        weights = (*TERMS.values(), 0.01)
        total = math.fsum(w * t for w, t in zip(weights, [*terms, last], strict=True))
        values.setdefault("Ties", []).append(total)
    return {name: mean(listed, numbers) for name, listed in values.items()}


def judged(items: Sequence[Sequence[Outcome]]) -> dict[str, Estimate]:
    """Of verdicts: how often every right answer beats every wrong one, the rule's accuracy. Of the
    spread of right answers, which are never compared, verdicts say nothing."""
    found = {}
    for kind, name in (("tied", "tied accuracy"), ("ref", "reference accuracy")):
        some = [item for item in items if item[0].pair.tags["item"].startswith(kind)]
        if some:
            values = [math.prod(o.score() for o in item) for item in some]
            found[f"Ties/{name}"] = mean(values, [item[0].pair.group for item in some])
    return found


def margins(item: Sequence[Outcome]) -> Margins | None:
    """The margins of an item, None where an answer has no score."""
    right = {o.pair.tags["right"]: o.chosen_score for o in item}
    wrong = {o.pair.tags["wrong"]: o.rejected_score for o in item}
    known = [s for s in right.values() if s is not None]
    others = [s for s in wrong.values() if s is not None]
    if any(o.chosen_score is None or o.rejected_score is None for o in item):
        return None
    return Margins(min(known) - max(others), max(known) - min(known))


def _questions(items: Sequence[Sequence[Outcome]]) -> dict[str, dict[str, Sequence[Outcome]]]:
    found: dict[str, dict[str, Sequence[Outcome]]] = {}
    for item in items:
        pair = item[0].pair
        found.setdefault(pair.group, {})[pair.tags["item"].partition(":")[0]] = item
    return {number: both for number, both in found.items() if len(both) == len(KINDS)}


def _terms(ref: Margins, tied: Margins) -> list[float]:
    smaller = min(ref.gap, tied.gap)
    holds = (tied.gap > 0, ref.gap > 0, tied.gap > tied.spread, smaller > tied.spread)
    return [float(term) for term in holds]


def _last(smaller: float, spread: float) -> float:
    if spread == 0:
        return float((smaller > 0) - (smaller < 0))
    return math.tanh(smaller / spread - 1)
