"""Each metric equals scikit-learn's, scipy's or a slow definition, ties included."""

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from invert_jax.core.statistics import metrics

NUM_SAMPLES = 60


def world(kind, seed=0):
    """Activations of a kind, and labels of several sizes."""
    rng = np.random.default_rng(seed)
    activations = {
        "continuous": rng.normal(size=NUM_SAMPLES),
        "ties": rng.integers(-2, 3, NUM_SAMPLES).astype(np.float64),
        "sparse": np.maximum(0, rng.normal(size=NUM_SAMPLES) - 1),
        "binary": (rng.random(NUM_SAMPLES) < 0.3).astype(np.float64),
        "huge": rng.normal(size=NUM_SAMPLES) * 1e300,
        "tiny": rng.normal(size=NUM_SAMPLES) * 1e-300,
        "far from zero": rng.normal(size=NUM_SAMPLES) + 1e6,
        "float32": rng.normal(size=NUM_SAMPLES).astype(np.float32),
        "whole": rng.integers(-100, 100, NUM_SAMPLES),
    }[kind]
    masks = rng.random((5, NUM_SAMPLES)) < np.array([0.02, 0.1, 0.3, 0.5, 0.9])[:, None]
    masks[:, 0], masks[:, 1] = True, False
    return activations, masks


KINDS = (
    *("continuous", "ties", "sparse", "binary", "huge", "tiny", "far from zero"),
    *("float32", "whole"),
)
every_kind = pytest.mark.parametrize("kind", KINDS)


def places_of(activations, masks):
    """Where the positives of each label stand."""
    order = metrics.order_of(activations)
    return [metrics.places_of(order, np.flatnonzero(mask)) for mask in masks]


def top_of(activations, share):
    """The samples above the lowest threshold that leaves so few above it."""
    best = np.zeros(len(activations), bool)
    for threshold in activations:
        above = activations > threshold
        if above.sum() / len(activations) <= share and above.sum() > best.sum():
            best = above
    return best


@every_kind
def test_average_precision_is_that_of_scikit_learn(kind):
    activations, masks = world(kind)
    expected = [
        sklearn_metrics.average_precision_score(mask, activations) for mask in masks
    ]
    found = [metrics.average_precision(each) for each in places_of(activations, masks)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_precision_at_the_top_is_the_mean_over_all_orders_of_tied_samples():
    activations = np.array([2.0, 1.0, 1.0, 1.0, 1.0, 0.0])
    masks = np.array([[1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 0, 0]], bool)
    for count in range(1, 8):
        orders = [(0, *middle, 5) for middle in itertools.permutations((1, 2, 3, 4))]
        expected = [
            np.mean([mask[list(order[:count])].mean() for order in orders])
            for mask in masks
        ]
        found = [
            metrics.precision_at(each, count) for each in places_of(activations, masks)
        ]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_nothing_is_first_of_no_samples():
    assert all(
        np.isnan(metrics.precision_at(each, 0)) for each in places_of(*world("ties"))
    )


@every_kind
def test_correlations_are_those_of_scipy(kind):
    activations, masks = world(kind)
    # scipy overflows where ours does not.
    scaled = np.float64(activations) / np.abs(activations).max()
    pearson = [stats.pearsonr(mask, scaled).statistic for mask in masks]
    spearman = [stats.spearmanr(mask, activations).statistic for mask in masks]
    rtol = 1e-7 if kind == "far from zero" else 1e-10
    values = activations.astype(np.float64)
    found = [metrics.moments(values, mask).pearson for mask in masks]
    np.testing.assert_allclose(found, pearson, rtol, 1e-12)
    for lowest_first in (False, True):
        order = metrics.order_of(activations, lowest_first=lowest_first)
        tie_sum = metrics.tie_sum_of(order)
        found = [
            metrics.spearman(metrics.places_of(order, np.flatnonzero(mask)), tie_sum)
            for mask in masks
        ]
        wanted = np.negative(spearman) if lowest_first else spearman
        np.testing.assert_allclose(found, wanted, 1e-10, 1e-12)


@every_kind
def test_cosine_and_distance_of_means_are_their_definitions(kind):
    activations, masks = world(kind)
    scaled = np.float64(activations) / np.abs(activations).max()
    for mask in masks:
        found = metrics.moments(activations.astype(np.float64), mask)
        norm = np.linalg.norm(scaled) * np.linalg.norm(mask)
        assert found.cosine == pytest.approx(scaled @ mask / norm, rel=1e-9)
        inside, outside = scaled[mask], scaled[~mask]
        mad = (inside.mean() - outside.mean()) / outside.std()
        assert found.mad == pytest.approx(mad, rel=1e-6)


@every_kind
def test_the_best_f1_is_the_largest_of_all_thresholds(kind):
    activations, masks = world(kind)
    for mask, places in zip(masks, places_of(activations, masks), strict=True):
        place = metrics.best_f1_place(places)
        found = metrics.top_set(places, int(places.through[place])).f1
        every = [
            sklearn_metrics.f1_score(mask, activations >= threshold)
            for threshold in np.unique(activations)
        ]
        assert found == pytest.approx(max(every), rel=1e-12)
        keys = metrics.order_of(activations).keys
        chosen = keys <= places.keys[place]
        assert sklearn_metrics.f1_score(mask, chosen) == pytest.approx(max(every))


@every_kind
@pytest.mark.parametrize("share", [0.005, 0.02, 0.1, 0.5])
def test_agreement_with_a_top_set_is_that_of_scikit_learn(kind, share):
    activations, masks = world(kind)
    size = metrics.size_of_top(metrics.order_of(activations), share)
    top = top_of(activations, share)
    assert size == top.sum()
    for mask, places in zip(masks, places_of(activations, masks), strict=True):
        found = metrics.top_set(places, size)
        assert found.iou == pytest.approx(sklearn_metrics.jaccard_score(mask, top))
        assert found.balanced_accuracy == pytest.approx(
            sklearn_metrics.balanced_accuracy_score(mask, top)
        )
        if top.any():
            auc = sklearn_metrics.roc_auc_score(top, mask)
            assert found.other_way_auc == pytest.approx(auc)
        else:
            assert np.isnan(found.other_way_auc)


def test_a_share_of_the_samples_counts_them_as_the_bounds_of_a_search_do():
    order = metrics.order_of(np.arange(2900.0))
    assert metrics.size_of_top(order, 0.01) == 29  # 0.01 * 2900 is below 29


def test_where_a_class_is_empty_or_all_are_tied_nothing_is_said():
    rng = np.random.default_rng(0)
    values, silent = rng.normal(size=9), np.zeros(9)
    none, every = np.zeros(9, bool), np.ones(9, bool)
    of_none, of_every = places_of(values, [none, every])
    assert np.isnan(metrics.average_precision(of_none))
    assert metrics.average_precision(of_every) == 1
    for mask, places in ((none, of_none), (every, of_every)):
        found = metrics.moments(values, mask)
        assert np.isnan(found.pearson) and np.isnan(found.mad)
        assert np.isnan(found.cosine) == (not mask.any())
        assert np.isnan(metrics.spearman(places, 0.0))
        assert np.isnan(metrics.top_set(places, 1).balanced_accuracy)
    mask = np.arange(9) < 4
    tied = metrics.order_of(np.ones(9))
    assert metrics.size_of_top(tied, 0.5) == 0
    found = metrics.moments(np.ones(9), mask)
    assert np.isnan(found.pearson) and np.isnan(found.mad)
    places = metrics.places_of(tied, np.arange(4))
    assert np.isnan(metrics.spearman(places, metrics.tie_sum_of(tied)))
    assert np.isnan(metrics.moments(silent, mask).cosine)


def test_silent_neurons_outside_a_label_have_no_distance_of_means():
    values = np.array([0.1, 0.1, 0.1, 5.0])  # whose mean is not exactly 0.1
    assert np.isnan(metrics.moments(values, values > 1).mad)


def test_the_order_is_that_of_the_search_for_every_type():
    low_and_high = [-0.0, 0.0, -1.0, 3.0, 3.0]
    for dtype in (np.float16, np.float32, np.float64, np.int8, np.int64, np.uint8):
        activations = np.abs(low_and_high).astype(dtype)
        order = metrics.order_of(activations)
        midranks = metrics.midranks_of(order, np.arange(5))
        ranks = stats.rankdata(-activations.astype(np.float64))
        assert midranks.tolist() == (2 * ranks - 6).tolist()
    order = metrics.order_of(np.array([True, False, True]), lowest_first=True)
    assert metrics.midranks_of(order, np.arange(3)).tolist() == [1, -2, 1]


def test_the_harmonic_mean_is_below_both():
    assert metrics.harmonic_mean(0.5, 1.0) == 2 / 3
    assert metrics.harmonic_mean(1.0, 1.0) == 1
    assert np.isnan(metrics.harmonic_mean(0.0, 0.0))
