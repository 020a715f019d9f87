"""What `rmr1 compare` needs of the benchmarks: the estimate behind every metric."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rmr1_core import Benchmark, EvalProtocol, Outcome, Pair, Verdict
from rmr1_core.contrasts import contrasts, jackknifed, measured
from rmr1_core.evaluation import load
from rmr1_core.lookup import resolve
from rmr1_core.values import OrderVerdict

Loaded = Callable[[str, int], tuple[Benchmark, list[Pair]]]


def outcomes(pairs: Sequence[Pair], seed: int, chance: float) -> list[Outcome]:
    """Verdicts in both orders; pairs of a prompt are as hard for one judge as for the other."""
    rng = random.Random(seed)
    found = []
    for pair in pairs:
        own = random.Random(pair.group).betavariate(6 * chance, 6 * (1 - chance))
        verdicts = tuple(
            OrderVerdict(
                chosen_first=first,
                verdict=Verdict.favouring_chosen(first is (rng.random() < own)),
            )
            for first in (True, False)
        )
        found.append(Outcome(pair=pair, verdicts=verdicts))
    return found


@pytest.fixture
def loaded(shared: Path) -> Loaded:
    def load_(name: str, limit: int) -> tuple[Benchmark, list[Pair]]:
        benchmark = resolve("benchmark", name)
        source = None if name == "toy" else shared / "data" / name
        pairs, _ = load(benchmark, source, EvalProtocol(limit=limit, allow_partial=True))
        return benchmark, pairs

    return load_


@pytest.mark.parametrize("name", ["rewardbench", "rm-bench", "rmb", "toy"])
def test_every_metric_has_its_estimate(loaded: Loaded, name: str) -> None:
    benchmark, pairs = loaded(name, 400)
    for rule in benchmark.scorings:
        found = measured(benchmark, outcomes(pairs, 0, 0.7), rule)
        assert set(found.estimates) == set(found.metrics)


@pytest.mark.parametrize("name", ["rewardbench", "rm-bench", "rmb"])
def test_a_headline_s_linearized_variance_is_that_of_the_jackknife(
    loaded: Loaded, name: str
) -> None:
    benchmark, pairs = loaded(name, 900)
    first, second = outcomes(pairs, 1, 0.7), outcomes(pairs, 2, 0.75)
    headline = contrasts(benchmark, first, second, "strict")[0]
    drawn = jackknifed(benchmark, first, second, "strict", groups=300)
    ratio = (drawn[headline.first.name] / headline.contrast.variance) ** 0.5
    assert ratio == pytest.approx(1, abs=0.15)
