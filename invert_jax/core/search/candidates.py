"""Scores of every formula one literal longer than a given one.

With S(m) the sum of weights and n(m) the number of samples where m holds, mc the
samples where both m and the concept c hold, and N the number of all, the four kinds of
extension have

    m AND c:      S(mc)                n(mc)
    m OR c:       S(m) + S(c) - S(mc)  n(m) + n(c) - n(mc)
    m AND NOT c:  S(m) - S(mc)         n(m) - n(mc)
    m OR NOT c:   S(mc) - S(c)         N - n(c) + n(mc)

in canonical order: bit 0 of the kind is the operator, bit 1 the negation. (All weights
sum to zero.) What is said of pairs is said element by element, of fields that broadcast
against each other.
"""

from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int

from invert_jax.core import exact
from invert_jax.core.objectives.objective import Objective
from invert_jax.core.search.beam import Beam, Formulas, formulas_of, pick, table_of
from invert_jax.core.search.limits import Bounds
from invert_jax.core.search.packing import ConceptTable, Measure, measure_of

NUM_KINDS = 4
OPERATOR_BIT = 1
NEGATION_BIT = 2

Kind = Array | np.ndarray
T = TypeVar("T")


class Pairs(NamedTuple):
    """Members of a beam paired with concepts.

    Attributes:
        both: Where both hold.
        member: Where the member holds; nowhere if its slot is empty.
        concept: Where the concept holds.
    """

    both: Measure
    member: Measure
    concept: Measure


class Parents(NamedTuple):
    """What is extended, and all that the scores of the extensions follow from.

    A candidate of B members and K concepts has a position: (kind B + member) K +
    concept.

    Attributes:
        beam: The formulas to extend.
        both: Where a member and a concept hold, as `packing.sums_of_both`.
        concepts: Where the concepts hold, as `packing.sums_of_concepts`.
        usable: Concepts that may extend a formula.
        is_root: Whether the formula is the empty one, true everywhere.
    """

    beam: Beam
    both: Int[Array, "neurons members digits concepts"]
    concepts: Int[Array, "neurons digits concepts"]
    usable: Bool[Array, "#neurons concepts"]
    is_root: Bool[Array, ""]

    @property
    def pairs(self) -> Pairs:
        """All members with all concepts; [neurons, members, concepts]."""
        formulas = self.beam.formulas
        members = Measure(formulas.sums, formulas.num_positives)
        return Pairs(
            measure_of(self.both),
            with_axes(members, 2),
            with_axes(measure_of(self.concepts), 1),
        )

    def pairs_of(
        self, member: Int[Array, "neurons some"], concept: Int[Array, "neurons some"]
    ) -> tuple[Pairs, Formulas]:
        """Some members, each with a concept; and the members."""
        formulas = formulas_of(pick(self.beam.numbers, member))
        both = _pick_digits(self.both, member, concept)
        root = jnp.zeros_like(member)
        concepts = _pick_digits(jnp.expand_dims(self.concepts, 1), root, concept)
        members = Measure(formulas.sums, formulas.num_positives)
        return Pairs(measure_of(both), members, measure_of(concepts)), formulas


def with_axes(fields: T, *axes: int) -> T:
    """The arrays with axes of length 1, to broadcast against others."""
    return jax.tree.map(lambda field: lax.expand_dims(field, axes), fields)


def _pick_digits(
    digits: Int[Array, "neurons members digits concepts"],
    member: Int[Array, "neurons some"],
    concept: Int[Array, "neurons some"],
) -> Int[Array, "neurons digits some"]:
    """For each neuron the digits of some members and concepts."""
    num_neurons, size, num_digits, num_concepts = digits.shape
    first = size * np.arange(num_neurons, dtype=np.int32)
    rows = digits.reshape(num_neurons * size, num_digits, num_concepts)
    index = jnp.stack((member + np.expand_dims(first, 1), concept), 2)
    numbers = lax.GatherDimensionNumbers(
        offset_dims=(1,), collapsed_slice_dims=(0, 2), start_index_map=(0, 2)
    )
    sizes = (1, num_digits, 1)
    return lax.gather(rows, index, numbers, sizes, mode=lax.GatherScatterMode.CLIP)


def bits_of(kind: Int[Kind, "..."]) -> tuple[Int[Kind, "..."], Int[Kind, "..."]]:
    """Whether a kind has OR, and whether it has NOT; 0 or 1."""
    return kind & OPERATOR_BIT, (kind & NEGATION_BIT) >> 1


def extended(
    pairs: Pairs, kind: Int[Kind, "..."], num_samples: Int[ArrayLike, ""]
) -> Measure:
    """Where an extension of a kind holds."""
    is_or, negated = bits_of(kind)
    of_member = is_or ^ negated
    of_concept, of_both = is_or * (1 - 2 * negated), 1 - 2 * of_member

    def add(member, concept, both):
        return of_member * member + of_concept * concept + of_both * both

    sums, count = jax.tree.map(add, pairs.member, pairs.concept, pairs.both)
    return Measure(sums, count + (is_or & negated) * num_samples)


def is_new(
    pairs: Pairs,
    kind: Int[Kind, "..."],
    num_samples: Int[ArrayLike, ""],
    is_root: Bool[ArrayLike, ""],
) -> Bool[Array, "..."]:
    """Whether the support of an extension is neither its member's nor its literal's.

    Absorption shows in the counts: n(mc) = n(m) where m implies c, n(mc) = n(c) where c
    implies m, n(mc) = 0 where they exclude each other, and n(mc) = n(m) + n(c) - N
    where one of them always holds. A literal that is not in the beam lost to every
    member of it, so that its copies may go as well. The empty formula is extended by
    AND alone.
    """
    both, member, concept = (each.num_positives for each in pairs)
    nested = (both == member) | (both == concept)
    disjoint = (both == 0) | (both == member + concept - num_samples)
    is_or, negated = (bit > 0 for bit in bits_of(kind))
    old = (nested & ~negated) | (disjoint & negated)
    return jnp.where(is_root, ~is_or, ~old) & (member > 0)


def possible_scores(
    parents: Parents,
    pairs: Pairs,
    kind: Int[Array, ""],
    *,
    objective: Objective,
    bounds: Bounds,
) -> Float[Array, "neurons members concepts"]:
    """Approximate scores of the extensions of a kind; -inf out of bounds or old."""
    sums, count = extended(pairs, kind, bounds.num_samples)
    approximate = objective.approximate(
        exact.to_float32(sums), count, num_samples=bounds.num_samples
    )
    possible = is_new(pairs, kind, bounds.num_samples, parents.is_root)
    possible &= jnp.expand_dims(parents.usable, 1)
    possible &= (count >= bounds.min_positives) & (count <= bounds.max_positives)
    return jnp.where(possible, approximate, -jnp.inf)


def extensions(
    parents: Parents,
    positions: Int[Array, "neurons listed"],
    is_listed: Bool[Array, "neurons listed"],
    table: ConceptTable,
    num_samples: Int[ArrayLike, ""],
) -> Beam:
    """The candidates at positions as formulas; empty slots for those not listed."""
    size, _, num_concepts = map(np.int32, parents.both.shape[1:])
    row, concept = lax.div(positions, num_concepts), lax.rem(positions, num_concepts)
    kind, member = lax.div(row, size), lax.rem(row, size)
    pairs, members = parents.pairs_of(member, concept)
    is_or, negated = bits_of(kind)
    length = members.literals.shape[-1]
    slot = np.arange(length, dtype=np.int32).reshape(1, 1, -1)
    added = slot == jnp.expand_dims(members.lengths, 2)
    literal = jnp.expand_dims(2 * concept + negated, 2)
    of_literal = jnp.take(table.words, concept, axis=0, mode="clip")
    of_literal ^= lax.expand_dims((-negated).astype(jnp.uint32), (2, 3))
    of_member = pick(parents.beam.words, member)
    either = lax.expand_dims((-is_or).astype(jnp.uint32), (2, 3))
    joined = (of_member & of_literal) | ((of_member | of_literal) & either)
    sums, count = extended(pairs, kind, num_samples)
    numbers = table_of(
        Formulas(
            literals=jnp.where(added, literal, members.literals),
            operators=2 * members.operators + is_or,
            lengths=members.lengths + 1,
            sums=exact.normalize(sums),
            num_positives=jnp.where(is_listed, count, 0),
        )
    )
    return Beam(numbers, joined & lax.expand_dims(table.filled, (0, 1)))
