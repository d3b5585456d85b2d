"""AUROC from sums and counts, against its definition and scikit-learn."""

from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from invert_jax.core import exact
from invert_jax.core.objectives.auroc import (
    AUROC,
    approximate_auroc,
    auroc_loss,
    auroc_score,
)
from tests import oracle
from tests.core.search_problems import wide

SAMPLES = pytest.mark.parametrize("num_samples", [2, 50_000, exact.MAX_SAMPLES])


def sums_and_counts(rng, num_samples, num_masks=500):
    """Possible sums of midranks of masks of all sizes, the ends among them."""
    counts = np.exp(rng.uniform(0, np.log(num_samples), num_masks)).astype(np.int64)
    counts = np.clip(counts, 1, num_samples - 1)
    counts = np.where(rng.random(num_masks) < 0.5, counts, num_samples - counts)
    pairs = counts * (num_samples - counts)
    sums = np.rint(pairs * rng.uniform(-1, 1, num_masks)).astype(np.int64)
    sums[: num_masks // 5] = rng.integers(-3, 4, num_masks // 5).clip(-1, 1)
    sums[0], sums[1], sums[2] = pairs[0], -pairs[1], 0
    return sums, counts


def exact_scores(sums, counts, num_samples):
    pairs = [int(n) * (num_samples - int(n)) for n in counts]
    return [Fraction(int(s), p) for s, p in zip(sums, pairs, strict=True)]


def test_the_score_by_hand():
    # Activations 1 < 2 < 3 < 4 have midranks -3, -1, 1, 3.
    sums, counts = np.array([3 + 1, 3 - 3, -3, 1]), np.array([2, 2, 1, 1])
    found = auroc_score(sums, counts, num_samples=4)
    assert found.tolist() == [1, 0.5, 0, 2 / 3]


def test_the_score_of_an_empty_class_is_nan():
    found = auroc_score(np.array([0, 0]), np.array([0, 7]), num_samples=7)
    assert np.isnan(found).all()


@SAMPLES
def test_the_score_is_the_exact_fraction_rounded_once(rng, num_samples):
    sums, counts = sums_and_counts(rng, num_samples)
    found = auroc_score(sums, counts, num_samples=num_samples)
    wanted = [float((1 + q) / 2) for q in exact_scores(sums, counts, num_samples)]
    assert found.tolist() == wanted


@pytest.mark.parametrize("num_levels", [2, 1000])
def test_the_score_is_that_of_scipy_and_scikit_learn(rng, num_levels):
    metrics = pytest.importorskip("sklearn.metrics")
    activations = rng.integers(num_levels, size=500)
    mask = rng.random(500) < 0.2
    doubled = 2 * stats.rankdata(activations) - 501
    sums, count = np.array([doubled[mask].sum()], np.int64), np.array([mask.sum()])
    (found,) = auroc_score(sums, count, num_samples=500)
    u = stats.mannwhitneyu(activations[mask], activations[~mask]).statistic
    assert found == u / (mask.sum() * (~mask).sum())
    assert found == pytest.approx(metrics.roc_auc_score(mask, activations), abs=1e-12)
    assert found == float(oracle.fraction_auroc(activations, mask))


@SAMPLES
def test_losses_order_masks_as_their_exact_scores_do(rng, num_samples):
    sums, counts = sums_and_counts(rng, num_samples)
    losses = auroc_loss(
        wide(sums), jnp.asarray(counts, jnp.int32), num_samples=num_samples
    )
    column, row = (
        jax.tree.map(partial(jnp.expand_dims, axis=axis), losses) for axis in (1, 0)
    )
    scores = np.array(exact_scores(sums, counts, num_samples))
    better = np.expand_dims(scores, 1) < np.expand_dims(scores, 0)
    np.testing.assert_array_equal(exact.compare(column, row), better * 1 - better.T)


@SAMPLES
def test_the_approximate_score_errs_by_less_than_the_margin(rng, num_samples):
    sums, counts = sums_and_counts(rng, num_samples, 20_000)
    rounded = jax.jit(exact.to_float32)(wide(sums))
    found = jax.jit(approximate_auroc, static_argnames="num_samples")(
        rounded, jnp.asarray(counts, jnp.int32), num_samples=num_samples
    )
    largest = max(
        abs(Fraction(float(one)) - score) / abs(score)
        for one, score in zip(
            np.asarray(found), exact_scores(sums, counts, num_samples), strict=True
        )
        if score != 0
    )
    assert largest <= AUROC.margin / 4


def test_the_approximate_score_of_no_difference_is_zero():
    found = approximate_auroc(jnp.float32([0]), jnp.int32([5]), num_samples=9)
    assert found.tolist() == [0]
