"""Tie patterns: found, rebuilt, and moved to the grid."""

import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.core import ranking, ties


def midranks(activations):
    return ranking.rank_host(np.asarray(activations, np.float64)).midranks


def drawn_ties(groups, num_samples):
    """Of neurons with no ties but those of the groups."""
    tie_sums = (groups[:, :, 1].astype(float) ** 3 - groups[:, :, 1]).sum(1)
    return ties.drawn_ties(groups, tie_sums, num_samples=num_samples)


def test_the_lowest_group_and_large_others_are_kept():
    # 40 samples: two lowest, then 3 of 1.0 (more than a twentieth), then 2 of 5.0.
    activations = [0.0, 0.0, 1.0, 1.0, 1.0, 5.0, 5.0, *range(10, 43)]
    assert ties.large_groups(midranks(activations))[:3].tolist() == [
        [0, 2], [2, 3], [0, 0],
    ]  # fmt: skip


@pytest.mark.parametrize("num_samples", [1, 2, 19, 20, 21, 400])
@pytest.mark.parametrize("num_levels", [1, 2, 7, 10_000], ids="levels={}".format)
def test_large_groups_are_those_counted_one_by_one(rng, num_samples, num_levels):
    activations = rng.integers(num_levels, size=num_samples)
    values, counts = np.unique(activations, return_counts=True)
    below = np.cumsum(counts) - counts
    large = (counts > 1) & ((values == values[0]) | (counts * 20 > num_samples))
    expected = np.stack((below[large], counts[large]), axis=1)

    found = ties.large_groups(midranks(activations))

    assert found.shape == (ties.NUM_GROUPS, 2)
    np.testing.assert_array_equal(found[: len(expected)], expected)
    assert not found[len(expected) :].any()


@pytest.mark.parametrize("num_levels", [1, 2, 6])
def test_midranks_of_a_pattern_are_those_it_came_from(rng, num_levels):
    # Every group of so few levels is large.
    ranked = midranks(rng.integers(num_levels, size=300))
    pattern = ties.large_groups(ranked)
    np.testing.assert_array_equal(ties.midranks_of(pattern, num_samples=300), ranked)


def test_devices_count_ties_as_the_host_does(rng):
    for num_levels in (1, 2, 30, 10_000):
        activations = rng.integers(num_levels, size=200)
        _, counts = np.unique(activations, return_counts=True)
        found = ranking.device_tie_sizes(jnp.asarray(midranks(activations)))
        assert found.tolist() == [counts[0], max(counts[1:], default=0)]


@pytest.mark.parametrize("num_samples", [1, 2, 3, 10, 1000, 10_000_000])
@pytest.mark.parametrize("step", [ties.GRID_STEP, ties.WIDE_STEP])
def test_the_grid_ends_at_nothing_and_at_all_with_small_steps(num_samples, step):
    grid = ties.end_grid(num_samples, step=step)
    assert grid[0] == 0 and grid[-1] == num_samples
    shares = 1 - grid[1:] / num_samples
    variances = 1 - shares**3
    # Whole samples leave no finer step: rounding adds less than one of them.
    assert (variances[1:] / variances[:-1] <= 1 / step + 1 / grid[1:-1]).all()
    assert len(grid) < 200


def test_neighbors_on_the_grid_differ_as_little_as_is_said():
    for step, most in ((ties.GRID_STEP, 1.0443), (ties.WIDE_STEP, 1.1893)):
        # 20 octaves of 10**10 samples: the last points, where none is rounded much.
        shares = 1 - ties.end_grid(10**10, step=step)[-40:] / 1e10
        deviations = np.sqrt(1 - shares**3)
        assert 1 < (deviations[1:] / deviations[:-1]).max() < most


def test_neurons_share_the_next_smaller_pattern(rng):
    num_samples = 5000
    lowest = rng.integers(num_samples, size=300)
    lowest[0] = 0
    groups = np.stack((np.zeros(300, int), lowest), axis=1)[:, None]
    drawn = drawn_ties(groups, num_samples)
    for size, pattern, untied in zip(lowest, drawn.patterns, drawn.untied, strict=True):
        assert pattern in ((), ((0, size - untied),))
        assert 0 <= untied <= size
    on_grid = num_samples - ties.end_grid(num_samples)
    next_smaller = [on_grid[on_grid <= size].max() for size in lowest]
    np.testing.assert_array_equal(lowest - drawn.untied, next_smaller)
    assert len(set(drawn.patterns)) < 40
    assert () in drawn.patterns
    assert not drawn.is_loose.any()


def test_groups_are_moved_inward_and_never_overlap(rng):
    for _ in range(100):
        ranked = midranks(rng.geometric(rng.uniform(0.01, 0.9), size=500))
        groups = ties.large_groups(ranked)
        (pattern,) = drawn_ties(groups[None], 500).patterns
        for start, size in pattern:
            around = (groups[:, 0] <= start) & (start + size <= groups.sum(1))
            assert around.sum() == 1


def test_a_group_on_the_grid_stays_as_it_is():
    # What is on the wide grid is on the fine one as well.
    grid = ties.end_grid(1000, step=ties.WIDE_STEP)
    assert set(grid.tolist()) <= set(ties.end_grid(1000).tolist())
    point, next_point = grid[5:7].tolist()
    for below, above in ((0, point), (point, next_point), (next_point, 0)):
        groups = np.array([[[below, 1000 - below - above]]])
        drawn = drawn_ties(groups, 1000)
        assert drawn.patterns == [((below, 1000 - below - above),)]
        assert drawn.untied.tolist() == [0] and not drawn.is_loose.any()


@pytest.mark.parametrize(
    ("activations", "is_loose"),
    [
        ([0] * 90 + list(range(1, 11)), False),
        ([0] * 90 + [1] * 10, True),
        ([0] * 96 + [1, 1, 1, 1], True),
        (list(range(6)) + [7] * 88 + list(range(8, 14)), True),
        (list(range(100)), False),
    ],
    ids=["untied", "one large value", "one small value", "zeros inside", "no ties"],
)
def test_ties_that_the_draws_do_not_have_are_told(activations, is_loose):
    ranks = ranking.rank_host(np.asarray(activations, np.float64))
    groups = ties.large_groups(ranks.midranks)[None]
    drawn = ties.drawn_ties(groups, np.array([ranks.tie_sum]), num_samples=100)
    assert drawn.is_loose.tolist() == [is_loose]
