"""Sums, counts and novelty of the extensions, against the masks themselves."""

import jax.numpy as jnp
import numpy as np

from invert_jax.core import exact
from invert_jax.core.search import candidates
from invert_jax.core.search.candidates import (
    NEGATION_BIT,
    NUM_KINDS,
    OPERATOR_BIT,
    Pairs,
)
from tests.core.search_problems import wide

NUM_SAMPLES, NUM_MEMBERS, NUM_CONCEPTS = 24, 5, 40


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


def pairs_of(members, concepts, weights, *, is_root=False, usable=True):
    column, row = np.expand_dims(members, 1), np.expand_dims(concepts, 0)
    both = column & row
    return Pairs(
        member=jnp.expand_dims(jnp.arange(len(members), dtype=jnp.int32), 1),
        concept=jnp.expand_dims(jnp.arange(len(concepts), dtype=jnp.int32), 0),
        sum_both=as_wide(both @ weights),
        num_both=counts_of(both),
        sum_member=as_wide(column @ weights),
        num_member=counts_of(column),
        sum_concept=as_wide(row @ weights),
        num_concept=counts_of(row),
        is_root=jnp.full((len(members), 1), is_root),
        usable=jnp.full((1, len(concepts)), usable),
    )


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
    weights = np.array([1, 10, 100, 1000, 10_000])
    pairs = pairs_of(member, concept, weights)
    counts = candidates.kind_counts(pairs, num_samples=5)
    sums = candidates.kind_sums(pairs, as_wide(weights.sum()))
    assert [int(n[0, 0]) for n in counts] == [1, 5, 2, 3]
    found = [int(exact.to_int64(s)[0, 0]) for s in sums]
    assert found == [100, 11_111, 11, 111]


def test_sums_and_counts_are_those_of_the_masks(rng):
    members, concepts = random_masks(rng)
    weights = rng.integers(-(10**12), 10**12, NUM_SAMPLES)
    pairs = pairs_of(members, concepts, weights)
    counts = candidates.kind_counts(pairs, num_samples=NUM_SAMPLES)
    sums = candidates.kind_sums(pairs, as_wide(weights.sum()))
    for mask, count, total in zip(
        extended(members, concepts), counts, sums, strict=True
    ):
        np.testing.assert_array_equal(count, mask.sum(-1))
        np.testing.assert_array_equal(exact.to_int64(total), mask @ weights)


def test_an_extension_is_new_unless_it_is_constant_or_one_of_its_parts(rng):
    members, concepts = random_masks(rng)
    pairs = pairs_of(members, concepts, np.zeros(NUM_SAMPLES, int))
    found = candidates.kind_is_new(pairs, num_samples=NUM_SAMPLES)
    old = 0
    for kind, mask in enumerate(extended(members, concepts)):
        literal = np.expand_dims(concepts ^ bool(kind & NEGATION_BIT), 0)
        is_part = (mask == np.expand_dims(members, 1)).all(-1)
        is_part |= (mask == literal).all(-1)
        # Constant masks are left to the bounds.
        decided = (0 < mask.sum(-1)) & (mask.sum(-1) < NUM_SAMPLES)
        np.testing.assert_array_equal(
            np.asarray(found[kind])[decided], ~is_part[decided]
        )
        old += (is_part & decided).sum()
    assert old > 50


def test_the_empty_formula_is_extended_by_each_literal_once(rng):
    _, concepts = random_masks(rng)
    root = np.ones((1, NUM_SAMPLES), bool)
    pairs = pairs_of(root, concepts, np.zeros(NUM_SAMPLES, int), is_root=True)
    is_new = candidates.kind_is_new(pairs, num_samples=NUM_SAMPLES)
    assert [bool(kind.all()) for kind in is_new] == [True, False, True, False]
    assert [bool(kind.any()) for kind in is_new] == [True, False, True, False]


def test_empty_slots_and_concepts_that_are_not_usable_are_not_extended(rng):
    members, concepts = random_masks(rng)
    weights = np.zeros(NUM_SAMPLES, int)
    nothing = pairs_of(np.zeros_like(members), concepts, weights)
    unusable = pairs_of(members, concepts, weights, usable=False)
    for pairs in (nothing, unusable):
        is_new = candidates.kind_is_new(pairs, num_samples=NUM_SAMPLES)
        assert not any(bool(kind.any()) for kind in is_new)


def test_pairs_are_taken_by_member_then_concept(rng):
    members, concepts = random_masks(rng)
    pairs = pairs_of(members, concepts, rng.integers(-9, 9, NUM_SAMPLES))
    positions = jnp.array([0, 41, 199, 41], jnp.int32)
    some = candidates.take_pairs(pairs, positions)
    assert some.member.tolist() == [0, 1, 4, 1]
    assert some.concept.tolist() == [0, 1, 39, 1]
    np.testing.assert_array_equal(some.num_both, pairs.num_both.reshape(-1)[positions])
    np.testing.assert_array_equal(some.num_member, members.sum(1)[some.member])
    np.testing.assert_array_equal(
        some.sum_concept.low, pairs.sum_concept.low[0, some.concept]
    )
