"""Means whose uncertainty survives composition: the statistics of judgments.

Every score here is a linear combination of means. An `Estimate` carries, beside its value, the
influence of each cluster (a prompt, with all pairs made of it), so that a mean of means, weighted
or not, has the right clustered variance without resampling. The variance is the linearization
("sandwich") estimator, with the C/(C-1) correction within each mean, because the parts of a
composite are strata. The interval is Wilson's with the effective sample size that this variance
implies, corrected for few clusters by Student's t; it stays sensible near 0 and 1 (Korn and
Graubard 1998; Dean and Pagano 2015).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from rmr1_core.values import Metric, Value

Z95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""

_ROUNDING = 1e-12
"""Variance below this share of a Bernoulli variable's is rounding, not measurement."""

_watched: ContextVar[dict[str, Estimate] | None] = ContextVar("watched", default=None)


class Estimate(Value, frozen=True):
    """A share in [0, 1], with what each cluster of observations contributes to it.

    `influence` is each cluster's deviation, scaled so that the squares sum to the variance.
    `weight` is each cluster's part of the total weight; weights sum to 1. `lone` is the part of
    it that stands in means of a single cluster: their spread cannot be measured and is taken to
    be a Bernoulli variable's, not zero.
    """

    value: float
    n: int
    influence: Mapping[str, float]
    weight: Mapping[str, float]
    lone: Mapping[str, float] = {}

    @property
    def variance(self) -> float:
        """Variance of the value, clusters being independent."""
        measured = math.fsum(u * u for u in self.influence.values())
        lone = math.fsum(w * w for w in self.lone.values())
        return measured + lone * max(self.value * (1 - self.value), 0.0)

    @property
    def clusters(self) -> float:
        """How many equally weighted clusters would tell as much (Kish's effective size)."""
        return 1 / math.fsum(w * w for w in self.weight.values())

    def interval(self, z: float = Z95) -> tuple[float, float]:
        """A confidence interval, by default of 95 %, for z the normal quantile of its level."""
        p = min(max(self.value, 0.0), 1.0)
        n = max(self._effective_n(p * (1 - p), z), 1.0)
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))

    def metric(self, name: str) -> Metric:
        """The estimate as it is reported."""
        if (seen := _watched.get()) is not None:
            seen[name] = self
        low, high = self.interval()
        return Metric(name=name, value=self.value, n=self.n, low=low, high=high)

    def _effective_n(self, spread: float, z: float) -> float:
        # Clusters that all agree say nothing about their spread: then each counts as one.
        if self.variance <= _ROUNDING * spread / self.clusters or spread == 0:
            return self.clusters
        t = _student(z, max(self.clusters - 1, 1.0))
        return spread / self.variance * (z / t) ** 2


@contextmanager
def watching() -> Iterator[Mapping[str, Estimate]]:
    """What the block reports of estimates, by the name of the metric; of one name, the last.

    A metric alone does not tell what each cluster contributed. Who compares two runs needs that,
    and has it so of every benchmark that makes its metrics of estimates.
    """
    seen: dict[str, Estimate] = {}
    token = _watched.set(seen)
    try:
        yield seen
    finally:
        _watched.reset(token)


def mean(values: Sequence[float], clusters: Sequence[str]) -> Estimate:
    """The mean of values, of which those with the same cluster are not independent.

    Raises:
        ValueError: there is no value, or the lengths differ.
    """
    if not values or len(values) != len(clusters):
        raise ValueError(f"{len(values)} values with {len(clusters)} clusters")
    n = len(values)
    centre = math.fsum(values) / n
    sums: dict[str, float] = dict.fromkeys(clusters, 0.0)
    counts: dict[str, int] = dict.fromkeys(clusters, 0)
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] += value - centre
        counts[cluster] += 1
    count = len(sums)
    correction = math.sqrt(count / (count - 1)) if count > 1 else 0.0
    return Estimate(
        value=centre,
        n=n,
        influence={cluster: correction * total / n for cluster, total in sums.items()},
        weight={cluster: size / n for cluster, size in counts.items()},
        lone=dict.fromkeys(sums, 1.0) if count == 1 else {},
    )


def weighted(parts: Iterable[tuple[float, Estimate]]) -> Estimate:
    """The weighted mean of estimates; weights are normalised to sum to 1.

    Clusters that occur in several parts are the same cluster. No observation may be in two parts.

    Raises:
        ValueError: there is no part, a weight is negative, or the weights sum to nothing.
    """
    parts = list(parts)
    total = math.fsum(share for share, _ in parts)
    if total <= 0 or any(share < 0 for share, _ in parts):
        raise ValueError("no weight to average with")
    scaled = [(share / total, part) for share, part in parts]
    return Estimate(
        value=math.fsum(share * part.value for share, part in parts) / total,
        n=sum(part.n for share, part in parts if share > 0),
        influence=_sum((scale, part.influence) for scale, part in scaled),
        weight=_sum((scale, part.weight) for scale, part in scaled),
        lone=_sum((scale, part.lone) for scale, part in scaled),
    )


def average(parts: Iterable[Estimate]) -> Estimate:
    """The unweighted mean of estimates."""
    return weighted((1.0, part) for part in parts)


def _sum(parts: Iterable[tuple[float, Mapping[str, float]]]) -> dict[str, float]:
    """Scaled mappings, added key by key."""
    total: dict[str, float] = {}
    for scale, part in parts:
        for key, value in part.items():
            total[key] = total.get(key, 0.0) + scale * value
    return total


def _student(z: float, df: float) -> float:
    """Student's t quantile at the normal quantile z (Abramowitz and Stegun 26.7.5)."""
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / df**power for power, term in enumerate(terms))
