"""Which patterns are drawn for whom, and what their draws lack."""

import itertools

import numpy as np
import pytest
from scipy import stats

from invert_jax.core import ranking
from invert_jax.core.statistics import drawn_patterns, tie_patterns


def midranks(activations):
    return ranking.rank_host(np.asarray(activations, np.float64)).midranks


def drawn_ties(groups, num_samples, drawn=()):
    """Of neurons with no ties but those of the groups."""
    tie_sums = (groups[:, :, 1].astype(float) ** 3 - groups[:, :, 1]).sum(1)
    return drawn_patterns.drawn_ties(
        groups, tie_sums, drawn, num_samples=num_samples, from_below=False
    )


def is_scaled(drawn):
    """Whether another pattern stands for a neuron's own by its skewness."""
    return (drawn.smooth_from > 0).any(1)


@pytest.mark.parametrize("num_samples", [1, 2, 3, 10, 1000, 10_000_000])
def test_the_grid_ends_at_nothing_and_at_all_with_small_steps(num_samples):
    grid = drawn_patterns.end_grid(num_samples)
    assert grid[0] == 0 and grid[-1] == num_samples
    shares = 1 - grid[1:] / num_samples
    variances = 1 - shares**3
    # Whole samples leave no finer step: rounding adds less than one of them.
    largest = 1 / drawn_patterns.GRID_STEP + 1 / grid[1:-1]
    assert (variances[1:] / variances[:-1] <= largest).all()
    assert len(grid) < 200


def test_deviations_of_neighbors_on_the_grid_differ_as_little_as_is_said():
    # The last points of 10**10 samples, none of which is rounded much.
    shares = 1 - drawn_patterns.end_grid(10**10)[-40:] / 1e10
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
    on_grid = num_samples - drawn_patterns.end_grid(num_samples)
    next_smaller = [on_grid[on_grid <= size].max() for size in lowest]
    np.testing.assert_array_equal(lowest - drawn.untied, next_smaller)
    assert len(set(drawn.patterns)) < 40
    assert () in drawn.patterns
    assert not is_scaled(drawn).any() and not (drawn.largest > 1).any()


def test_variance_and_skewness_are_those_of_the_midranks(rng):
    for num_levels in (2, 3, 5, 9):
        ranked = midranks(rng.geometric(1 / num_levels, size=5000))
        (own,) = tie_patterns.patterns_of(tie_patterns.large_groups(ranked)[None])
        values = tie_patterns.midranks_of(np.array(own), num_samples=5000)
        variance, skewness = drawn_patterns.variance_and_skewness(own, num_samples=5000)
        untied = np.var(np.arange(-4999, 5000, 2))
        assert variance == pytest.approx(np.var(values) / untied, rel=1e-4)
        assert skewness == pytest.approx(stats.skew(values), abs=1e-4)


@pytest.mark.parametrize("from_below", [False, True])
def test_what_stands_for_others_is_as_skewed_to_the_side_that_is_searched(
    rng, from_below
):
    for chance in rng.uniform(0.02, 0.98, 200):
        first = int(5000 * chance)
        own = ((0, first), (first, 5000 - first))
        found = drawn_patterns.as_skewed(own, num_samples=5000, from_below=from_below)
        assert len(found) <= 1
        wanted, skewness = (
            drawn_patterns.variance_and_skewness(each, num_samples=5000)[1]
            for each in (own, found)
        )
        sign = -1 if from_below else 1
        assert sign * wanted <= sign * skewness <= sign * wanted + 0.4 + abs(wanted)


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda rng, size: rng.poisson(5, size), 2),
        (lambda rng, size: rng.poisson(30, size), 2),
        (lambda rng, size: rng.poisson(np.linspace(0.1, 30, size[1]), size), 64),
        (lambda rng, size: rng.random(size) < np.linspace(0.01, 0.99, size[1]), 64),
        (lambda rng, size: np.round(2 * rng.normal(size=size)).clip(-8, 7), 2),
    ],
    ids=["mean 5", "mean 30", "many means", "two values", "4 bits"],
)
def test_2000_neurons_of_many_patterns_need_few_nulls(rng, make, most):
    layer = make(rng, (5000, 2000)).astype(np.float32)
    groups = np.stack(
        [
            tie_patterns.large_groups(midranks(column))
            for column in np.ascontiguousarray(layer.T)
        ]
    )
    patterns = set(tie_patterns.patterns_of(groups))
    assert len(patterns) > 64
    drawn = drawn_patterns.patterns_to_draw(
        patterns, num_samples=5000, from_below=False
    )
    assert len(drawn) <= most


def test_scores_are_lumpy_where_values_lie_on_a_lattice():
    num_samples, ends = 1000, np.linspace(0, 1000, 6).astype(int)
    levels = tuple((a, b - a) for a, b in itertools.pairwise(ends.tolist()))
    five = drawn_patterns.smooth_from(levels, num_samples=num_samples)
    # Values that differ by 2 N / 5 = 0.4 N, whatever the support.
    supports = np.array([2, 50, 900])
    assert drawn_patterns.lumpiness(supports, five).tolist()[1:] == [0.5, 0.5]
    # Poisson groups differ in size, so that their sums fill the gaps.
    (counts,) = tie_patterns.patterns_of(
        tie_patterns.large_groups(midranks(np.random.default_rng(0).poisson(5, 1000)))[
            None
        ]
    )
    smooth = drawn_patterns.smooth_from(counts, num_samples=num_samples)
    assert drawn_patterns.lumpiness(supports, smooth)[1:].tolist() == [0, 0]
    assert drawn_patterns.lumpiness(supports, smooth)[0] > 0


def test_a_group_on_the_grid_stays_as_it_is():
    grid = drawn_patterns.end_grid(1000)
    for above in grid[5:7].tolist():
        groups = np.array([[[0, 1000 - above]]])
        drawn = drawn_ties(groups, 1000)
        assert drawn.patterns == [((0, 1000 - above),)]
        assert drawn.untied.tolist() == [0] and not is_scaled(drawn).any()


def test_up_to_64_patterns_are_drawn_as_they_are_and_more_on_the_grid():
    few = {((0, 300 + k), (300 + k, 700 - k)) for k in range(drawn_patterns.MOST_OWN)}
    zeros = {((0, 900 + k),) for k in range(3)}

    def draw(patterns, from_below=False):
        return drawn_patterns.patterns_to_draw(
            patterns, num_samples=1000, from_below=from_below
        )

    assert few < set(draw(few | zeros)) and not zeros & set(draw(few | zeros))
    assert set(draw(zeros, from_below=True)) == zeros
    more = few | {((0, 400), (400, 600))}
    assert len(draw(more)) < 10
    groups = np.array([[[0, 300], [300, 700]]])
    own = drawn_ties(groups, 1000, draw(few))
    assert own.patterns == [((0, 300), (300, 700))] and not is_scaled(own).any()
    moved = drawn_ties(groups, 1000, draw(more))
    assert set(moved.patterns) <= set(draw(more))


@pytest.mark.parametrize(
    ("activations", "largest", "by_skewness"),
    [
        ([0] * 90 + list(range(1, 11)), 0, False),
        ([0] * 91 + [1] * 9, 0, True),
        ([0] * 96 + [1, 1, 1, 1], 4, False),
        ([0] * 90 + [1, 1, 1, *range(3, 10)], 4, False),
        (list(range(16)) + [17] * 66 + list(range(18, 36)), 0, True),
        (list(range(15)) + [17] * 66 + list(range(18, 37)), 0, True),
        (list(range(16)) + [16] * 84, 0, True),
        (sorted([*range(25)] * 4), 5, False),
        (list(range(100)), 0, False),
    ],
    ids=[
        "untied", "one large value", "one small value", "three of many", "zeros inside",
        "zeros further down", "saturated", "25 values", "no ties",
    ],
)  # fmt: skip
def test_ties_that_the_draws_do_not_have_are_told(activations, largest, by_skewness):
    ranks = ranking.rank_host(np.asarray(activations, np.float64))
    groups = tie_patterns.large_groups(ranks.midranks)[None]
    sums = np.array([ranks.tie_sum])
    drawn = drawn_patterns.drawn_ties(
        groups, sums, (), num_samples=100, from_below=False
    )
    assert is_scaled(drawn).tolist() == [by_skewness]
    assert drawn.largest[0] == largest or max(largest, drawn.largest[0]) < 2
    # With draws of its own only the small groups are lacking.
    own = drawn_patterns.drawn_ties(
        groups,
        sums,
        tie_patterns.patterns_of(groups),
        num_samples=100,
        from_below=False,
    )
    assert own.untied[0] == 0 and not is_scaled(own)[0]
    assert own.largest[0] == drawn.largest[0]
