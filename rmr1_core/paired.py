"""Two judges on the same pairs: what tells a difference from noise.

- A metric's difference: the influences of both estimates are subtracted cluster by cluster, so what
  both judges share cancels (Miller 2024).
- Few disagreements: a cluster is added on each side (Bonett and Price 2012), and no interval is
  empty.
- Pairs gained against pairs lost: the judges change places, cluster by cluster. Without clusters
  this is McNemar's exact test.
- Several tests: Holm (1979).
- What can be seen: the difference that is found with 80 % power.

Formulas and sources are in docs/comparing.md.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rmr1_core.statistics import Estimate
from rmr1_core.values import Value

if TYPE_CHECKING:
    import numpy as np

ALPHA = 0.05
POWER = 0.8


class Contrast(Value, frozen=True):
    """The difference of a share between two judges: `value` in [-1, 1], its `variance`, and of how
    many equally weighted clusters it is made."""

    value: float
    variance: float
    clusters: float

    @property
    def _adjusted(self) -> tuple[float, float, float]:
        """Centre, standard error and degrees of freedom, with a cluster added on each side."""
        whole = self.clusters + 2
        centre = self.value * self.clusters / whole
        spread = math.sqrt(self.variance * self.clusters**2 + 2) / whole
        return centre, spread, max(self.clusters - 1, 1.0)

    @property
    def p(self) -> float:
        """How often a difference of at least this size comes without there being one."""
        from scipy.special import stdtr

        centre, spread, freedom = self._adjusted
        return min(1.0, float(2 * stdtr(freedom, -abs(centre) / spread)))

    def interval(self, alpha: float = ALPHA) -> tuple[float, float]:
        """The confidence interval of level 1 - alpha. It excludes 0 exactly when p < alpha."""
        centre, spread, freedom = self._adjusted
        half = _t(freedom, 1 - alpha / 2) * spread
        return max(-1.0, centre - half), min(1.0, centre + half)

    def detectable(self, alpha: float = ALPHA, power: float = POWER) -> float:
        """The difference that is found with this power, were the spread as it is here."""
        _, spread, freedom = self._adjusted
        return min(1.0, (_t(freedom, 1 - alpha / 2) + _t(freedom, power)) * spread)


def contrast(first: Estimate, second: Estimate) -> Contrast:
    """The second less the first, of the same pairs.

    Where a part has a single cluster its spread is unknown; there the judges are taken to be
    independent.
    """
    own, others = first.influence, second.influence
    keys = own.keys() | others.keys()
    measured = math.fsum((others.get(key, 0.0) - own.get(key, 0.0)) ** 2 for key in keys)
    lone = math.fsum(
        share * share * max(estimate.value * (1 - estimate.value), 0.0)
        for estimate in (first, second)
        for share in estimate.lone.values()
    )
    clusters = min(first.clusters, second.clusters)
    return Contrast(value=second.value - first.value, variance=measured + lone, clusters=clusters)


def exact_p(net: Iterable[int]) -> float:
    """The exact two-sided p of as many pairs gained as lost.

    `net` has, for each cluster, the wins gained less the wins lost. If neither judge is better,
    each cluster's number could as well have the other sign; of all these worlds, p is the share in
    which the sum is as far from 0 as it is. Where every number is -1, 0 or 1 that is McNemar's
    exact test.
    """
    import numpy as np

    net = [change for change in net if change]
    chances = np.ones(1)
    for size, count in Counter(map(abs, net)).items():
        chances = np.convolve(chances, _steps(size, count))
    farthest = len(chances) - 1
    sums = np.arange(-farthest, farthest + 1, 2)
    return min(1.0, float(chances[np.abs(sums) >= abs(sum(net))].sum()))


def _steps(size: int, count: int) -> np.ndarray:
    """Chances of the sum of `count` numbers that are size or -size, from -size * count on in steps
    of 2."""
    import numpy as np
    from scipy.special import gammaln

    up = np.arange(count + 1)
    logs = gammaln(count + 1) - gammaln(up + 1) - gammaln(count - up + 1) - count * math.log(2)
    chances = np.zeros(size * count + 1)
    chances[::size] = np.exp(logs)
    return chances


def holm(values: Sequence[float]) -> list[float]:
    """Holm's corrected p values, in the order of the given ones: below alpha for as many as can be
    called real with a chance below alpha that any of them is not."""
    ranked = sorted(range(len(values)), key=lambda i: values[i])
    corrected, largest = [0.0] * len(values), 0.0
    for rank, i in enumerate(ranked):
        largest = max(largest, min(1.0, (len(values) - rank) * values[i]))
        corrected[i] = largest
    return corrected


def _t(freedom: float, share: float) -> float:
    """Student's t quantile."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))
