"""Scores of every formula one literal longer than a given one.

With S(m) the sum of weights and n(m) the number of samples where m holds, mc the
samples where both m and the concept c hold, T and N the totals, the four kinds of
extension have

    m AND c:      S(mc)                n(mc)
    m OR c:       S(m) + S(c) - S(mc)  n(m) + n(c) - n(mc)
    m AND NOT c:  S(m) - S(mc)         n(m) - n(mc)
    m OR NOT c:   T - S(c) + S(mc)     N - n(c) + n(mc)

in canonical order: bit 0 of the kind is the operator, bit 1 the negation. All
functions work element by element, on fields that broadcast against each other.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from invert_jax.core import exact
from invert_jax.core.objectives.objective import Objective
from invert_jax.core.search.beam import Beam
from invert_jax.core.search.limits import Limits
from invert_jax.core.search.packing import (
    ConceptTable,
)

NUM_KINDS = 4
OPERATOR_BIT = 1
NEGATION_BIT = 2


class Pairs(NamedTuple):
    """Members of a beam paired with concepts.

    Attributes:
        member: Index of the member.
        concept: Index of the concept.
        sum_both: Sum of weights where both hold.
        num_both: Number of samples where both hold.
        sum_member: Sum of weights of the member.
        num_member: Support of the member; 0 in an empty slot.
        sum_concept: Sum of weights of the concept.
        num_concept: Support of the concept.
        is_root: Whether the member is the empty formula, true everywhere.
        usable: Whether the concept may extend a formula.
    """

    member: Int[Array, "..."]
    concept: Int[Array, "..."]
    sum_both: exact.Wide
    num_both: Int[Array, "..."]
    sum_member: exact.Wide
    num_member: Int[Array, "..."]
    sum_concept: exact.Wide
    num_concept: Int[Array, "..."]
    is_root: Bool[Array, "..."]
    usable: Bool[Array, "..."]


def take_pairs(pairs: Pairs, positions: Int[Array, " some"]) -> Pairs:
    """The pairs at positions member K + concept, each field one number per pair."""
    shape = pairs.num_both.shape
    member, concept = positions // shape[1], positions % shape[1]
    return jax.tree.map(
        lambda field: jnp.broadcast_to(field, shape)[member, concept], pairs
    )


def kind_sums(pairs: Pairs, total: exact.Wide) -> tuple[exact.Wide, ...]:
    """Sum of weights of each kind of extension, not normalized."""
    either = exact.plus(pairs.sum_member, pairs.sum_concept)
    return (
        pairs.sum_both,
        exact.minus(either, pairs.sum_both),
        exact.minus(pairs.sum_member, pairs.sum_both),
        exact.plus(exact.minus(total, pairs.sum_concept), pairs.sum_both),
    )


def kind_counts(pairs: Pairs, *, num_samples: int) -> tuple[Int[Array, "..."], ...]:
    """Support of each kind of extension."""
    return (
        pairs.num_both,
        pairs.num_member + pairs.num_concept - pairs.num_both,
        pairs.num_member - pairs.num_both,
        num_samples - pairs.num_concept + pairs.num_both,
    )


def kind_is_new(pairs: Pairs, *, num_samples: int) -> tuple[Bool[Array, "..."], ...]:
    """Whether the support of an extension is neither its member's nor its literal's.

    Absorption shows in the counts: n(mc) = n(m) where m implies c, n(mc) = n(c) where c
    implies m, n(mc) = 0 where they exclude each other, and n(mc) = n(m) + n(c) - N
    where one of them always holds. A literal that is not in the beam lost to every
    member of it, so that its copies may go as well. The empty formula is extended by
    AND alone.
    """
    outside = pairs.num_member + pairs.num_concept - num_samples
    both = pairs.num_both
    nested = (both == pairs.num_member) | (both == pairs.num_concept)
    disjoint = (both == 0) | (both == outside)
    possible = pairs.usable & (pairs.num_member > 0)
    first = possible & pairs.is_root
    later = possible & ~pairs.is_root
    return (
        first | (later & ~nested),
        later & ~nested,
        first | (later & ~disjoint),
        later & ~disjoint,
    )


def possible_scores(
    pairs: Pairs, *, total: exact.Wide, objective: Objective, limits: Limits
) -> tuple[Float[Array, "..."], ...]:
    """Approximate score of each kind of extension; -inf out of bounds or absorbed."""
    num_samples = limits.num_samples
    kinds = zip(
        kind_sums(pairs, total),
        kind_counts(pairs, num_samples=num_samples),
        kind_is_new(pairs, num_samples=num_samples),
        strict=True,
    )
    scores = []
    for sums, count, is_new in kinds:
        approximate = objective.approximate(
            exact.to_float32(sums), count, num_samples=num_samples
        )
        possible = is_new & (count >= limits.min_positives)
        possible &= count <= limits.max_positives
        scores.append(jnp.where(possible, approximate, -jnp.inf))
    return tuple(scores)


class Parents(NamedTuple):
    """What is extended, and all that the scores of the extensions follow from.

    Attributes:
        beam: The formulas to extend.
        pairs: Each of them paired with each concept.
        total: Sum of all weights.
    """

    beam: Beam
    pairs: Pairs
    total: exact.Wide


def extensions(
    scores: Float[Array, " listed"],
    positions: Int[Array, " listed"],
    parents: Parents,
    table: ConceptTable,
    num_samples: int,
) -> Beam:
    """The listed candidates as formulas; empty slots where the score is -inf."""
    pairs, beam = parents.pairs, parents.beam
    kind, pair = positions % NUM_KINDS, positions // NUM_KINDS
    some = take_pairs(pairs, pair)
    member, concept = some.member, some.concept
    counts = jnp.stack(kind_counts(some, num_samples=num_samples))
    by_kind = kind_sums(some, parents.total)
    sums = jax.tree.map(lambda *kinds: jnp.stack(kinds), *by_kind)
    each = jnp.arange(len(kind), dtype=jnp.int32)
    negated, operator = kind // NEGATION_BIT, kind & OPERATOR_BIT
    slot = jnp.expand_dims(jnp.arange(beam.literals.shape[1], dtype=jnp.int32), 0)
    lengths = beam.lengths[member]
    is_new = slot == jnp.expand_dims(lengths, 1)
    literal = jnp.expand_dims(2 * concept + negated, 1)
    words = table.words[:, concept].swapaxes(0, 1)
    flip = -negated.astype(jnp.uint32).reshape(-1, 1, 1)
    of_member, of_literal = beam.words[member], words ^ flip
    joined = jnp.where(
        operator.reshape(-1, 1, 1) > 0, of_member | of_literal, of_member & of_literal
    )
    filled = jnp.expand_dims(table.filled, 0)
    return Beam(
        literals=jnp.where(is_new, literal, beam.literals[member]),
        operators=2 * beam.operators[member] + operator,
        lengths=lengths + 1,
        sums=exact.normalize(jax.tree.map(lambda part: part[kind, each], sums)),
        num_positives=jnp.where(scores > -jnp.inf, counts[kind, each], 0),
        words=joined & filled,
    )
