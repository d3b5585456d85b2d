"""Beam search over left-linear formulas, exact, for one neuron.

A formula is ((l1 o l2) o l3) ..., where each literal l is a concept or its negation
and each o is AND or OR. Step 1 keeps the best literals; each later step lets every
member of the beam compete with all its extensions by one literal, so that the length
asked for is a maximum [1]. One formula stands for all of the same support; without
that rule copies fill the beam.

All candidates are scored in float32 first. The best few are listed and decided
exactly, and listing goes on as long as a candidate that was not listed could still
beat the last formula kept: no fixed width is trusted.

[1] Bykov et al., "Labeling Neural Representations with Inverse Recognition", NeurIPS
2023, section 3.
"""

from collections.abc import Callable
from functools import partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, Int

from invert_jax.core import exact
from invert_jax.core.beam import (
    Beam,
    comes_after,
    empty_beam,
    extensions_order,
    merge,
)
from invert_jax.core.candidates import (
    NEGATION_BIT,
    NUM_KINDS,
    OPERATOR_BIT,
    Bounds,
    Pairs,
    kind_counts,
    kind_sums,
    possible_scores,
    take_pairs,
)
from invert_jax.core.objectives import Objective
from invert_jax.core.packing import (
    ConceptTable,
    pad_concepts,
    sum_of_all,
    sums_of_both,
)
from invert_jax.core.shortlist import GROUP, in_order, largest


class Settings(NamedTuple):
    """Sizes and rules of a search; all are static.

    Attributes:
        num_samples: N.
        min_positives: Smallest support, at least 1.
        max_positives: Largest support, below N.
        max_length: Most literals of a formula.
        beam_size: Formulas kept per step.
        num_usable: Concepts that extensions may use; None for all.
        list_size: Candidates decided exactly at a time; changes no result.
    """

    num_samples: int
    min_positives: int
    max_positives: int
    max_length: int
    beam_size: int
    num_usable: int | None = None
    list_size: int = 32

    @property
    def bounds(self) -> Bounds:
        """Sizes of support that a formula may have."""
        return Bounds(self.num_samples, self.min_positives, self.max_positives)


class Found(NamedTuple):
    """The beam of one neuron after each step, as in `Beam`, without the supports."""

    literals: Int[Array, "*steps beam length"]
    operators: Int[Array, "*steps beam"]
    lengths: Int[Array, "*steps beam"]
    sums: exact.Wide
    num_positives: Int[Array, "*steps beam"]


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


def search(
    weights: Float[Array, "chunks limbs rows"],
    table: ConceptTable,
    *,
    objective: Objective,
    settings: Settings,
    is_active: Bool[Array, ""] | bool = True,
) -> Found:
    """The best formulas of one neuron after each step.

    Args:
        weights: Limbs of the sum of weights over each distinct row.
        table: The concepts; none may be constant, no two equal.
        objective: What to maximize.
        settings: Sizes and rules.
        is_active: Whether to search at all; if not, all slots stay empty.
    """
    total = sum_of_all(weights)
    table = pad_concepts(table, multiple=GROUP)
    num_chunks, num_concepts, num_words = table.words.shape
    every = jnp.ones(num_concepts, bool)
    num_samples = jnp.where(is_active, jnp.int32(settings.num_samples), 0)
    root = _root(total, table, num_samples, settings)
    parents = _pair(root, every, None, weights, table, total)
    concepts = jax.tree.map(lambda part: part[0], parents.pairs.sum_both)
    usable = _usable(concepts, table, objective, settings)
    extend = partial(keep_best, table=table, objective=objective, settings=settings)
    nothing = empty_beam(
        settings.beam_size,
        max_length=settings.max_length,
        words_shape=(num_chunks, num_words),
    )
    first = extend(nothing, parents)

    def lengthen(beam, _):
        beam = extend(beam, _pair(beam, usable, concepts, weights, table, total))
        return beam, _found(beam)

    _, later = lax.scan(lengthen, first, length=settings.max_length - 1)
    return jax.tree.map(
        lambda one, rest: jnp.concatenate((jnp.expand_dims(one, 0), rest)),
        _found(first),
        later,
    )


def keep_best(
    kept: Beam,
    parents: Parents,
    *,
    table: ConceptTable,
    objective: Objective,
    settings: Settings,
) -> Beam:
    """The best of `kept` and of all extensions of the parents, one per support."""
    pairs, total, num_samples = parents.pairs, parents.total, settings.num_samples
    list_size = min(settings.list_size, pairs.num_both.size * NUM_KINDS)
    possible = partial(
        possible_scores, total=total, objective=objective, bounds=settings.bounds
    )

    def is_wanted(state):
        return state[-1]

    def list_more(state):
        kept, scores, positions, _ = state
        # Without the barrier XLA computes ahead of the loop what of the scores does
        # not change in it, needed or not.
        some, last = lax.optimization_barrier((pairs, (scores[-1], positions[-1])))
        worst = jax.tree.map(lambda field: field[-1:], kept)
        is_open = partial(
            open_scores, worst=worst, last=last, parents=parents,
            objective=objective, settings=settings,
        )  # fmt: skip
        return kept, *list_best(is_open, some, list_size), jnp.bool_(False)

    def decide(state):
        kept, scores, positions, _ = state
        candidates = extensions(scores, positions, parents, table, num_samples)
        kept = merge(kept, candidates, objective=objective, num_samples=num_samples)
        rival = lowest_rival(kept, objective, num_samples)
        more = (scores[-1] >= rival) & (scores[-1] > -jnp.inf)
        # A condition, as a loop: in a block of neurons it runs only if any needs it.
        listed = lax.while_loop(is_wanted, list_more, (kept, scores, positions, more))
        return *listed[:-1], more

    start = (kept, *list_best(possible, pairs, list_size), jnp.bool_(True))
    return lax.while_loop(is_wanted, decide, start)[0]


def list_best(
    score: Callable[[Pairs], tuple[Array, ...]], pairs: Pairs, list_size: int
) -> tuple[Float[Array, " listed"], Int[Array, " listed"]]:
    """Scores and positions of the best open candidates, best first.

    A position is 4 (member K + concept) + kind. The pairs are sifted by their best
    kind, so that only few candidates are sorted.
    """
    # Behind a barrier: what follows reads them twice, and they would be made twice.
    best_kinds = lax.optimization_barrier(reduce(jnp.maximum, score(pairs)))
    best_kinds = best_kinds.reshape(-1)
    chosen = jnp.sort(largest(best_kinds, min(list_size, best_kinds.size)))
    some = take_pairs(pairs, chosen)
    scores = jnp.stack(score(some), axis=1)
    kinds = jnp.arange(NUM_KINDS, dtype=jnp.int32)
    positions = jnp.expand_dims(chosen * NUM_KINDS, 1) + jnp.expand_dims(kinds, 0)
    return in_order(scores.reshape(-1), positions.reshape(-1), list_size)


def open_scores(
    pairs: Pairs,
    *,
    worst: Beam,
    last: tuple[Float[Array, ""], Int[Array, ""]],
    parents: Parents,
    objective: Objective,
    settings: Settings,
) -> tuple[Float[Array, "..."], ...]:
    """As `possible_scores`; -inf also for what is out of the race.

    Out are those up to the last one listed, and those of the score and size of the last
    formula kept that come after it.

    Args:
        pairs: What to score; a part of the parents' pairs.
        worst: The last formula kept, a beam of one.
        last: Score and position of the last candidate listed.
        parents: What is extended.
        objective: What to maximize.
        settings: Sizes and rules.
    """
    total, num_concepts = parents.total, parents.pairs.concept.size
    bounds = settings.bounds
    by_member, last_literal = extensions_order(parents.beam, worst)
    position = (pairs.member * num_concepts + pairs.concept) * NUM_KINDS
    kinds = zip(
        possible_scores(pairs, total=total, objective=objective, bounds=bounds),
        kind_sums(pairs, total),
        kind_counts(pairs, num_samples=settings.num_samples),
        strict=True,
    )
    scores = []
    for kind, (approximate, sums, count) in enumerate(kinds):
        listed = (approximate > last[0]) | (
            (approximate == last[0]) & (position + kind <= last[1])
        )
        beaten = (count == worst.num_positives[0]) & comes_after(
            by_member[pairs.member],
            2 * pairs.concept + int(kind & NEGATION_BIT > 0),
            2 * parents.beam.operators[pairs.member] + (kind & OPERATOR_BIT),
            last=last_literal,
            other_operators=worst.operators[0],
        )
        beaten = beaten & exact.equal(sums, jax.tree.map(lambda x: x[0], worst.sums))
        scores.append(jnp.where(listed | beaten, -jnp.inf, approximate))
    return tuple(scores)


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


def lowest_rival(
    kept: Beam, objective: Objective, num_samples: int
) -> Float[Array, ""]:
    """Approximate score below which no candidate can beat the last formula kept."""
    worst = jax.tree.map(lambda field: field[-1], kept)
    score = objective.approximate(
        exact.to_float32(worst.sums), worst.num_positives, num_samples=num_samples
    )
    # Both scores err by the margin at most, and they are of nearly the same size where
    # the order is in doubt; twice that is the safe side.
    margin = 4 * objective.margin * jnp.abs(score)
    return jnp.where(worst.num_positives > 0, score - margin, -jnp.inf)


def _root(
    total: exact.Wide,
    table: ConceptTable,
    num_samples: Int[Array, ""],
    settings: Settings,
) -> Beam:
    """The empty formula, true everywhere, as a beam of one."""
    root = empty_beam(1, max_length=settings.max_length, words_shape=table.filled.shape)
    return root._replace(
        sums=jax.tree.map(lambda part: jnp.expand_dims(part, 0), total),
        num_positives=jnp.expand_dims(num_samples, 0).astype(jnp.int32),
        words=jnp.expand_dims(table.filled, 0),
    )


def _pair(
    beam: Beam,
    usable: Bool[Array, " concepts"],
    concepts: exact.Wide | None,
    weights: Float[Array, "chunks limbs rows"],
    table: ConceptTable,
    total: exact.Wide,
) -> Parents:
    """The members paired with all concepts.

    Args:
        beam: The members.
        usable: Concepts that may extend them.
        concepts: Sum of weights of each concept; of the pairs where None.
        weights: Limbs of the row sums.
        table: The concepts.
        total: Sum of all weights.
    """
    sums, counts = sums_of_both(beam.words.swapaxes(0, 1), weights, table)
    row = partial(jnp.expand_dims, axis=0)
    column = partial(jnp.expand_dims, axis=1)
    pairs = Pairs(
        member=column(jnp.arange(len(beam.lengths), dtype=jnp.int32)),
        concept=row(jnp.arange(len(usable), dtype=jnp.int32)),
        sum_both=sums,
        num_both=counts,
        sum_member=jax.tree.map(column, beam.sums),
        num_member=column(beam.num_positives),
        sum_concept=sums if concepts is None else jax.tree.map(row, concepts),
        num_concept=row(table.num_positives),
        is_root=column(beam.lengths == 0),
        usable=row(usable),
    )
    return Parents(beam, pairs, total)


def _usable(
    concepts: exact.Wide, table: ConceptTable, objective: Objective, settings: Settings
) -> Bool[Array, " concepts"]:
    """The concepts that extensions may use: those of largest |2 score - 1|."""
    num_concepts = len(table.num_positives)
    if settings.num_usable is None or settings.num_usable >= num_concepts:
        return jnp.ones(num_concepts, bool)
    losses = objective.loss(
        exact.absolute(concepts), table.num_positives, num_samples=settings.num_samples
    )
    positions = jnp.arange(num_concepts, dtype=jnp.int32)
    ranked = lax.sort((*losses, positions), num_keys=len(losses) + 1)[-1]
    return jnp.zeros(num_concepts, bool).at[ranked[: settings.num_usable]].set(True)


def _found(beam: Beam) -> Found:
    """The formulas without their supports."""
    return Found(*beam[:-1])
