"""The largest scores, against a full stable sort."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.core import exact
from invert_jax.core.objectives.auroc import AUROC
from invert_jax.core.search import packing
from invert_jax.core.search.beam import Beam, Formulas, table_of
from invert_jax.core.search.candidates import Parents
from invert_jax.core.search.layout import Layout
from invert_jax.core.search.shortlist import GROUP, largest, scores_in_race
from tests.core.search_problems import Rows, distinct_rows, free_limits, pack_rows


def largest_of(scores, count):
    """Positions for one neuron, and that their scores are told with them."""
    found, positions = largest(jnp.expand_dims(scores, 0), count)
    np.testing.assert_array_equal(found[0], scores[positions[0]])
    return positions[0]


def stable_order(scores):
    return np.argsort(-scores, kind="stable")


def test_the_earlier_of_two_equal_scores_comes_first():
    scores = jnp.array([0.0, 2.0, 1.0, 2.0, -jnp.inf])
    assert largest_of(scores, 3).tolist() == [1, 3, 2]


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("num_scores", [5, GROUP * 4 + 7, GROUP * 40, GROUP * 41 - 1])
@pytest.mark.parametrize("num_levels", [1, 3, 100, 10**6], ids="levels={}".format)
def test_the_largest_are_those_of_a_full_sort(rng, num_scores, count, num_levels):
    scores = rng.integers(num_levels, size=num_scores).astype(np.float32) - 7
    scores[rng.random(num_scores) < 0.3] = -np.inf
    found = largest_of(jnp.asarray(scores), count)
    np.testing.assert_array_equal(found, stable_order(scores)[:count])


def test_a_tie_is_won_by_the_earlier_even_beside_a_larger_score():
    scores = jnp.zeros(GROUP * 20).at[GROUP * 3 + 5].set(1)
    assert largest_of(scores, 4).tolist() == [GROUP * 3 + 5, 0, 1, 2]


def test_all_are_listed_when_as_many_are_asked_for(rng):
    scores = rng.integers(4, size=70).astype(np.float32)
    found = largest_of(jnp.asarray(scores), 70)
    np.testing.assert_array_equal(found, stable_order(scores))


def test_scores_that_are_all_out_of_the_race_are_listed_from_the_first():
    nothing = jnp.full(GROUP * 20, -jnp.inf)
    assert largest_of(nothing, 4).tolist() == [0, 1, 2, 3]


def test_neurons_are_listed_each_by_itself(rng):
    scores = rng.normal(size=(5, GROUP * 20)).astype(np.float32)
    _, positions = largest(jnp.asarray(scores), 4)
    for found, one in zip(positions, scores, strict=True):
        np.testing.assert_array_equal(found, stable_order(one)[:4])


@pytest.fixture
def literals(rng):
    """The empty formula and its extensions, of a neuron of few levels."""
    masks = distinct_rows(rng, num_rows=12, num_concepts=20)
    sums = rng.integers(-1, 2, size=(1, 12)) * 40
    sums[:, 0] -= sums.sum(1)
    rows = Rows(sums, masks, np.full(12, 5))
    weights, table = pack_rows(rows, Layout(2, 1, 64))
    concepts = packing.sums_of_concepts(jnp.asarray(weights), table)
    empty = formulas_at(np.zeros((1, 1, 1)), sums=0, counts=60)
    return Parents(
        Beam(table_of(empty), jnp.expand_dims(table.filled, (0, 1))),
        both=jnp.expand_dims(concepts, 1),
        concepts=concepts,
        usable=jnp.ones((1, 20), bool),
        is_root=jnp.array(True),
    ), rows


def formulas_at(literals, *, sums, counts, lengths=0):
    """One formula of one neuron."""
    one = jnp.ones((1, 1), jnp.int32)
    return Formulas(
        literals=jnp.asarray(literals, jnp.int32),
        operators=0 * one,
        lengths=lengths * one,
        sums=exact.normalize(exact.Wide(0 * one, sums * one)),
        num_positives=counts * one,
    )


NOTHING = formulas_at(np.zeros((1, 1, 1)), sums=0, counts=0)
FIRST = jnp.full(1, jnp.inf), jnp.zeros(1, jnp.int32)
BOUNDS = free_limits(60).bounds


compiled = jax.jit(partial(scores_in_race, objective=AUROC, bounds=BOUNDS))


def in_race(parents, worst, last):
    """Scores of the literals that are left, by position."""
    return np.asarray(compiled(parents, worst, last))


def test_candidates_are_listed_round_by_round_each_once(literals):
    """A round of seven mostly ends within a tie."""
    parents, _ = literals
    everything = in_race(parents, NOTHING, FIRST)[0]
    assert len(np.unique(everything)) < 40 == np.isfinite(everything).sum()
    last, listed = FIRST, []
    for _ in range(7):
        found, positions = largest(jnp.asarray(in_race(parents, NOTHING, last)), 7)
        listed += positions[np.isfinite(found)].tolist()
        last = found[:, -1], positions[:, -1]
    assert listed == stable_order(everything)[:40].tolist()


def test_what_ties_with_the_last_one_kept_and_comes_after_it_is_out(literals):
    """Each literal in turn is the last one kept."""
    parents, rows = literals
    supports = np.concatenate((rows.masks.T, ~rows.masks.T))
    sums, counts = (supports @ values for values in (rows.sums[0], rows.counts))
    names = [2 * k + negated for negated in (0, 1) for k in range(20)]
    num_out = 0
    for name, total, count in zip(names, sums, counts, strict=True):
        worst = formulas_at([[[name]]], sums=int(total), counts=int(count), lengths=1)
        left = np.isfinite(in_race(parents, worst, FIRST)).reshape(4, 20)
        assert not left[[1, 3]].any()
        tied = (sums == total) & (counts == count)
        out = tied & (np.array(names) > name)
        np.testing.assert_array_equal(left[[0, 2]].ravel(), ~out)
        num_out += out.sum()
    assert num_out > 5
