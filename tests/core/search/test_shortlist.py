"""The largest scores, against a full stable sort."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.core.search.shortlist import GROUP, in_order, largest


def stable_order(scores):
    return np.argsort(-scores, kind="stable")


def test_the_earlier_of_two_equal_scores_comes_first():
    scores = jnp.array([0.0, 2.0, 1.0, 2.0, -jnp.inf])
    assert largest(scores, 3).tolist() == [1, 3, 2]


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("num_scores", [5, GROUP * 4 + 7, GROUP * 40, GROUP * 41 - 1])
@pytest.mark.parametrize("num_levels", [1, 3, 100, 10**6], ids="levels={}".format)
def test_the_largest_are_those_of_a_full_sort(rng, num_scores, count, num_levels):
    scores = rng.integers(num_levels, size=num_scores).astype(np.float32) - 7
    scores[rng.random(num_scores) < 0.3] = -np.inf
    found = largest(jnp.asarray(scores), count)
    np.testing.assert_array_equal(found, stable_order(scores)[:count])


def test_a_tie_is_won_by_the_earlier_even_beside_a_larger_score():
    scores = jnp.zeros(GROUP * 20).at[GROUP * 3 + 5].set(1)
    assert largest(scores, 4).tolist() == [GROUP * 3 + 5, 0, 1, 2]


def test_all_are_listed_when_as_many_are_asked_for(rng):
    scores = rng.integers(4, size=70).astype(np.float32)
    found = jax.jit(largest, static_argnums=1)(jnp.asarray(scores), 70)
    np.testing.assert_array_equal(found, stable_order(scores))


def test_scores_that_are_all_out_of_the_race_are_listed_from_the_first():
    nothing = jnp.full(GROUP * 20, -jnp.inf)
    assert largest(nothing, 4).tolist() == [0, 1, 2, 3]


def test_negative_zero_ties_with_zero_in_order():
    scores, positions = in_order(jnp.array([0.0, -0.0, 0.0]), jnp.array([2, 1, 3]), 3)
    assert positions.tolist() == [1, 2, 3]
    assert (np.asarray(scores) == 0).all()


def test_in_order_sorts_by_score_then_by_position(rng):
    scores = rng.integers(5, size=200).astype(np.float32)
    positions = rng.permutation(200).astype(np.int32)
    found = in_order(jnp.asarray(scores), jnp.asarray(positions), 64)
    order = np.lexsort((positions, -scores))[:64]
    np.testing.assert_array_equal(found[0], scores[order])
    np.testing.assert_array_equal(found[1], positions[order])
