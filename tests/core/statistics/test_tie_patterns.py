"""Tie patterns: found and rebuilt."""

import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.core import ranking
from invert_jax.core.statistics import tie_patterns


def midranks(activations):
    return ranking.rank_host(np.asarray(activations, np.float64)).midranks


def test_the_lowest_group_and_large_others_are_kept():
    # 40 samples: two lowest, then 3 of 1.0 (more than a twentieth), then 2 of 5.0.
    activations = [0.0, 0.0, 1.0, 1.0, 1.0, 5.0, 5.0, *range(10, 43)]
    assert tie_patterns.large_groups(midranks(activations))[:3].tolist() == [
        [0, 2], [2, 3], [0, 0],
    ]  # fmt: skip


@pytest.mark.parametrize("num_samples", [1, 2, 19, 20, 21, 400])
@pytest.mark.parametrize("num_levels", [1, 2, 7, 10_000], ids="levels={}".format)
def test_large_groups_are_those_counted_one_by_one(rng, num_samples, num_levels):
    activations = rng.integers(num_levels, size=num_samples)
    values, counts = np.unique(activations, return_counts=True)
    below = np.cumsum(counts) - counts
    large = (counts > 1) & ((values == values[0]) | (counts * 20 > num_samples))
    if large[1:].any() and len(values) <= tie_patterns.NUM_GROUPS:
        large = counts > 1
    expected = np.stack((below[large], counts[large]), axis=1)

    found = tie_patterns.large_groups(midranks(activations))

    assert found.shape == (tie_patterns.NUM_GROUPS, 2)
    np.testing.assert_array_equal(found[: len(expected)], expected)
    assert not found[len(expected) :].any()


@pytest.mark.parametrize("num_levels", [1, 2, 6])
def test_midranks_of_a_pattern_are_those_it_came_from(rng, num_levels):
    # Every group of so few levels is large.
    ranked = midranks(rng.integers(num_levels, size=300))
    pattern = tie_patterns.large_groups(ranked)
    np.testing.assert_array_equal(
        tie_patterns.midranks_of(pattern, num_samples=300), ranked
    )


def test_devices_count_ties_as_the_host_does(rng):
    for num_levels in (1, 2, 30, 10_000):
        activations = rng.integers(num_levels, size=200)
        _, counts = np.unique(activations, return_counts=True)
        found = ranking.device_tie_sizes(jnp.asarray(midranks(activations)))
        assert found.tolist() == [counts[0], max(counts[1:], default=0)]


def test_counts_keep_all_their_groups_and_more_values_the_large_ones():
    counts = np.repeat(np.arange(6), [500, 300, 150, 45, 4, 1])
    assert tie_patterns.large_groups(midranks(counts))[:6].tolist() == [
        [0, 500], [500, 300], [800, 150], [950, 45], [995, 4], [0, 0],
    ]  # fmt: skip
    many = np.r_[counts[:-50], 10 + np.arange(50) // 2]
    assert tie_patterns.large_groups(midranks(many))[:4].tolist() == [
        [0, 500], [500, 300], [800, 150], [0, 0],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "pattern", [(), ((0, 300),), ((100, 800),), ((0, 500), (500, 400))]
)
def test_the_spread_is_what_the_places_in_the_runs_vary(rng, pattern):
    # 200 positives anywhere: the variance of their sum that is left once it is known
    # in which run or group each of them is.
    num_samples, num_positives = 1000, 200
    groups = np.reshape(pattern, (-1, 2)).astype(np.int64)
    ranked = tie_patterns.midranks_of(groups, num_samples=num_samples)
    run = np.zeros(num_samples, int)
    for number, (start, size) in enumerate(pattern, 1):
        run[start : start + size], run[start + size :] = 2 * number - 1, 2 * number
    left = ranked - (np.bincount(run, ranked) / np.maximum(np.bincount(run), 1))[run]
    sums = [rng.choice(left, num_positives, replace=False).sum() for _ in range(4000)]
    # A step is N in doubled midranks; drawing without replacement takes a fifth off.
    found = np.var(sums) / num_samples**2 / (1 - num_positives / num_samples)
    expected = num_positives * tie_patterns.spread(pattern, num_samples=num_samples)
    assert found == pytest.approx(expected, rel=0.1)
