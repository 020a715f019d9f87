"""Which of a source's rows a mixture takes, and in which order all of them stand.

Both are functions of seeds and of nothing else. A draw is the one of the library `datasets`,
`shuffle(seed)` and then the first ones, so that published subsets can be drawn again. The order is
by a number that is made of a row's content and the seed: it does not change when other rows come or
go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rmr1_core.errors import UsageError
from rmr1_core.values import MixSource, Mixture

if TYPE_CHECKING:
    import numpy

    Rows = numpy.ndarray[tuple[int], numpy.dtype[numpy.int64]]
    Mask = numpy.ndarray[tuple[int], numpy.dtype[numpy.bool_]]
    Keys = numpy.ndarray[tuple[int], numpy.dtype[numpy.uint64]]


def drawn(mixture: Mixture, ranges: Mapping[str, range]) -> Mask:
    """Which rows are taken, of those that the sources have after their filters.

    Raises:
        UsageError: a source has fewer rows than it should give.
    """
    import numpy as np

    shares = _shares(mixture, ranges)
    taken = np.zeros(sum(map(len, ranges.values())), bool)
    for source in mixture.sources:
        rows = ranges[source.name]
        wanted = source.count or shares.get(source.name)
        if wanted is None:
            taken[rows.start : rows.stop] = True
            continue
        if wanted > len(rows):
            raise UsageError(_too_few(mixture, source, wanted, len(rows)))
        if source.shuffle_seed is None:
            taken[rows.start : rows.start + wanted] = True
        else:
            order = np.random.default_rng(source.shuffle_seed).permutation(len(rows))
            taken[rows.start + order[:wanted]] = True
    return taken


def shuffled(rows: Rows, keys: Keys, seed: int) -> Rows:
    """The rows in the order of a seed; `keys` are numbers of their content."""
    import numpy as np

    start = _mixed_up(np.array([seed], np.uint64))
    return rows[np.argsort(_mixed_up(keys[rows] ^ start), kind="stable")]


def _mixed_up(values: Any) -> Any:
    """Each number as another one that looks drawn at random (the finish of SplitMix64)."""
    import numpy as np

    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))


def _shares(mixture: Mixture, ranges: Mapping[str, range]) -> dict[str, int]:
    """How many rows each weighted source gives: as many as the one that runs out first allows, or
    `total` together."""
    weights = {source.name: source.weight for source in mixture.sources if source.weight}
    if not weights:
        return {}
    whole = sum(weights.values())
    total = mixture.total or min(len(ranges[n]) * whole / w for n, w in weights.items())
    return {name: int(total * weight / whole + 1e-9) for name, weight in weights.items()}


def _too_few(mixture: Mixture, source: MixSource, wanted: int, have: int) -> str:
    what = "count" if source.count else "total, by its weight,"
    change = f"--set sources.{source.name}.count={have}" if source.count else "--set total=…"
    return (
        f"mixture {mixture.name!r}: source {source.name!r} has {have:,} rows after its filters, "
        f"and {what} asks for {wanted:,}; take fewer with: {change}"
    )
