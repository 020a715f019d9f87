"""What holds for a benchmark's pairs and scores, and for published numbers."""

from __future__ import annotations

from collections.abc import Iterable

from rmr1_core.components import Benchmark
from rmr1_core.discovery import plugins
from rmr1_core.lookup import find
from rmr1_core.slots import slots
from rmr1_core.testing.made import outcome
from rmr1_core.values import Anchor, EvalProtocol, Pair, Scores, Verdict


def check_pairs(benchmark: Benchmark, pairs: Iterable[Pair]) -> None:
    """Assert that a benchmark's pairs can be judged and scored: ids are unique, a judge that is
    always right gets 1, one that is always wrong 0, and one that always says A gets in between.
    What it draws of them it draws also where metrics are lacking."""
    listed = list(pairs)
    assert listed, "no pairs"
    assert len({pair.id for pair in listed}) == len(listed), "pair ids are not unique"
    both = [True, False]
    right = [Verdict.favouring_chosen(first) for first in both]
    wrong = [Verdict.favouring_chosen(not first) for first in both]
    for rule in benchmark.scorings:
        for verdicts, low, high in ((right, 1, 1), (wrong, 0, 0), ([Verdict.A] * 2, 0, 1)):
            scores = benchmark.summarize([outcome(pair, *verdicts) for pair in listed], rule)
            for metric in (scores.headline, *scores.metrics):
                assert low - 1e-9 <= metric.value <= high + 1e-9, (rule, metric)
                assert metric.low <= metric.value <= metric.high, metric
                assert metric.n > 0, metric
            assert benchmark.charts(scores), "a benchmark has something to draw"
            benchmark.charts(Scores(headline=scores.headline))  # total: of older scores, too
    asked = list(slots(benchmark.name, listed, EvalProtocol()))
    assert len({slot.key for slot in asked}) == 2 * len(listed)


def check_anchor(anchor: Anchor) -> None:
    """Assert that a published number says what it is: whose, where it stands, how it was made; and
    that its benchmark, where that is installed, has its rule, and its backbone exists."""
    what = f"{anchor.model}, {anchor.benchmark}, {anchor.metric}"
    assert anchor.model, "whose number is it?"
    assert 0 <= anchor.value <= 1, f"{what}: {anchor.value} is no share; percentages / 100"
    assert anchor.n > 0, f"{what}: what does it average over?"
    assert 0 < anchor.resolution < 0.1, f"{what}: {anchor.resolution} is no step of a table"
    source = anchor.source
    assert source.title, f"{what}: who published it?"
    assert source.table, f"{what}: where does it stand?"
    assert source.url.startswith("https://"), f"{what}: {source.url!r} is no address"
    for rule, value in anchor.otherwise.items():
        assert 0 <= value <= 1, f"{what}: {value} under {rule} is no share"
    installed = [o.component for o in plugins().offers("benchmark")]
    for benchmark in installed:
        if benchmark.name == anchor.benchmark:
            rules = {anchor.protocol.scoring, *anchor.otherwise}
            assert rules <= set(benchmark.scorings), f"{what}: rules {rules}"
    if anchor.backbone:
        assert find("backbone", anchor.backbone).model, f"{what}: {anchor.backbone} has no weights"


def check_anchors_on(
    benchmark: Benchmark, pairs: Iterable[Pair], anchors: Iterable[Anchor]
) -> None:
    """Assert that the benchmark's reports have every metric that its published numbers name, and
    average it over as many as they do. `pairs` are all that the benchmark has."""
    right = [outcome(pair, Verdict.A) for pair in pairs]
    sizes: dict[str, dict[str, int]] = {}
    for rule in benchmark.scorings:
        scores = benchmark.summarize(right, rule)
        sizes[rule] = {m.name: m.n for m in (scores.headline, *scores.metrics)}
    for anchor in anchors:
        if anchor.benchmark == benchmark.name:
            known = sizes[anchor.protocol.scoring]
            assert anchor.metric in known, f"no metric {anchor.metric!r}; there is {list(known)}"
            assert anchor.n == known[anchor.metric], (anchor, known[anchor.metric])
