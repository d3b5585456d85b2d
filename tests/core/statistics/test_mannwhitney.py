import numpy as np
import pytest
from scipy import stats

from invert_jax.core.statistics.mannwhitney import log10_mannwhitney


def of_samples(activations, mask):
    """The arguments of a test of one mask."""
    ranks = 2 * stats.rankdata(activations) - (len(activations) + 1)
    _, ties = np.unique(activations, return_counts=True)
    return log10_mannwhitney(
        np.array([round(ranks[mask].sum())]),
        np.array([mask.sum()]),
        np.array([float((ties.astype(float) ** 3 - ties).sum())]),
        num_samples=len(activations),
    )[0]


def of_auroc(score, num_positives, num_negatives):
    """The same from a published AUROC, without ties."""
    sums = round((2 * score - 1) * num_positives * num_negatives)
    num_samples = num_positives + num_negatives
    return log10_mannwhitney(
        np.array([sums]), np.array([num_positives]), np.zeros(1),
        num_samples=num_samples,
    )[0]  # fmt: skip


def scipy_p(activations, mask):
    return stats.mannwhitneyu(
        activations[mask], activations[~mask], method="asymptotic"
    ).pvalue


def test_two_of_four_on_top_by_hand():
    # U = 4, mean 2, variance 2 * 2 * 5 / 12: z = 1.5 / sqrt(5 / 3); two-sided p.
    p = 10 ** of_samples(np.arange(4.0), np.array([False, False, True, True]))
    assert p == pytest.approx(0.2452781, rel=1e-6)


@pytest.mark.parametrize("num_levels", [2, 5, 1000], ids="levels={}".format)
@pytest.mark.parametrize("num_samples", [2, 7, 100, 3000])
@pytest.mark.parametrize("shift", [-0.4, 0.0, 0.4])
def test_equals_scipy_with_tie_and_continuity_correction(
    rng, num_samples, num_levels, shift
):
    mask = rng.permutation(np.arange(num_samples) < max(1, num_samples // 7))
    activations = np.floor((rng.random(num_samples) + shift * mask) * num_levels)
    if len(np.unique(activations)) == 1:
        activations[0] += 1
    expected = np.log10(scipy_p(activations, mask))
    np.testing.assert_allclose(of_samples(activations, mask), expected, atol=1e-9)


def test_equals_scipy_where_more_than_nine_tenths_are_tied(rng):
    mask = rng.random(2000) < 0.02
    activations = np.where(rng.random(2000) < 0.95 - 0.5 * mask, 0.0, rng.random(2000))
    expected = np.log10(scipy_p(activations, mask))
    assert expected < -8
    np.testing.assert_allclose(of_samples(activations, mask), expected, rtol=1e-9)


def test_a_perfectly_balanced_mask_has_p_one():
    assert of_samples(np.arange(4.0), np.array([True, False, False, True])) == 0.0


@pytest.mark.parametrize(
    "score, p", [(0.9151, 1.3695604258957517e-91), (0.9090, 5.653367450294752e-89)]
)
def test_agrees_with_the_published_values_of_unit_296(score, p):
    # The AUROC is published to four digits: half of the last is worth 0.03 here.
    assert abs(of_auroc(score, 200, 49_800) - np.log10(p)) <= 0.03


def test_does_not_underflow_where_scipy_does():
    # AUROC 0.7 of 5,000 in 50,000: scipy gives 0.
    log10_p = of_auroc(0.7, 5_000, 45_000)
    assert log10_p == pytest.approx(-471, abs=1)


@pytest.mark.parametrize("num_samples", [10**5, 10**7, 16_000_000])
def test_is_never_minus_infinity(num_samples):
    log10_p = of_auroc(1.0, num_samples // 2, num_samples // 2)
    assert np.isfinite(log10_p) and log10_p < -10_000


def test_the_sign_of_the_sum_does_not_matter(rng):
    sums = rng.integers(1, 10**6, 50)
    positives = rng.integers(1, 999, 50)
    both = [
        log10_mannwhitney(each, positives, np.zeros(50), num_samples=1000)
        for each in (sums, -sums)
    ]
    np.testing.assert_array_equal(both[0], both[1])


@pytest.mark.parametrize("num_positives", [0, 4])
def test_is_nan_where_a_class_is_empty(num_positives):
    log10_p = log10_mannwhitney(
        np.zeros(1, int), np.array([num_positives]), np.zeros(1), num_samples=4
    )
    assert np.isnan(log10_p).all()


@pytest.mark.parametrize("num_samples", [2, 3, 50_000])
def test_is_nan_where_all_samples_are_tied(num_samples):
    log10_p = log10_mannwhitney(
        np.zeros(1, int),
        np.ones(1, int),
        np.array([float(num_samples**3 - num_samples)]),
        num_samples=num_samples,
    )
    assert np.isnan(log10_p).all()
