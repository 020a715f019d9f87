"""JudgeBench (Tan et al. 2024, arXiv 2410.12784): a right and a wrong answer of one model each.

Both orders are judged (section 3.3 of the paper): an order in which the right answer wins counts
+1, one in which the wrong answer wins -1, a tie or an unparsed answer 0, and the pair is right if
the sum is above 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from rmr1_core import Benchmark, Message, Option, Outcome, Pair, Scores, Verdict, hookimpl
from rmr1_core.datafiles import Row, find_data, hub_rows, prompt_key, read_rows
from rmr1_core.statistics import Estimate, mean

CATEGORIES = {
    "mmlu-pro": "Knowledge",
    "livebench-reasoning": "Reasoning",
    "livebench-math": "Mathematics",
    "livecodebench": "Coding",
}
"""The beginning of a row's source, and what the paper calls the category."""
SIZES = {"gpt": (154, 98, 56, 42), "claude": (154, 51, 34, 31)}
"""Pairs by split and category."""
LABELS = {"A>B": True, "B>A": False}


class JudgeBench(Benchmark, frozen=True, kw_only=True):
    """The pairs whose answers one model wrote: the hub's split, and part of a local file's name."""

    split: Annotated[str, Option(description="split on the hub")] = "gpt"
    writer: Annotated[str, Option(description="part of a local file's name")] = "gpt-4o"

    def pairs(self, source: Path | None) -> Iterator[Pair]:
        """The pairs, from the hub or from the authors' JSON lines."""
        if source is None:
            return map(_pair, hub_rows(self.hub, split=self.split, revision=self.revision))
        files = find_data(source, f"*{self.writer}*", "*") if source.is_dir() else [source]
        return (_pair(row) for path in files for row in read_rows(path))

    @property
    def expected(self) -> Mapping[str, int]:
        """How many pairs each category has."""
        return dict(zip(CATEGORIES.values(), SIZES.get(self.split, ()), strict=False))

    def summarize(self, outcomes: Sequence[Outcome], scoring: str) -> Scores:
        """The share of right pairs, over all and by category; and by the first order alone."""
        parts = {c: [o for o in outcomes if o.pair.subset == c] for c in CATEGORIES.values()}
        first = [o for o in outcomes if _first_order(o) is not None]
        metrics = [_share(part, _both_orders).metric(name) for name, part in parts.items() if part]
        if first:
            metrics.append(_share(first, _first_order).metric("Overall/first order only"))
        headline = _share(outcomes, _both_orders).metric("Overall")
        return Scores(headline=headline, metrics=tuple(metrics))


def _pair(row: Row) -> Pair:
    source, label = row.get("source", str), row.get("label", str)
    category = next((c for start, c in CATEGORIES.items() if source.startswith(start)), None)
    if category is None:
        raise row.bad("source", f"{source!r} is in no category of JudgeBench")
    if label not in LABELS:
        raise row.bad("label", f"expected A>B or B>A, and not {label!r}")
    right, wrong = ("A", "B") if LABELS[label] else ("B", "A")
    prompt = (Message("user", row.get("question", str)),)
    return Pair(
        id=row.get("pair_id", str),
        subset=category,
        group=prompt_key(prompt),
        prompt=prompt,
        chosen=row.get(f"response_{right}", str),
        rejected=row.get(f"response_{wrong}", str),
        tags={"source": source, "label": label},
    )


def _both_orders(outcome: Outcome) -> float:
    points = 0
    for judged in outcome.verdicts:
        if judged.verdict in (Verdict.A, Verdict.B):
            right = judged.verdict is Verdict.favouring_chosen(judged.chosen_first)
            points += 1 if right else -1
    return float(points > 0)


def _first_order(outcome: Outcome) -> float | None:
    """Whether the judge is right when the answers stand as in the data; None if not judged so."""
    as_given = LABELS[outcome.pair.tags["label"]]
    for judged in outcome.verdicts:
        if judged.chosen_first is as_given:
            return float(judged.verdict is Verdict.favouring_chosen(judged.chosen_first))
    return None


def _share(outcomes: Sequence[Outcome], rule: Callable[[Outcome], float | None]) -> Estimate:
    return mean([rule(o) or 0.0 for o in outcomes], [o.pair.group for o in outcomes])


@hookimpl
def rmr1_benchmarks() -> Iterable[JudgeBench]:
    """Offer the pairs of both models that wrote answers."""
    hub = "ScalerLab/JudgeBench"
    yield JudgeBench(name="judgebench", summary="350 pairs of GPT-4o's answers", hub=hub)
    yield JudgeBench(
        name="judgebench-claude",
        summary="270 pairs of Claude 3.5 Sonnet's answers",
        hub=hub,
        split="claude",
        writer="claude",
    )
