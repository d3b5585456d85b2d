"""Tie patterns: found, rebuilt, and moved to the grid."""

import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.core import ranking
from invert_jax.core.statistics import tie_patterns


def midranks(activations):
    return ranking.rank_host(np.asarray(activations, np.float64)).midranks


def drawn_ties(groups, num_samples, drawn=()):
    """Of neurons with no ties but those of the groups."""
    tie_sums = (groups[:, :, 1].astype(float) ** 3 - groups[:, :, 1]).sum(1)
    return tie_patterns.drawn_ties(groups, tie_sums, drawn, num_samples=num_samples)


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


@pytest.mark.parametrize("num_samples", [1, 2, 3, 10, 1000, 10_000_000])
def test_the_grid_ends_at_nothing_and_at_all_with_small_steps(num_samples):
    grid = tie_patterns.end_grid(num_samples)
    assert grid[0] == 0 and grid[-1] == num_samples
    shares = 1 - grid[1:] / num_samples
    variances = 1 - shares**3
    # Whole samples leave no finer step: rounding adds less than one of them.
    largest = 1 / tie_patterns.GRID_STEP + 1 / grid[1:-1]
    assert (variances[1:] / variances[:-1] <= largest).all()
    assert len(grid) < 200


def test_deviations_of_neighbors_on_the_grid_differ_as_little_as_is_said():
    # The last points of 10**10 samples, none of which is rounded much.
    shares = 1 - tie_patterns.end_grid(10**10)[-40:] / 1e10
    deviations = np.sqrt(1 - shares**3)
    assert 1.04 < (deviations[1:] / deviations[:-1]).max() < 1.0443


def test_neurons_share_the_next_smaller_pattern(rng):
    num_samples = 5000
    lowest = rng.integers(num_samples, size=300)
    lowest[0] = 0
    groups = np.stack((np.zeros(300, int), lowest), axis=1)[:, None]
    drawn = drawn_ties(groups, num_samples)
    for size, pattern, untied in zip(lowest, drawn.patterns, drawn.untied, strict=True):
        assert pattern in ((), ((0, size - untied),))
        assert 0 <= untied <= size
    on_grid = num_samples - tie_patterns.end_grid(num_samples)
    next_smaller = [on_grid[on_grid <= size].max() for size in lowest]
    np.testing.assert_array_equal(lowest - drawn.untied, next_smaller)
    assert len(set(drawn.patterns)) < 40
    assert () in drawn.patterns
    assert not drawn.is_moved.any() and not (drawn.largest > 1).any()


def test_counts_keep_all_their_groups_and_more_values_the_large_ones():
    counts = np.repeat(np.arange(6), [500, 300, 150, 45, 4, 1])
    assert tie_patterns.large_groups(midranks(counts))[:6].tolist() == [
        [0, 500], [500, 300], [800, 150], [950, 45], [995, 4], [0, 0],
    ]  # fmt: skip
    many = np.r_[counts[:-50], 10 + np.arange(50) // 2]
    assert tie_patterns.large_groups(midranks(many))[:4].tolist() == [
        [0, 500], [500, 300], [800, 150], [0, 0],
    ]  # fmt: skip


def test_groups_are_moved_inward_or_by_their_common_boundary(rng):
    num_samples, least = 500, 500 / tie_patterns.PARTS + 1
    for _ in range(100):
        ranked = midranks(rng.geometric(rng.uniform(0.01, 0.9), size=num_samples))
        (own,) = tie_patterns.patterns_of(tie_patterns.large_groups(ranked)[None])
        ends = {start for start, _ in own} | {start + size for start, size in own}
        shared = {start for start, _ in own} & {start + size for start, size in own}
        moved = tie_patterns.on_grid(own, num_samples=num_samples)
        for start, size in moved:
            inside = (a <= start and start + size <= a + count for a, count in own)
            near = min(
                (
                    abs(place - each)
                    for place in (start, start + size)
                    for each in shared
                ),
                default=np.inf,
            )
            assert any(inside) or near <= least, ends
        stops = [start + size for start, size in moved]
        starts = [start for start, _ in moved[1:]]
        assert all(a <= b for a, b in zip(stops, starts, strict=False))


@pytest.mark.parametrize("boundary", [60, 400, 500, 777, 937])
def test_a_boundary_moves_once_and_to_where_the_scores_vary_more(boundary):
    ((_, below), (start, above)) = tie_patterns.on_grid(
        ((0, boundary), (boundary, 1000 - boundary)), num_samples=1000
    )
    assert start == below and below + above == 1000
    assert abs(start - 500) <= abs(boundary - 500)
    assert abs(start - boundary) <= 1000 / tie_patterns.PARTS


def test_a_group_on_the_grid_stays_as_it_is():
    grid = tie_patterns.end_grid(1000)
    point, next_point = grid[5:7].tolist()
    for below, above in ((0, point), (point, next_point), (next_point, 0)):
        groups = np.array([[[below, 1000 - below - above]]])
        drawn = drawn_ties(groups, 1000)
        assert drawn.patterns == [((below, 1000 - below - above),)]
        assert drawn.untied.tolist() == [0] and not drawn.is_moved.any()


def test_up_to_64_patterns_are_drawn_as_they_are_and_more_on_the_grid():
    few = {((0, 300 + k), (300 + k, 700 - k)) for k in range(tie_patterns.MOST_OWN)}
    zeros = {((0, 900 + k),) for k in range(3)}

    def draw(patterns, from_below=False):
        return tie_patterns.patterns_to_draw(
            patterns, num_samples=1000, from_below=from_below
        )

    assert few < set(draw(few | zeros)) and not zeros & set(draw(few | zeros))
    assert set(draw(zeros, from_below=True)) == zeros
    more = few | {((0, 400), (400, 600))}
    assert len(draw(more)) < 10
    groups = np.array([[[0, 300], [300, 700]]])
    own = drawn_ties(groups, 1000, draw(few))
    assert own.patterns == [((0, 300), (300, 700))] and not own.is_moved.any()
    moved = drawn_ties(groups, 1000, draw(more))
    assert set(moved.patterns) <= set(draw(more))


@pytest.mark.parametrize(
    ("activations", "largest", "is_moved"),
    [
        ([0] * 90 + list(range(1, 11)), 0, False),
        ([0] * 91 + [1] * 9, 0, True),
        ([0] * 96 + [1, 1, 1, 1], 4, False),
        ([0] * 90 + [1, 1, 1, *range(3, 10)], 4, False),
        (list(range(16)) + [17] * 66 + list(range(18, 36)), 0, True),
        (list(range(15)) + [17] * 66 + list(range(18, 37)), 0, False),
        (list(range(16)) + [16] * 84, 0, True),
        (sorted([*range(25)] * 4), 5, False),
        (list(range(100)), 0, False),
    ],
    ids=[
        "untied", "one large value", "one small value", "three of many", "zeros inside",
        "on the grid", "saturated", "25 values", "no ties",
    ],
)  # fmt: skip
def test_ties_that_the_draws_do_not_have_are_told(activations, largest, is_moved):
    ranks = ranking.rank_host(np.asarray(activations, np.float64))
    groups = tie_patterns.large_groups(ranks.midranks)[None]
    sums = np.array([ranks.tie_sum])
    drawn = tie_patterns.drawn_ties(groups, sums, (), num_samples=100)
    assert drawn.is_moved.tolist() == [is_moved]
    assert drawn.largest[0] == largest or max(largest, drawn.largest[0]) < 2
    # With draws of its own only the small groups are lacking.
    own = tie_patterns.drawn_ties(
        groups, sums, tie_patterns.patterns_of(groups), num_samples=100
    )
    assert own.untied[0] == 0 and not own.is_moved[0]
    assert own.largest[0] == drawn.largest[0]


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
