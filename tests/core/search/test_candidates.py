"""Sums, counts and novelty of the extensions, against the masks themselves."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.core import exact
from invert_jax.core.objectives.auroc import AUROC
from invert_jax.core.search import candidates
from invert_jax.core.search.beam import Beam
from invert_jax.core.search.candidates import (
    NEGATION_BIT,
    NUM_KINDS,
    OPERATOR_BIT,
    Pairs,
    Parents,
    with_axes,
)
from invert_jax.core.search.packing import Measure
from tests.core.search_problems import free_limits, wide

NUM_SAMPLES, NUM_MEMBERS, NUM_CONCEPTS = 24, 5, 40
KINDS = tuple(jnp.arange(NUM_KINDS, dtype=jnp.int32))


def random_masks(rng):
    """Members and concepts of which many nest, exclude or complete each other."""
    members = rng.random((NUM_MEMBERS, NUM_SAMPLES)) < 0.5
    concepts = rng.random((NUM_CONCEPTS, NUM_SAMPLES)) < 0.3
    one = members[0]
    concepts[:20:4] &= one
    concepts[1:20:4] &= ~one
    concepts[2:20:4] |= one
    concepts[3:20:4] |= ~one
    concepts[20], concepts[21] = one, ~one
    return members, concepts


def as_wide(values):
    flat = wide(np.ravel(values))
    return exact.Wide(*(part.reshape(np.shape(values)) for part in flat))


def counts_of(masks):
    return jnp.asarray(masks.sum(-1), jnp.int32)


def pairs_of(members, concepts, weights):
    column, row = np.expand_dims(members, 1), np.expand_dims(concepts, 0)

    def measure(masks):
        return Measure(as_wide(masks @ weights), counts_of(masks))

    return Pairs(measure(column & row), measure(column), measure(row))


def balanced(weights):
    """Weights that sum to zero, as ranks do."""
    weights[0] -= weights.sum()
    return weights


def extended(members, concepts):
    """The masks of each kind of extension, by the meaning of the bits of the kind."""
    for kind in range(NUM_KINDS):
        literal = np.expand_dims(concepts ^ bool(kind & NEGATION_BIT), 0)
        member = np.expand_dims(members, 1)
        yield member | literal if kind & OPERATOR_BIT else member & literal


def test_the_kinds_by_hand():
    """Of five samples the member has the first three, the concept the last three."""
    member, concept = (
        np.array([[1, 1, 1, 0, 0]], bool),
        np.array([[0, 0, 1, 1, 1]], bool),
    )
    weights = np.array([1, 10, 100, 1000, -1111])
    pairs = pairs_of(member, concept, weights)
    found = [candidates.extended(pairs, kind, 5) for kind in KINDS]
    assert [int(each.num_positives[0, 0]) for each in found] == [1, 5, 2, 3]
    sums = [int(exact.to_int64(each.sums)[0, 0]) for each in found]
    assert sums == [100, 0, 11, 111]


def test_sums_and_counts_are_those_of_the_masks(rng):
    members, concepts = random_masks(rng)
    weights = balanced(rng.integers(-(10**12), 10**12, NUM_SAMPLES))
    pairs = pairs_of(members, concepts, weights)
    for kind, mask in zip(KINDS, extended(members, concepts), strict=True):
        sums, count = candidates.extended(pairs, kind, NUM_SAMPLES)
        np.testing.assert_array_equal(count, mask.sum(-1))
        np.testing.assert_array_equal(exact.to_int64(sums), mask @ weights)


def test_kinds_may_be_an_axis_of_their_own(rng):
    """As all candidates are scored at once."""
    members, concepts = random_masks(rng)
    pairs = pairs_of(members, concepts, balanced(rng.integers(-9, 9, NUM_SAMPLES)))
    kinds = np.arange(NUM_KINDS, dtype=np.int32).reshape(-1, 1, 1)
    together = candidates.extended(with_axes(pairs, 0), kinds, NUM_SAMPLES)
    each = [candidates.extended(pairs, kind, NUM_SAMPLES) for kind in KINDS]
    jax.tree.map(
        lambda whole, *parts: np.testing.assert_array_equal(whole, np.stack(parts)),
        together,
        *each,
    )


def test_an_extension_is_new_unless_it_is_constant_or_one_of_its_parts(rng):
    members, concepts = random_masks(rng)
    pairs = pairs_of(members, concepts, np.zeros(NUM_SAMPLES, int))
    old = 0
    for kind, mask in zip(KINDS, extended(members, concepts), strict=True):
        found = candidates.is_new(pairs, kind, NUM_SAMPLES, False)
        literal = np.expand_dims(concepts ^ bool(kind & NEGATION_BIT), 0)
        is_part = (mask == np.expand_dims(members, 1)).all(-1)
        is_part |= (mask == literal).all(-1)
        # Constant masks are left to the bounds.
        decided = (0 < mask.sum(-1)) & (mask.sum(-1) < NUM_SAMPLES)
        np.testing.assert_array_equal(np.asarray(found)[decided], ~is_part[decided])
        old += (is_part & decided).sum()
    assert old > 50


def test_the_empty_formula_is_extended_by_each_literal_once(rng):
    _, concepts = random_masks(rng)
    root = np.ones((1, NUM_SAMPLES), bool)
    pairs = pairs_of(root, concepts, np.zeros(NUM_SAMPLES, int))
    is_new = [candidates.is_new(pairs, kind, NUM_SAMPLES, True) for kind in KINDS]
    assert [bool(kind.all()) for kind in is_new] == [True, False, True, False]
    assert [bool(kind.any()) for kind in is_new] == [True, False, True, False]


def test_empty_slots_are_not_extended(rng):
    members, concepts = random_masks(rng)
    nothing = pairs_of(np.zeros_like(members), concepts, np.zeros(NUM_SAMPLES, int))
    for kind in KINDS:
        assert not candidates.is_new(nothing, kind, NUM_SAMPLES, False).any()


@pytest.fixture
def parents(rng):
    """Two neurons with members and concepts of their own."""
    counts = rng.integers(1, 9, size=(2, NUM_MEMBERS + 1, 3, NUM_CONCEPTS))
    members = jnp.asarray(rng.integers(1, 9, size=(2, NUM_MEMBERS, 7)), jnp.int32)
    return Parents(
        Beam(members, jnp.zeros((2, NUM_MEMBERS, 1, 1), jnp.uint32)),
        both=jnp.asarray(counts[:, 1:], jnp.int32),
        concepts=jnp.asarray(counts[:, 0], jnp.int32),
        usable=jnp.asarray(np.arange(NUM_CONCEPTS) % 3 > 0).reshape(1, -1),
        is_root=jnp.array(False),
    )


def test_concepts_that_are_not_usable_extend_nothing(parents):
    bounds = free_limits(1000).bounds
    score = jax.jit(partial(candidates.possible_scores, objective=AUROC, bounds=bounds))
    scores = [score(parents, parents.pairs, kind) for kind in KINDS]
    assert {each.shape for each in scores} == {(2, NUM_MEMBERS, NUM_CONCEPTS)}
    found = np.isfinite(scores).any((0, 1, 2))
    assert found.tolist() == parents.usable[0].tolist()


def test_pairs_are_those_of_the_members_and_concepts_asked_for(parents, rng):
    member = jnp.asarray(rng.integers(NUM_MEMBERS, size=(2, 9)), jnp.int32)
    concept = jnp.asarray(rng.integers(NUM_CONCEPTS, size=(2, 9)), jnp.int32)
    found, formulas = parents.pairs_of(member, concept)
    neuron = np.arange(2).reshape(2, 1)
    places: tuple[Any, ...] = (
        (neuron, member, concept),
        (neuron, member, 0),
        (neuron, 0, concept),
    )
    for pair, place, measures in zip(found, places, parents.pairs, strict=True):
        for field, wanted in zip(
            jax.tree.leaves(pair), jax.tree.leaves(measures), strict=True
        ):
            np.testing.assert_array_equal(field, np.asarray(wanted)[place])
    np.testing.assert_array_equal(
        formulas.literals, np.asarray(parents.beam.numbers)[neuron, member, :2]
    )
