"""DeLong's variance against its definition, and what its intervals cover."""

import numpy as np
import pytest
from scipy import special, stats

from invert_jax.core import ranking
from invert_jax.core.objectives.auroc import auroc_score
from invert_jax.core.statistics import delong
from invert_jax.core.statistics.mannwhitney import log10_mannwhitney_greater
from invert_jax.explanations.held_out import FEW


def in_order(activations, *masks):
    """The masks by increasing activation, and the bounds of the groups of ties."""
    ranks = ranking.rank_host(np.asarray(activations, np.float64))
    bounds = delong.group_bounds(ranks.midranks)
    return [np.asarray(mask, bool)[ranks.order] for mask in masks], bounds


def variance(activations, mask):
    (ordered,), bounds = in_order(activations, mask)
    influence = delong.influences(ordered, *bounds)
    return influence @ influence


def slow_influences(activations, mask):
    """By the definition: every positive compared with every negative."""
    above = activations[mask][:, None] - activations[~mask][None, :]
    kernel = (np.sign(above) + 1) / 2
    auroc, result = kernel.mean(), np.empty(len(mask))
    for chosen, means in ((mask, kernel.mean(1)), (~mask, kernel.mean(0))):
        count = len(means)
        result[chosen] = (means - auroc) / np.sqrt(count * (count - 1))
    return result


def slow_variance(activations, mask):
    """DeLong, DeLong and Clarke-Pearson, equations 4 to 6, for one score."""
    above = activations[mask][:, None] - activations[~mask][None, :]
    kernel = (np.sign(above) + 1) / 2
    of_positives, of_negatives = kernel.mean(1), kernel.mean(0)
    return of_positives.var(ddof=1) / len(of_positives) + of_negatives.var(
        ddof=1
    ) / len(of_negatives)


def test_two_positives_and_two_negatives_by_hand():
    # V of the positives 1/2 and 1, of the negatives 1 and 1/2: each variance 1/8.
    assert variance([0, 1, 2, 3], [False, True, False, True]) == pytest.approx(0.125)


@pytest.mark.parametrize("num_samples", [4, 17, 150])
@pytest.mark.parametrize("num_levels", [1, 2, 5, 1000], ids="levels={}".format)
def test_influences_are_those_of_the_definition(rng, num_samples, num_levels):
    activations = rng.integers(num_levels, size=num_samples).astype(float)
    mask = rng.permutation(num_samples) < max(2, num_samples // 4)
    (ordered,), bounds = in_order(activations, mask)
    order = ranking.rank_host(activations).order

    found = delong.influences(ordered, *bounds)

    np.testing.assert_allclose(
        found, slow_influences(activations, mask)[order], atol=1e-15
    )
    assert found @ found == pytest.approx(slow_variance(activations, mask), abs=1e-15)


def test_masks_of_the_same_samples_have_a_difference_without_variance(rng):
    mask = rng.random(50) < 0.4
    (one, other), bounds = in_order(rng.normal(size=50), mask, mask)
    difference = delong.influences(one, *bounds) - delong.influences(other, *bounds)
    assert (difference == 0).all()


def test_the_complement_of_a_mask_has_the_opposite_influences(rng):
    mask = rng.random(60) < 0.3
    (plain, negated), bounds = in_order(rng.integers(9, size=60), mask, ~mask)
    np.testing.assert_allclose(
        delong.influences(plain, *bounds), -delong.influences(negated, *bounds),
        atol=1e-15,
    )  # fmt: skip


def test_order_preserving_maps_change_no_influence(rng):
    activations, mask = rng.normal(size=80), rng.random(80) < 0.5
    assert variance(np.exp(activations), mask) == variance(activations, mask)


@pytest.mark.parametrize("num_positives", [0, 1, 9, 10])
def test_a_class_below_two_samples_has_no_variance(num_positives):
    assert np.isnan(variance(np.arange(10), np.arange(10) < num_positives))


def test_an_interval_is_symmetric_on_the_logit_scale():
    low, high = delong.logit_interval(np.array(0.7), np.array(0.01))
    center = special.logit(0.7)
    assert special.logit(low) + special.logit(high) == pytest.approx(2 * center)
    width = stats.norm.ppf(0.975) * 0.1 / (0.7 * 0.3)
    assert special.logit(high) - center == pytest.approx(width)


def test_scores_of_zero_and_one_and_missing_variances_have_no_interval():
    scores, variances = np.array([0.0, 1.0, 0.5]), np.array([0.0, 0.0, np.nan])
    assert np.isnan(delong.logit_interval(scores, variances)).all()


def test_activations_that_are_all_tied_have_no_interval():
    assert np.isnan(delong.logit_interval(np.array([0.5]), np.array([0.0]))).all()


def coverage(rng, num_samples, num_positives, shares, notes, trials=1000):
    """How often intervals cover, on sparse activations that get no note."""
    in_positives, in_rest = shares
    mask, covered, count = np.arange(num_samples) < num_positives, 0, 0
    truth = 0.5 + (in_positives - in_rest) / 2
    for _ in range(trials):
        fires = rng.random(num_samples) < np.where(mask, in_positives, in_rest)
        if notes and fires.sum() < FEW:
            continue
        activations = fires * rng.random(num_samples)
        (ordered,), bounds = in_order(activations, mask)
        influence = delong.influences(ordered, *bounds)
        ranks = ranking.rank_host(activations)
        score = auroc_score(
            ranks.midranks[ordered].sum(dtype=np.int64)[None],
            np.array([num_positives]), num_samples=num_samples,
        )  # fmt: skip
        low, high = delong.logit_interval(score, np.array([influence @ influence]))[0]
        covered += low <= truth <= high
        count += 1
    return covered / count


def test_sparse_activations_are_covered_less_often_than_dense_ones(rng):
    # A positive in five fires and few others: of enough samples 95 % are covered. Of
    # the few of 50 positives that fire, 1 in 50, none may: then they are not.
    assert coverage(rng, 1000, 100, (0.2, 0.02), notes=True) == pytest.approx(
        0.95, abs=0.025
    )
    assert 0.5 < coverage(rng, 5000, 50, (0.02, 0.002), notes=True, trials=300) < 0.8


def binormal(rng, num_positives, num_negatives, shift):
    """Activations, and the mask of those that are shifted."""
    mask = np.arange(num_positives + num_negatives) < num_positives
    return rng.normal(size=len(mask)) + shift * mask, mask


@pytest.mark.parametrize(
    ("num_positives", "num_negatives", "shift"), [(30, 300, 1.0), (150, 150, 0.0)]
)
def test_intervals_cover_the_truth_as_often_as_they_say(
    rng, num_positives, num_negatives, shift
):
    truth, trials, covered = stats.norm.cdf(shift / np.sqrt(2)), 1000, 0
    for _ in range(trials):
        activations, mask = binormal(rng, num_positives, num_negatives, shift)
        (ordered,), bounds = in_order(activations, mask)
        influence = delong.influences(ordered, *bounds)
        score = slow_score(activations, mask)
        low, high = delong.logit_interval(score, np.array(influence @ influence))
        covered += low <= truth <= high
    # The normal approximation, and four Monte-Carlo errors of 0.007.
    assert 0.92 < covered / trials < 0.98


def test_differences_of_overlapping_masks_vary_as_often_as_the_variance_says(rng):
    # Both masks are noise, and share most samples: the true difference is 0.
    trials, covered = 1000, 0
    for _ in range(trials):
        one = rng.random(300) < 0.2
        other = np.where(rng.random(300) < 0.8, one, rng.random(300) < 0.2)
        activations = rng.normal(size=300)
        masks, bounds = in_order(activations, one, other)
        first, second = (delong.influences(mask, *bounds) for mask in masks)
        deviation = np.sqrt(((first - second) ** 2).sum())
        difference = slow_score(activations, one) - slow_score(activations, other)
        covered += abs(difference) <= 1.96 * deviation
    assert 0.92 < covered / trials < 0.98


def slow_score(activations, mask):
    ranks, positives = stats.rankdata(activations), mask.sum()
    u = ranks[mask].sum() - positives * (positives + 1) / 2
    return np.array(u / (positives * (~mask).sum()))


@pytest.mark.parametrize("num_levels", [3, 1000])
def test_one_sided_p_values_are_those_of_scipy(rng, num_levels):
    activations = rng.integers(num_levels, size=100).astype(float)
    mask = rng.random(100) < 0.3
    ranks = ranking.rank_host(activations)
    sums = ranks.midranks[mask[ranks.order]].sum()
    for sign, alternative in ((1, "greater"), (-1, "less")):
        expected = stats.mannwhitneyu(
            activations[mask], activations[~mask],
            alternative=alternative, method="asymptotic",
        ).pvalue  # fmt: skip
        found = log10_mannwhitney_greater(
            np.array([sign * sums]), np.array([mask.sum()]), np.array([ranks.tie_sum]),
            num_samples=100,
        )  # fmt: skip
        assert 10 ** found[0] == pytest.approx(expected, rel=1e-9)
