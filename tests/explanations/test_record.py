import dataclasses

import numpy as np
import pytest
from scipy import stats

import invert_jax as ij
from tests import small_runs
from tests.small_runs import assert_same, beams, explain


@pytest.fixture(scope="module")
def world():
    return small_runs.make_world()


@pytest.fixture(scope="module")
def explanations(world):
    return explain(world.activations, world.concepts)


def filled(explanations):
    return [
        (j, r)
        for j in range(explanations.num_neurons)
        for r in range(explanations.beam_size)
        if explanations.num_positives[j, r]
    ]


def literals_of(formula):
    return () if formula is None else formula.literals


def test_every_slot_has_a_score_a_support_and_a_formula_or_none(world, explanations):
    assert explanations.scores.shape == (8, 3)
    assert explanations.scores.dtype == np.float64
    assert np.issubdtype(explanations.num_positives.dtype, np.integer)
    for j in range(8):
        for r in range(3):
            formula = explanations.formulas[j][r]
            positives = explanations.num_positives[j, r]
            if formula is None:
                assert positives == 0
                assert np.isnan(explanations.scores[j, r])
                assert np.isnan(explanations.log10_p[j, r])
            else:
                assert formula.evaluate(world.concepts).sum() == positives
                assert 3 <= positives <= 30


def test_the_best_come_first_and_no_support_twice(world, explanations):
    for j in range(8):
        ranks = [r for k, r in filled(explanations) if k == j]
        scores = explanations.scores[j, ranks]
        assert (np.diff(scores) <= 0).all()
        formulas = [explanations.formulas[j][r] for r in ranks]
        supports = {f.evaluate(world.concepts).tobytes() for f in formulas}
        assert len(supports) == len(ranks)


def test_fractions_are_shares_of_the_samples(explanations):
    np.testing.assert_array_equal(
        explanations.fractions, explanations.num_positives / 60
    )


def test_log10_p_is_that_of_scipy(world, explanations):
    for j, r in filled(explanations):
        mask = explanations.formulas[j][r].evaluate(world.concepts)
        # In float32 scipy rounds more than we do.
        activations = world.activations[:, j].astype(np.float64)
        p = stats.mannwhitneyu(
            activations[mask], activations[~mask], method="asymptotic"
        ).pvalue
        assert explanations.log10_p[j, r] == pytest.approx(np.log10(p), rel=1e-9)


def test_formulas_are_a_sequence_made_when_asked_for(explanations):
    formulas = explanations.formulas
    assert len(formulas) == 8
    assert formulas[-1] == formulas[7] == list(formulas)[7]
    assert formulas[6, 0] == formulas[6][0] == ij.Formula.parse("six")
    assert formulas[2:4] == [formulas[2], formulas[3]]
    assert repr(formulas) == "Formulas(8 neurons)"
    with pytest.raises(IndexError):
        formulas[8]


def test_at_length_is_the_beam_after_that_step(world, explanations):
    expected = small_runs.expected(world.activations, world.masks)
    for length in (1, 2, 3):
        step = explanations.at_length(length)
        assert step.max_length == length
        assert step.settings.max_length == length
        last = [steps[-1] for steps in beams(step)]
        wanted = [steps[length - 1] for steps in expected]
        assert last[:4] + last[5:] == wanted[:4] + wanted[5:]
        assert step.lengths.max() <= length
    assert_same(explanations.at_length(3), explanations)


def test_at_length_one_is_a_search_of_length_one(world, explanations):
    shorter = explain(world.activations, world.concepts, max_length=1)
    assert_same(shorter, explanations.at_length(1))


def test_longer_formulas_score_no_less(explanations):
    best = [explanations.at_length(length).scores[:, 0] for length in (1, 2, 3)]
    assert (np.diff(np.delete(best, 4, axis=1), axis=0) >= 0).all()


@pytest.mark.parametrize("length", [0, 4, -1])
def test_lengths_that_were_not_searched_are_refused(explanations, length):
    match = rf"`length` must be in \[1, 3\], the lengths searched; got {length}"
    with pytest.raises(ValueError, match=match):
        explanations.at_length(length)


def test_take_gives_some_neurons_by_position_or_mask(explanations):
    some = explanations.take([6, 3])
    assert some.neurons.tolist() == [6, 3]
    assert some.neuron_names == ("6", "3")
    assert [formulas[0] for formulas in some.formulas] == [
        explanations.formulas[6][0],
        explanations.formulas[3][0],
    ]
    mask = np.isin(np.arange(8), [3, 6])
    assert_same(explanations.take(mask), explanations.take([3, 6]))


def test_neurons_for_a_concept_are_those_whose_best_formula_has_it(explanations):
    for name in explanations.concept_names:
        found = explanations.neurons_for(name).tolist()
        best = explanations.scores[found, 0]
        assert (np.diff(best) <= 0).all()
        representative = {"also even": "even", "also inner": "inner"}.get(name, name)
        assert sorted(found) == [
            j
            for j, formulas in enumerate(explanations.formulas)
            if (representative, False) in literals_of(formulas[0])
        ]
    assert 6 in explanations.neurons_for("six")
    assert len(explanations.neurons_for("also even")) > 0


def test_neurons_for_give_indices_in_the_layer(explanations):
    some = explanations.take([7, 6])
    assert some.neurons_for("six").tolist() == [6]


def test_neurons_for_of_what_neurons_are_low_for_start_with_the_lowest(world):
    low = explain(world.activations, world.concepts, sign="negative")
    for name in low.concept_names:
        found = low.neurons_for(name)
        assert (np.diff(low.scores[found, 0]) >= 0).all()
    labeled = np.arange(8) != 4
    np.testing.assert_array_equal(
        low.scores[labeled, 0], np.nanmin(low.scores[labeled], axis=1)
    )


def test_a_concept_unknown_is_refused_with_those_that_look_alike(explanations):
    match = "`concept` must be one of the concepts searched; got 'sixx'.*mean 'six'"
    with pytest.raises(ValueError, match=match):
        explanations.neurons_for("sixx")


def test_what_was_explained_is_on_record(world, explanations):
    assert explanations.sources["concepts"] == world.concepts.fingerprint()
    assert explanations.num_samples == 60
    assert explanations.concept_names == small_runs.NAMES
    assert explanations.settings.beam_size == 3


def test_explanations_cannot_be_changed(explanations):
    with pytest.raises(dataclasses.FrozenInstanceError):
        explanations.num_samples = 3


def test_a_short_text_counts_the_labels(explanations):
    assert repr(explanations) == (
        "Explanations(8 neurons, 7 labeled, max_length=3, beam_size=3)"
    )
    assert len(explanations) == 8
