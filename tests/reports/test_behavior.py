import numpy as np
import pytest
from scipy import stats

import invert_jax as ij
from invert_jax.core.ranking import rank_host
from invert_jax.reports import behavior
from invert_jax.reports.behavior import (
    FALSE_POSITIVE_RATES,
    NUM_BOTTOM,
    NUM_MISSES,
    NUM_TOP,
)
from invert_jax.reports.material import checked_layers


def layer_of(run, **changes):
    given = {"activations": run.activations, "concepts": run.concepts} | changes
    (layer,) = checked_layers(run.explanations, **given)
    return layer


def behavior_in(layer):
    found = behavior.behavior_of(layer)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def found(run):
    return behavior_in(layer_of(run))


def test_the_highest_samples_come_first_and_equal_ones_in_the_order_of_the_data():
    values = np.array([1.0, 3.0, 2.0, 3.0, 0.0], np.float32)
    ranks = rank_host(values)
    assert behavior.highest(ranks, values[ranks.order], count=NUM_TOP).tolist() == [
        1,
        3,
        2,
        0,
        4,
    ]


def test_many_equal_highest_samples_are_the_first_of_them():
    values = np.ones(50, np.float32)
    values[7] = 0
    ranks = rank_host(values)
    found = behavior.highest(ranks, values[ranks.order], count=NUM_TOP)
    assert found.tolist() == [*range(7), *range(8, NUM_TOP + 1)]


def test_of_many_equal_lowest_samples_some_far_apart_are_shown():
    values = np.zeros(100, np.float32)
    values[3] = 1
    found = behavior.lowest(rank_host(values), 99, count=NUM_BOTTOM)
    assert len(found) == NUM_BOTTOM
    assert found[0] == 0 and found[-1] == 99 and 3 not in found


def test_shares_add_up_to_one_and_a_constant_is_one_bin():
    values = np.random.default_rng(0).normal(size=1000)
    shares = behavior.shares(values, (values.min(), values.max()))
    np.testing.assert_allclose(shares.sum() / 65535, 1, atol=1e-3)
    counts, _ = np.histogram(values, bins=behavior.NUM_BINS)
    np.testing.assert_allclose(shares / 65535, counts / 1000, atol=2e-3)
    assert behavior.shares(np.full(3, 2.0), (2.0, 2.0)).nonzero()[0].tolist() == [0]


@pytest.mark.parametrize("num_levels", [2, 5, 1000], ids="levels={}".format)
def test_the_roc_curve_is_that_of_scikit_learn(rng, num_levels):
    metrics = pytest.importorskip("sklearn.metrics")
    values = rng.integers(num_levels, size=300).astype(np.float64)
    inside = rng.random(300) < 0.3
    order = np.argsort(-values, kind="stable")
    found = behavior.roc(values[order], inside[order])
    x, y, _ = metrics.roc_curve(inside, values, drop_intermediate=False)
    # Where the curve is a wall, its top.
    top = np.array([y[x == at].max() for at in np.unique(x)])
    np.testing.assert_allclose(
        found, np.interp(FALSE_POSITIVE_RATES, np.unique(x), top), rtol=1e-12
    )


def test_a_class_that_is_empty_has_no_curve():
    assert not behavior.roc(np.array([2.0, 1.0]), np.array([True, True])).any()


def test_scores_without_a_literal_are_those_of_the_library(run, found):
    expected = ij.scores_without(run.explanations, run.activations, run.concepts)
    np.testing.assert_array_equal(found.without, expected)


def test_top_samples_are_marked_where_the_formula_holds(run, found):
    values = np.asarray(run.activations)
    for neuron, (best, *_) in enumerate(run.explanations.formulas):
        top = found.top[neuron]
        assert np.array_equal(
            found.top_values[neuron], np.sort(values[:, neuron])[::-1][:NUM_TOP]
        )
        holds = np.zeros(160, bool) if best is None else best.evaluate(run.concepts)
        assert found.top_inside[neuron].tolist() == holds[top].tolist()


def test_distributions_inside_and_outside_are_of_all_samples(run, found):
    totals = found.inside.sum(1) / 65535, found.outside.sum(1) / 65535
    labeled = run.explanations.status == "labeled"
    np.testing.assert_allclose(totals[0], labeled, atol=1e-3)
    np.testing.assert_allclose(totals[1], 1, atol=1e-3)


def test_samples_that_did_not_count_are_not_shown(run):
    where = np.arange(160) % 2 == 0
    with pytest.warns(ij.FewPositivesWarning):
        labels = ij.explain(
            run.activations, run.concepts, max_length=1, beam_size=1, where=where,
            options=ij.Options(progress=False),
        )  # fmt: skip
    (layer,) = checked_layers(labels, run.activations, run.concepts)
    found = behavior_in(layer)
    values = np.asarray(run.activations)[where]
    np.testing.assert_array_equal(found.high, values.max(0))
    assert (layer.samples[found.top] % 2 == 0).all()
    assert layer.num_all == 160


def test_without_concepts_nothing_is_inside(run):
    found = behavior_in(layer_of(run, concepts=None))
    assert not found.inside.any() and not found.top_inside.any()
    assert np.isnan(found.without).all()


def test_activations_of_another_run_are_refused(run):
    shuffled = np.asarray(run.activations)[::-1]
    layer = layer_of(run, activations=shuffled)
    with pytest.raises(ValueError, match="must be those that were explained: the AUR"):
        behavior.behavior_of(layer)


def test_without_concepts_activations_tied_otherwise_are_refused(run):
    values = np.array(run.activations)
    values[:, 3] = values[:, 3] > 0
    layer = layer_of(run, activations=values, concepts=None)
    with pytest.raises(ValueError, match="other samples of neuron '3' are equal here"):
        behavior.behavior_of(layer)


def test_of_what_a_neuron_is_low_for_the_lowest_samples_come_first(run):
    labels = ij.explain(
        run.activations, run.concepts, max_length=2, beam_size=3, min_fraction=0.125,
        sign="negative", options=ij.Options(progress=False),
    )  # fmt: skip
    (layer,) = checked_layers(labels, run.activations, run.concepts)
    found = behavior_in(layer)
    values = np.sort(np.asarray(run.activations), axis=0)
    np.testing.assert_array_equal(found.top_values, values[:NUM_TOP].T)
    np.testing.assert_array_equal(found.bottom_values, values[::-1][:NUM_BOTTOM].T)


@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_a_unit_is_not_highest_on_samples_where_it_is_silent(sign):
    concepts = ij.Concepts.from_labels([0, 1] * 40, ["even", "odd"])
    values = np.zeros((80, 2), np.float32)
    values[[6, 4], 0] = [1, 2] if sign == "positive" else [-1, -2]
    quiet = ij.Options(progress=False)
    labels = ij.explain(
        values, concepts, max_length=1, min_fraction=0.25, sign=sign, options=quiet
    )
    (layer,) = checked_layers(labels, values, concepts)
    found = behavior_in(layer)
    assert found.top[0].tolist() == [4, 6] + [-1] * (NUM_TOP - 2)
    assert (found.top[1] == -1).all()
    assert (found.bottom >= 0).all()


def test_samples_of_the_formula_run_from_the_highest_to_the_lowest(run, found):
    labels = run.explanations
    (silent,) = np.flatnonzero(~labels.has_formula)
    assert (found.positives[silent] == -1).all() and (found.misses[silent] == -1).all()
    for position in np.flatnonzero(labels.has_formula).tolist():
        holds = labels.formula(position).evaluate(run.concepts)
        values = np.sort(np.asarray(run.activations)[holds, position])
        assert holds[found.positives[position]].all()
        shown = found.positives_values[position]
        assert (shown[0], shown[-1]) == (values[-1], values[0])
        assert (np.diff(shown) <= 0).all()


@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_misses_are_low_though_the_formula_holds(sign):
    rng = np.random.default_rng(0)
    masks = np.arange(400)[:, None] % 4 == 0
    clear = 10.0 * masks + rng.random((400, 1))
    mixed = np.where(rng.random((400, 1)) < 0.03, 0, clear)
    values = np.hstack([clear, mixed]) * (1 if sign == "positive" else -1)
    concepts = ij.Concepts.from_masks(masks, ["fourth"])
    labels = ij.explain(
        values, concepts, max_length=1, min_fraction=0.2, sign=sign,
        max_fraction=0.3, options=ij.Options(progress=False),
    )  # fmt: skip
    (layer,) = checked_layers(labels, values, concepts)
    found = behavior_in(layer)
    assert (found.misses[0] == -1).all(), "where it holds the unit is never low"
    low = np.flatnonzero((mixed[:, 0] == 0) & masks[:, 0])
    misses = found.misses[1]
    assert set(misses[misses >= 0]) == set(low.tolist()) and len(low) < NUM_MISSES


def test_tied_samples_count_in_part_for_what_is_true_of_the_highest():
    """A neuron of two values is as high on each of four classes, sorted by class."""
    classes = np.arange(400) // 50
    concepts = ij.Concepts.from_labels(classes, [f"class{k}" for k in range(8)])
    values = (classes < 4).astype(np.float32)[:, None]
    values[:5] += 1
    labels = ij.explain(
        values, concepts, max_length=1, min_fraction=0.1,
        options=ij.Options(progress=False),
    )  # fmt: skip
    (layer,) = checked_layers(labels, values, concepts)
    found = behavior_in(layer)
    hits = dict(zip(found.concepts[0], found.concept_hits[0], strict=True))
    # 5 surely, and of the other 15 their share of the 195 that tie.
    assert found.num_highest[0] == 20
    assert hits[0] == pytest.approx(5 + 15 * 45 / 195)
    assert set(hits) <= {0, 1, 2, 3, -1}
    for each in {1, 2, 3} & set(hits):
        assert hits[each] == pytest.approx(15 * 50 / 195)


def test_concepts_of_the_highest_samples_are_those_true_of_more_than_usual(run, found):
    masks = run.concepts.masks()
    for position in np.flatnonzero(run.explanations.has_formula).tolist():
        values = np.asarray(run.activations)[:, position]
        highest = np.argsort(-values, kind="stable")[:20]
        hits = masks[highest].sum(0)
        p = stats.binom.sf(hits - 1, 20, masks.mean(0))
        more = (hits > 1) & (p <= 0.01)
        told = found.concepts[position][found.concepts[position] >= 0]
        assert set(told.tolist()) == set(np.flatnonzero(more).tolist())
        np.testing.assert_array_equal(
            found.concept_hits[position][: len(told)], hits[told]
        )
        assert found.num_highest[position] == 20
    # Neuron 2 sees concept 2, and little else is true of its highest samples.
    assert found.concepts[2, 0] == 2


def test_a_silent_neuron_has_no_concepts_of_its_highest_samples(run):
    values = np.zeros((run.concepts.num_samples, 1), np.float32)
    values[:3] = 1
    labels = ij.explain(
        values, run.concepts, max_length=1, min_fraction=0.125,
        options=ij.Options(progress=False),
    )  # fmt: skip
    (layer,) = checked_layers(labels, values, run.concepts)
    found = behavior_in(layer)
    assert found.num_highest.tolist() == [3]
