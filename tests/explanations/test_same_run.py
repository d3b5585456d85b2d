"""Inputs of another run are refused; those of the same are taken in any form."""

import dataclasses

import numpy as np
import pytest

import invert_jax as ij
from invert_jax.core.ranking import host_mask_sum, rank_host
from invert_jax.explanations import same_run
from tests import small_runs
from tests.small_runs import explain


@pytest.fixture(scope="module")
def world():
    return small_runs.make_world()


@pytest.fixture(scope="module")
def where(world):
    return np.arange(len(world.masks)) % 4 != 0


@pytest.fixture(scope="module")
def found(world, where):
    return explain(world.activations, world.concepts, where=where)


def test_the_very_table_is_known_whole_or_already_cut(world, where, found):
    for concepts in (world.concepts, world.concepts.take(where)):
        table = same_run.explained_table(concepts, found, of="like")
        assert table.num_samples == where.sum()
        assert table.fingerprint() == found.sources["concepts"]


def test_another_table_is_not_the_one_that_was_explained(world, found):
    others = world.concepts.select(world.concepts.names[::-1])
    with pytest.raises(ValueError, match="must be those that `like` was explained by"):
        same_run.explained_table(others, found, of="like")


def test_more_columns_in_another_order_do_no_harm_to_labels(world, where, found):
    more = ij.Concepts.from_masks(np.ones((60, 1), bool), ["more"])
    concepts = more.join(world.concepts.select(world.concepts.names[::-1]))
    counted = same_run.counted_concepts(concepts, found, "`labels`")
    assert counted.names == found.concept_names
    np.testing.assert_array_equal(counted.masks(), world.masks[where])


def test_concepts_on_which_the_labels_hold_elsewhere_are_refused(world, found):
    with pytest.raises(ValueError, match=r"holds on \d+ samples of these and on \d+"):
        same_run.counted_concepts(world.concepts.take(np.arange(45)), found, "`a`")
    few = world.concepts.select(["even", "odd"])
    with pytest.raises(ValueError, match=r"they have no concept .* another run"):
        same_run.counted_concepts(few, found, "`a`")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda values: values[:30], "of 45 samples; got 30"),
        (lambda values: values[:, :5], "up to 7; got 5 neurons"),
    ],
)
def test_activations_of_another_shape_are_refused(world, found, change, match):
    same_run.check_same_activations(ij.Activations(world.activations), found)
    with pytest.raises(ValueError, match=match):
        same_run.check_same_activations(
            ij.Activations(change(world.activations)), found
        )


def test_activations_of_other_names_are_refused(world, found):
    renamed = ij.Activations(world.activations, [f"n{j}" for j in range(8)])
    with pytest.raises(ValueError, match="neuron 0 is '0' there and 'n0' here"):
        same_run.check_same_activations(renamed, found)


def test_ties_and_scores_tell_activations_apart(world, where, found):
    values, masks = world.activations[where], world.concepts.take(where)
    for position in np.flatnonzero(found.has_formula).tolist():
        ranks = rank_host(np.ascontiguousarray(values[:, position]))
        holds = found.formula(position).evaluate(masks)
        same_run.check_same_ties(found, position, ranks.tie_sum)
        right = host_mask_sum(ranks, holds)
        same_run.check_same_score(found, position, right)
        with pytest.raises(ValueError, match=r"other samples .* are equal here"):
            same_run.check_same_ties(found, position, ranks.tie_sum + 6)
        with pytest.raises(
            ValueError, match=r"the AUROC of neuron .* here and .* there"
        ):
            same_run.check_same_score(found, position, right + 2)


def test_a_neuron_without_a_formula_has_no_score_to_differ(found):
    (position,) = np.flatnonzero(~found.has_formula).tolist()
    same_run.check_same_score(found, position, 7)


def test_a_null_may_be_longer_and_must_be_the_same_otherwise(found):
    concepts = found.sources["concepts"]
    longer = dataclasses.replace(found.settings, max_length=9)
    same_run.check_same_search(found, concepts=concepts, settings=longer)
    for settings, name in (
        (dataclasses.replace(found.settings, max_length=2), "max_length=2"),
        (dataclasses.replace(found.settings, beam_size=7), "beam_size=7"),
    ):
        with pytest.raises(ValueError, match=f"it has {name} and they have"):
            same_run.check_same_search(found, concepts=concepts, settings=settings)
    with pytest.raises(ValueError, match="it is of others"):
        same_run.check_same_search(found, concepts="0", settings=longer)
