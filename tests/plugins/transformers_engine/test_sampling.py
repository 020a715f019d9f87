"""The stream of uniform numbers behind every sample."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rmr1_transformers.sampling import uniforms


def numbers(seeds: list[int], start: int, count: int) -> np.ndarray:
    steps = np.arange(start, start + count, dtype=np.uint64)
    return uniforms(np.array(seeds, dtype=np.uint64)[None, :], steps[:, None])


@given(st.integers(0, 2**64 - 1), st.integers(0, 10_000), st.integers(1, 50))
def test_a_stream_may_be_read_from_anywhere(seed: int, start: int, count: int) -> None:
    whole = numbers([seed], 0, start + count)
    assert (numbers([seed], start, count) == whole[start:]).all()


def test_numbers_are_uniform_below_one() -> None:
    drawn = numbers(list(range(500)), 0, 400)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    counts, _ = np.histogram(drawn, bins=100, range=(0, 1))
    assert abs(counts / drawn.size - 0.01).max() < 5 * (0.01 * 0.99 / drawn.size) ** 0.5


def test_neighbouring_seeds_and_steps_are_uncorrelated() -> None:
    drawn = numbers(list(range(2000)), 0, 50).astype(np.float64)
    bound = 5 / (drawn.size**0.5)
    assert abs(np.corrcoef(drawn[:, 1:].ravel(), drawn[:, :-1].ravel())[0, 1]) < bound
    assert abs(np.corrcoef(drawn[1:].ravel(), drawn[:-1].ravel())[0, 1]) < bound
