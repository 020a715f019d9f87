"""Every metric of a benchmark, for two judges on the same pairs.

What each cluster contributes is known of metrics that are made of estimates (`statistics`), as
those of all benchmarks here are. Of any other metric the variance is found by leaving clusters out
and summarizing anew.
"""

from __future__ import annotations

import random
import statistics as moments
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rmr1_core.components import Benchmark
from rmr1_core.paired import Contrast, contrast
from rmr1_core.scoring import summarized
from rmr1_core.statistics import Estimate, watching
from rmr1_core.values import Metric, Outcome, Scores, Value

GROUPS = 200
"""Enough for a standard error that is right to 5 %."""


class MetricContrast(Value, frozen=True):
    """A metric of both judges, and how they differ."""

    first: Metric
    second: Metric
    contrast: Contrast


class Measured(NamedTuple):
    """A benchmark's scores, with the estimates behind those metrics that have one."""

    scores: Scores
    estimates: Mapping[str, Estimate]

    @property
    def metrics(self) -> dict[str, Metric]:
        """All metrics by name, the headline first."""
        scores = self.scores
        return {metric.name: metric for metric in (scores.headline, *scores.metrics)}


def measured(benchmark: Benchmark, outcomes: Sequence[Outcome], rule: str) -> Measured:
    """The scores of outcomes. Raises PluginFailed when the benchmark's own code raises."""
    with watching() as seen:
        scores = summarized(benchmark, outcomes, rule)
    found = Measured(scores, {})
    behind = {
        name: seen[name]
        for name, metric in found.metrics.items()
        if name in seen and seen[name].value == metric.value
    }
    return Measured(scores, behind)


def contrasts(
    benchmark: Benchmark, first: Sequence[Outcome], second: Sequence[Outcome], rule: str,
) -> list[MetricContrast]:  # fmt: skip
    """Every metric that both have, the headline first. The outcomes are of the same pairs, in the
    same order.

    Raises:
        PluginFailed: the benchmark's own code raised.
    """
    own, others = measured(benchmark, first, rule), measured(benchmark, second, rule)
    metrics = others.metrics
    common = [name for name in own.metrics if name in metrics]
    unknown = [n for n in common if n not in own.estimates or n not in others.estimates]
    drawn = jackknifed(benchmark, first, second, rule) if unknown else {}
    found = []
    for name in common:
        before, after = own.metrics[name], metrics[name]
        if name in unknown:
            variance, clusters = drawn.get(name, 0.0), len({o.pair.group for o in first})
            made = Contrast(value=after.value - before.value, variance=variance, clusters=clusters)
        else:
            made = contrast(own.estimates[name], others.estimates[name])
        found.append(MetricContrast(first=before, second=after, contrast=made))
    return found


def jackknifed(
    benchmark: Benchmark, first: Sequence[Outcome], second: Sequence[Outcome], rule: str,
    *, groups: int = GROUPS, seed: int = 0,
) -> dict[str, float]:  # fmt: skip
    """The variance of every metric's difference by the delete-a-group jackknife (Kott 2001): the
    clusters are dealt into groups by lot, and both judges' outcomes are summarized without each.

    A bootstrap would draw clusters twice, and a benchmark may take the copies of an item's pairs
    for one item.
    """
    members: dict[str, list[int]] = {}
    for place, outcome in enumerate(first):
        members.setdefault(outcome.pair.group, []).append(place)
    clusters = list(members.values())
    random.Random(seed).shuffle(clusters)
    count = min(groups, len(clusters))
    differences: dict[str, list[float]] = {}
    for left_out in range(count if count > 1 else 0):
        kept = sorted(i for n, c in enumerate(clusters) if n % count != left_out for i in c)
        before, after = (
            Measured(summarized(benchmark, [judge[i] for i in kept], rule), {}).metrics
            for judge in (first, second)
        )
        for name in before.keys() & after.keys():
            differences.setdefault(name, []).append(after[name].value - before[name].value)
    return {
        name: (len(found) - 1) * moments.pvariance(found)
        for name, found in differences.items()
        if found[1:]
    }
