"""What each literal of a formula is worth: the score without it."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

import invert_jax as ij
from invert_jax.concepts.formula_masks import without_literal
from tests.held_out_runs import NAMES, explain, make_activations, make_concepts
from tests.small_runs import as_in_production


@pytest.fixture(scope="module")
def concepts():
    return make_concepts()


@pytest.fixture(scope="module")
def activations():
    return make_activations()


@pytest.fixture(scope="module")
def found(activations, concepts):
    return explain(activations, concepts, holdout=0.5, key=5)


def slow_scores_without(formula, values, masks):
    """Each literal taken out by hand, and scipy's statistic of what is left."""
    literals, operators = [], []
    for part in str(formula).replace("(", "").replace(")", "").split():
        if part in ("&", "|"):
            operators.append(part)
        else:
            mask = masks[:, NAMES.index(part.removeprefix("~"))]
            literals.append(~mask if part.startswith("~") else mask)
    scores = []
    for place in range(len(literals)):
        left = literals[:place] + literals[place + 1 :]
        ops = operators[1:] if place == 0 else operators.copy()
        if place > 0:
            del ops[place - 1]
        if not left:
            return [np.nan]
        mask = left[0]
        for operator, literal in zip(ops, left[1:], strict=True):
            mask = mask & literal if operator == "&" else mask | literal
        u = stats.mannwhitneyu(values[mask], values[~mask], method="asymptotic")
        scores.append(u.statistic / (mask.sum() * (~mask).sum()))
    return scores


def test_scores_without_literals_are_those_of_what_is_left(
    found, activations, concepts
):
    searched = ij.scores_without(found, activations, concepts)
    held_out = found.held_out.scores_without
    lengths = set()
    for scores, samples in (
        (searched, found.samples),
        (held_out, found.held_out.samples),
    ):
        for neuron in np.flatnonzero(found.status == "labeled"):
            formula = found.formulas[neuron][0]
            values = activations[samples, neuron].astype(np.float64)
            slow = slow_scores_without(formula, values, concepts.masks()[samples])
            lengths.add(len(slow))
            np.testing.assert_array_equal(scores[neuron, : len(slow)], slow)
            assert np.isnan(scores[neuron, len(slow) :]).all()
    assert 3 in lengths


@pytest.mark.parametrize(
    ("place", "left"),
    [(0, ([2, 4], [0])), (1, ([0, 4], [0])), (2, ([0, 2], [1]))],
)
def test_a_literal_takes_the_operator_before_it_along(place, left):
    assert without_literal([0, 2, 4], [1, 0], place) == left


def test_the_score_does_not_gain_by_leaving_a_literal_out_of_a_found_formula(
    found, activations, concepts
):
    # What is left of the first steps of a formula stood in the beam; only formulas
    # within the bounds did.
    without = ij.scores_without(found, activations, concepts)
    length = found.lengths[:, -1, 0]
    last = np.maximum(length - 1, 0)
    rows = np.flatnonzero(length > 1)
    assert (without[rows, last[rows]] <= found.scores[rows, 0]).all()


def test_scores_without_literals_need_the_same_concepts(found, activations, concepts):
    other = ij.Concepts.from_masks(~concepts.masks(), NAMES)
    with pytest.raises(ValueError, match=r"`concepts` must be those that `expl"):
        ij.scores_without(found, activations, other)


def test_scores_without_literals_need_the_activations_explained(
    found, activations, concepts
):
    with pytest.raises(
        ValueError, match=r"those that were explained: the AUROC of neuron"
    ):
        ij.scores_without(found, activations[:, ::-1], concepts)
    with pytest.raises(
        ValueError, match=r"`activations` must have the neurons .* up to 39; got 5"
    ):
        ij.scores_without(found, activations[:, :5], concepts)
    layers: Any = {"a": activations}
    labels: Any = {"a": found}
    with as_in_production():
        with pytest.raises(TypeError, match=r"`activations` must be of one layer, "):
            ij.scores_without(found, layers, concepts)
        with pytest.raises(TypeError, match=r"`explanations` must be Explanations"):
            ij.scores_without(labels, layers, concepts)


def test_scores_without_literals_take_a_table_of_the_searched_samples(
    found, activations, concepts
):
    searched = concepts.take(found.samples)
    np.testing.assert_array_equal(
        ij.scores_without(found, activations[found.samples], searched),
        ij.scores_without(found, activations, concepts),
    )
    with pytest.raises(ValueError, match=r"must describe the same samples"):
        ij.scores_without(found, activations, searched)
