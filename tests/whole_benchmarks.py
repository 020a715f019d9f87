"""Made-up pairs of the whole size of RewardBench, RM-Bench and RMB, and judges that are right as
often as one says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rmr1_core import Benchmark, Message, Outcome, Pair, Verdict
from rmr1_core.testing import outcome


def every_pair(benchmark: Benchmark) -> list[Pair]:
    """As many pairs of each subset as the benchmark expects, with the tags that it scores by."""
    makers = {"rm-bench": _rmbench, "rmb": _rmb}
    return list(makers.get(benchmark.name, _plain)(benchmark.expected))


def won(pairs: Iterable[Pair], wins: Mapping[str, int]) -> list[Outcome]:
    """The chosen answer wins in so many pairs of each subset, the first ones."""
    left = dict(wins)
    outcomes = []
    for pair in pairs:
        left[pair.subset] -= 1
        outcomes.append(outcome(pair, Verdict.A if left[pair.subset] >= 0 else Verdict.B))
    return outcomes


def _plain(expected: Mapping[str, int]) -> Iterator[Pair]:
    for subset, count in expected.items():
        for number in range(count):
            yield _made(f"{subset}/{number}", subset)


def _rmbench(expected: Mapping[str, int]) -> Iterator[Pair]:
    from rmr1_rmbench.layout import CELLS, STYLES

    for part, count in expected.items():
        for number in range(count):
            i, j = CELLS[number % 9]
            styles = {"chosen_style": STYLES[i], "rejected_style": STYLES[j]}
            yield _made(f"{part}/{number}", part, f"{part}/{number // 9}", **styles)


def _rmb(expected: Mapping[str, int]) -> Iterator[Pair]:
    from rmr1_rmb.categories import BON, CATEGORIES

    items = {category.path(BON): category.items for category in CATEGORIES}
    for path, count in expected.items():
        goal = path.split("/")[1]
        for number in range(count):
            if path not in items:
                yield _made(f"{path}/{number}", path, task="pairwise", goal=goal)
                continue
            last = items[path] - 1
            item = min(number, last)
            losers = 1 if item < last else count - last
            tags = {"task": "bon", "goal": goal, "item": f"{path}/{item}", "losers": str(losers)}
            yield _made(f"{path}/{number}", path, f"{path}/{item}", **tags)


def _made(id_: str, subset: str, group: str = "", **tags: str) -> Pair:
    return Pair(
        id=id_,
        subset=subset,
        group=group or id_,
        prompt=(Message("user", id_),),
        chosen="yes",
        rejected="no",
        tags=tags,
    )
