"""RewardBench 2 (Malik et al. 2025, arXiv 2506.01937): the best of four, and ties.

An item is a right answer against three wrong ones, judged as a pair with each. It is right if the
right answer beats all; where it ties with some for the first place, it counts 1/n of those that
tie. With both orders judged its value is the expectation when each pair's order is drawn alone, and
an unparsed answer loses. The domain Ties has items with many right answers: see `ties`.

The authors' scripts show a judge that writes all four answers at once. Here it compares two at a
time, as everywhere in rmr1, which is another task; the notes of a result say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from rmr1_core import Benchmark, Message, Metric, Outcome, Pair, Scores, Verdict, hookimpl
from rmr1_core.datafiles import Row, find_data, hub_rows, read_rows
from rmr1_core.statistics import Estimate, average, mean
from rmr1_rewardbench2 import ties

DOMAINS = {"Factuality": 475, "Precise IF": 160, "Math": 183, "Safety": 450, "Focus": 495}
"""Items of the domains in which the best of four is looked for. Ties has 102."""
LOSERS = 3
PAIRWISE = (
    "not the authors' number for judges that write: they show all four answers at once, and here "
    "two at a time are compared"
)
Items = list[list[Outcome]]


class RewardBench2(Benchmark, frozen=True, kw_only=True):
    """1,865 items in six domains."""

    def pairs(self, source: Path | None) -> Iterator[Pair]:
        """Every right answer with every wrong one, from the hub or from files with its fields."""
        if source is None:
            rows = hub_rows(self.hub, split="test", revision=self.revision)
            return (pair for row in rows for pair in _pairs(row))
        files = find_data(source, "*test*", "*") if source.is_dir() else [source]
        return (pair for path in files for row in read_rows(path) for pair in _pairs(row))

    @property
    def expected(self) -> Mapping[str, int]:
        """How many pairs each domain has; those of Ties follow from its data."""
        return {domain: LOSERS * items for domain, items in DOMAINS.items()}

    def summarize(self, outcomes: Sequence[Outcome], scoring: str) -> Scores:
        """The mean of the domains, as the authors take it; Ties only where answers have scores."""
        scored = any(o.chosen_score is not None for o in outcomes)
        found, incomplete = _items(outcomes)
        parts = {d: mean(*_best_of(found[d])) for d in DOMAINS if d in found}
        details = {f"{d}/pairs": _won(o for item in found[d] for o in item) for d in found}
        notes = [] if scored else [PAIRWISE]
        if "Ties" in found:
            more = ties.scored(found["Ties"]) if scored else ties.judged(found["Ties"])
            parts |= {name: part for name, part in more.items() if "/" not in name}
            details |= {name: part for name, part in more.items() if "/" in name}
            notes += [] if "Ties" in more else [ties.ONE_FORM if scored else ties.NO_SCORES]
        if incomplete:
            notes.append(f"items left out, of which some pairs were not judged: {incomplete}")
        metrics = [_metric(name, part) for name, part in {**parts, **details}.items()]
        headline = _metric("Overall", average(parts.values())) if parts else None
        return Scores(  # no domain has a number where only pairs of Ties were judged
            headline=headline or _metric("Pairs", _won(outcomes)),
            metrics=tuple(metrics),
            notes=tuple(notes),
        )


def _pairs(row: Row) -> Iterator[Pair]:
    domain, name = row.get("subset", str), str(row.get("id", str | int))  # type: ignore[arg-type]
    if domain not in {*DOMAINS, "Ties"}:
        raise row.bad("subset", f"{domain!r} is no domain of RewardBench 2")
    right, wrong = row.get("chosen", list[str]), row.get("rejected", list[str])
    kind, colon, number = name.partition(":")
    if domain == "Ties" and (kind not in ties.KINDS or not colon):
        raise row.bad("id", f"expected ref:NUMBER or tied:NUMBER in Ties, and not {name!r}")
    if not right or not wrong:
        raise row.bad("rejected" if right else "chosen", "has no answer")
    count = str(len(right) * len(wrong))
    for i, j in ((i, j) for i in range(len(right)) for j in range(len(wrong))):
        yield Pair(
            id=f"{domain}/{name}/{i}-{j}",
            subset=domain,
            group=f"{domain}/{number if domain == 'Ties' else name}",
            prompt=(Message("user", row.get("prompt", str)),),
            chosen=right[i],
            rejected=wrong[j],
            tags={"item": name, "of": count, "right": f"{i}", "wrong": f"{j}"},
        )


def _items(outcomes: Iterable[Outcome]) -> tuple[dict[str, Items], int]:
    """The whole items of each domain, and how many are not whole."""
    grouped: dict[tuple[str, str], list[Outcome]] = {}
    for o in outcomes:
        grouped.setdefault((o.pair.subset, o.pair.tags["item"]), []).append(o)
    whole = {k: item for k, item in grouped.items() if len(item) == int(item[0].pair.tags["of"])}
    found: dict[str, Items] = {}
    for (domain, _), item in whole.items():
        found.setdefault(domain, []).append(item)
    return found, len(grouped) - len(whole)


def _best_of(items: Items) -> tuple[list[float], list[str]]:
    return [best_of(item) for item in items], [item[0].pair.group for item in items]


def best_of(item: Iterable[Outcome]) -> float:
    """What an item counts: the chance that its right answer is first, shared with those it ties
    with. Each pair's order is drawn alone."""
    ways = [1.0]  # by how many wrong answers tie with the right one, the chance that none beats it
    for o in item:
        wins = o.score()
        tied = sum(v.verdict is Verdict.TIE for v in o.verdicts) / len(o.verdicts)
        longer = zip([*ways, 0.0], [0.0, *ways], strict=True)
        ways = [same * wins + fewer * tied for same, fewer in longer]
    return sum(chance / (1 + count) for count, chance in enumerate(ways))


def _won(outcomes: Iterable[Outcome]) -> Estimate:
    listed = list(outcomes)
    return mean([o.score() for o in listed], [o.pair.group for o in listed])


def _metric(name: str, part: Estimate) -> Metric:
    """The metric; the authors' rule for Ties gives from -0.01 to 1.01."""
    made = part.metric(name)
    low, high = min(made.low, made.value), max(made.high, made.value)
    return msgspec.structs.replace(made, low=low, high=high)


@hookimpl
def rmr1_benchmarks() -> Iterable[RewardBench2]:
    """Offer RewardBench 2."""
    yield RewardBench2(
        name="rewardbench2",
        summary="1,865 items in six domains: the best of four, and ties (arXiv 2506.01937)",
        hub="allenai/reward-bench-2",
    )
