from __future__ import annotations

import itertools
import random
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from rmr1_core.paired import Contrast, contrast, exact_p, holm
from rmr1_core.statistics import mean, watching, weighted

SHARES = (0.55, 0.1, 0.2, 0.15)
"""Pairs that both get right, only the second, only the first, and neither."""


def test_a_difference_is_the_second_less_the_first():
    assert contrast(mean([1, 0], "ab"), mean([1, 1], "ab")).value == 0.5


def test_what_both_judges_share_cancels():
    values = [float(k % 3 == 0) for k in range(60)]
    clusters = [str(k) for k in range(60)]
    other = [1 - values[0], *values[1:]]
    pair = contrast(mean(values, clusters), mean(other, clusters))
    assert pair.variance == pytest.approx(1 / 60 / 60)


def test_the_variance_is_that_of_the_clusters_differences():
    first, second = [0.0, 1.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0, 1.0]
    clusters = ["a", "a", "b", "c", "c"]
    found = contrast(mean(first, clusters), mean(second, clusters))
    sums = {"a": 1.0 - 2 * 0.2, "b": -1.0 - 0.2, "c": 1.0 - 2 * 0.2}
    assert found.variance == pytest.approx(3 / 2 * sum(s * s for s in sums.values()) / 25)


def test_without_clusters_the_interval_is_bonett_and_price_s():
    """n = 100, of which 12 gained and 5 lost; the t quantile apart, which n makes larger."""
    first = [0.0] * 12 + [1.0] * 5 + [1.0] * 83
    second = [1.0] * 12 + [0.0] * 5 + [1.0] * 83
    clusters = [str(k) for k in range(100)]
    low, high = contrast(mean(first, clusters), mean(second, clusters)).interval()
    up, down = 13 / 102, 6 / 102
    half = 1.984 * ((up + down - (up - down) ** 2) / 102) ** 0.5
    assert (low, high) == pytest.approx((up - down - half, up - down + half), abs=5e-4)


def test_judges_that_agree_everywhere_do_not_prove_that_they_are_the_same():
    same = mean([1.0, 0.0, 1.0, 1.0], "abcd")
    low, high = contrast(same, same).interval()
    assert low < -0.1
    assert high > 0.1
    assert contrast(same, same).p == pytest.approx(1)


@given(
    st.floats(-0.3, 0.3), st.floats(0, 0.01), st.integers(2, 4000), st.sampled_from([0.01, 0.05])
)
def test_an_interval_excludes_zero_exactly_when_p_is_small(value, variance, clusters, alpha):
    found = Contrast(value=value, variance=variance, clusters=clusters)
    low, high = found.interval(alpha)
    assert (low > 0 or high < 0) == (found.p < alpha) or abs(found.p - alpha) < 1e-9
    assert low <= value <= high


@given(st.integers(0, 60), st.integers(0, 60))
def test_without_clusters_the_exact_test_is_mcnemar_s(gained, lost):
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert exact_p([1] * gained + [-1] * lost) == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.integers(-4, 4), max_size=9))
def test_with_clusters_the_exact_test_counts_all_worlds(net):
    worlds = [
        sum(sign * change for sign, change in zip(signs, net, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(net))
    ]
    share = sum(abs(world) >= abs(sum(net)) for world in worlds) / len(worlds)
    assert exact_p(net) == pytest.approx(share)


def test_mcnemar_s_test_would_be_too_sure_of_clustered_pairs():
    rng = random.Random(1)
    wrong = [0, 0]
    for _ in range(300):
        net = [rng.choice([-3, 3]) for _ in range(20)]
        up, down = sum(n for n in net if n > 0), -sum(n for n in net if n < 0)
        wrong[0] += exact_p(net) < 0.05
        wrong[1] += binomtest(up, up + down).pvalue < 0.05
    assert wrong[0] <= 0.05 * 300 + 2 * 4
    assert wrong[1] > 0.15 * 300


def test_a_large_exact_test_takes_no_resampling():
    rng = random.Random(0)
    net = [rng.choice([-18, -9, -2, -1, 0, 0, 1, 2, 9]) for _ in range(1327)]
    assert 0 <= exact_p(net) < 0.01


def test_holm_corrects_the_smallest_most_and_keeps_the_order():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []
    assert holm([0.6, 0.7]) == [1.0, 1.0]


def test_what_a_benchmark_reports_can_be_watched():
    with watching() as seen:
        metric = mean([0.0, 1.0], "ab").metric("accuracy")
    mean([1.0], "a").metric("later")
    assert set(seen) == {"accuracy"}
    assert seen["accuracy"].value == metric.value


def clustered_bootstrap(rows, weights, resamples, seed):
    """Differences of a weighted mean of parts, whose clusters are drawn again, part by part."""
    rng = np.random.default_rng(seed)
    total = np.zeros(resamples)
    for part, weight in weights.items():
        sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for name, first, second, cluster in rows:
            if name == part:
                sums[cluster][0] += second - first
                sums[cluster][1] += 1
        table = np.array(list(sums.values()))
        drawn = rng.multinomial(len(table), np.full(len(table), 1 / len(table)), size=resamples)
        total += weight * (drawn @ table[:, 0]) / (drawn @ table[:, 1])
    return total


def test_the_linearized_interval_is_that_of_a_clustered_bootstrap():
    rng, rows = random.Random(3), []
    for part, clusters in (("chat", 150), ("math", 100)):
        for cluster in range(clusters):
            for _ in range(rng.choice([1, 1, 2, 5])):
                first, second = rng.choices([(1, 1), (0, 1), (1, 0), (0, 0)], SHARES)[0]
                rows.append((part, float(first), float(second), f"{part}{cluster}"))
    weights = {"chat": 0.3, "math": 0.7}

    def combined(which):
        parts = []
        for part, weight in weights.items():
            own = [row for row in rows if row[0] == part]
            parts.append((weight, mean([row[which] for row in own], [row[3] for row in own])))
        return weighted(parts)

    found = contrast(combined(1), combined(2))
    drawn = clustered_bootstrap(rows, weights, resamples=10_000, seed=0)
    assert found.variance**0.5 == pytest.approx(drawn.std(), rel=0.05)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.interval() == pytest.approx((low, high), abs=0.1 * (high - low))
