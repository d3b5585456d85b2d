"""Meaningless neurons are random assignments, and p-values count them."""

import numpy as np
import pytest
from scipy import stats

from invert_jax.core import randomness
from invert_jax.core.statistics import permutations, tie_patterns

PATTERNS = [(), ((0, 30),), ((0, 58),), ((10, 25), (40, 20))]


def row_sums(pattern, row_of_sample, draw=0, seed=(7,)):
    groups = np.reshape(pattern, (-1, 2)).astype(np.int64)
    midranks = tie_patterns.midranks_of(groups, num_samples=len(row_of_sample))
    return permutations.permuted_row_sums(
        midranks, row_of_sample, np.bincount(row_of_sample),
        randomness.draw_generator(seed, draw),
    )  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_sample_gets_one_of_the_ranks(pattern):
    # With a row for each sample the sums are the ranks themselves.
    groups = np.reshape(pattern, (-1, 2)).astype(np.int64)
    expected = tie_patterns.midranks_of(groups, num_samples=60)
    found = row_sums(pattern, np.arange(60, dtype=np.int32))
    np.testing.assert_array_equal(np.sort(found), expected)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_sums_over_rows_are_those_of_the_samples(pattern, rng):
    rows = rng.integers(5, size=60).astype(np.int32)
    assert row_sums(pattern, rows).sum() == 0
    assert row_sums(pattern, rows).dtype == np.int64


@pytest.mark.parametrize("pattern", [(), ((0, 4),), ((0, 2),)])
def test_all_assignments_are_equally_likely(pattern):
    # 6 samples in two rows of 3: 20 assignments of the untied ranks, fewer with ties.
    rows = np.array([0, 0, 0, 1, 1, 1], np.int32)
    groups = np.reshape(pattern, (-1, 2)).astype(np.int64)
    midranks = tie_patterns.midranks_of(groups, num_samples=6)
    found = [row_sums(pattern, rows, draw)[0] for draw in range(4000)]
    subsets = [
        midranks[[a, b, c]].sum()
        for a in range(6)
        for b in range(a + 1, 6)
        for c in range(b + 1, 6)
    ]
    values, counts = np.unique(subsets, return_counts=True)
    observed = [np.sum(np.array(found) == value) for value in values]
    expected = counts / counts.sum() * len(found)
    assert sum(observed) == len(found)
    assert stats.chisquare(observed, expected).pvalue > 0.001


def test_a_draw_depends_on_its_number_and_seed_alone():
    rows = np.arange(100, dtype=np.int32)
    np.testing.assert_array_equal(row_sums((), rows, 5), row_sums((), rows, 5))
    assert (row_sums((), rows, 5) != row_sums((), rows, 6)).any()
    assert (row_sums((), rows, 5) != row_sums((), rows, 5, seed=(8,))).any()


@pytest.mark.parametrize("largest", [1, 4, 60])
@pytest.mark.parametrize("num_active", [6, 20, 60])
def test_the_allowance_bounds_what_fewer_ties_can_cost(rng, num_active, largest):
    # The same assignment with r active samples tied to the rest, and all others tied
    # to each other in groups, for every support.
    num_samples, untied = 200, num_active // 4
    for _ in range(200):
        mask = rng.permutation(num_samples) < rng.integers(2, 100)
        drawn = np.zeros(num_samples)
        drawn[rng.permutation(num_samples)[:num_active]] = 1 + np.arange(num_active)
        tied = np.where(drawn <= untied, 0, drawn)
        tied = np.ceil(tied / largest)
        before, after = auroc(drawn, mask), auroc(tied, mask)
        supports = np.array([mask.sum()])
        allowed = permutations.allowance(
            np.array([before]), supports, untied=untied, num_active=num_active,
            largest=largest, num_samples=num_samples,
        )[0]  # fmt: skip
        step = permutations.score_step(supports, num_samples=num_samples)[0]
        assert 0 <= allowed <= step
        if allowed < step:
            assert after <= before + allowed + 1e-12


def auroc(activations, mask):
    u = stats.mannwhitneyu(activations[mask], activations[~mask], method="asymptotic")
    return u.statistic / (mask.sum() * (~mask).sum())


def test_a_step_is_one_more_active_sample_in_the_support():
    mask = np.arange(100) < 20
    active = np.zeros(100)
    active[[0, 1, 50, 51, 52]] = 1
    more = active.copy()
    more[[2, 50]] = 1, 0
    step = permutations.score_step(np.array([20]), num_samples=100)[0]
    assert auroc(more, mask) - auroc(active, mask) == pytest.approx(step)


def test_draws_that_reach_a_score_are_counted_with_their_ties():
    drawn = np.array([0.6, 0.7, 0.7, np.nan, 0.8])
    scores = np.array([0.5, 0.7, np.nextafter(0.7, 1), 0.9])
    assert permutations.reached(scores, drawn).tolist() == [4, 3, 1, 0]


def test_p_values_are_never_zero_and_at_most_one():
    found = permutations.permutation_p(np.array([0, 1, 99]), num_draws=99)
    assert found.tolist() == [0.01, 0.02, 1.0]


def test_p_values_of_the_null_itself_are_uniform(rng):
    drawn, scores = rng.normal(size=999), rng.normal(size=2000)
    p_values = permutations.permutation_p(
        permutations.reached(scores, drawn), num_draws=999
    )
    for alpha in (0.01, 0.05, 0.5):
        error = np.sqrt(alpha * (1 - alpha) * (1 / 999 + 1 / 2000))
        assert abs((p_values <= alpha).mean() - alpha) < 3 * error + 1 / 1000
