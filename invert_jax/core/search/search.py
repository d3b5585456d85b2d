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

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, Int

from invert_jax.core import exact
from invert_jax.core.objectives.objective import Objective
from invert_jax.core.search.beam import Beam, empty_beam
from invert_jax.core.search.candidates import (
    NUM_KINDS,
    Pairs,
    Parents,
    extensions,
    possible_scores,
)
from invert_jax.core.search.limits import Limits
from invert_jax.core.search.order import merge
from invert_jax.core.search.packing import (
    ConceptTable,
    pad_concepts,
    sum_of_all,
    sums_of_both,
)
from invert_jax.core.search.shortlist import GROUP, list_best, lowest_rival, open_scores


class Found(NamedTuple):
    """The beam of one neuron after each step, as in `Beam`, without the supports."""

    literals: Int[Array, "*steps beam length"]
    operators: Int[Array, "*steps beam"]
    lengths: Int[Array, "*steps beam"]
    sums: exact.Wide
    num_positives: Int[Array, "*steps beam"]


def search(
    weights: Float[Array, "chunks limbs rows"],
    table: ConceptTable,
    *,
    objective: Objective,
    limits: Limits,
    is_active: Bool[Array, ""] | bool = True,
) -> Found:
    """The best formulas of one neuron after each step.

    Args:
        weights: Limbs of the sum of weights over each distinct row.
        table: The concepts; none may be constant, no two equal.
        objective: What to maximize.
        limits: Sizes and limits.
        is_active: Whether to search at all; if not, all slots stay empty.
    """
    total = sum_of_all(weights)
    table = pad_concepts(table, multiple=GROUP)
    num_chunks, num_concepts, num_words = table.words.shape
    every = jnp.ones(num_concepts, bool)
    num_samples = jnp.where(is_active, jnp.int32(limits.num_samples), 0)
    root = _root(total, table, num_samples, limits)
    parents = _pair(root, every, None, weights, table, total)
    concepts = jax.tree.map(lambda part: part[0], parents.pairs.sum_both)
    usable = _usable(concepts, table, objective, limits)
    extend = partial(keep_best, table=table, objective=objective, limits=limits)
    nothing = empty_beam(
        limits.beam_size,
        max_length=limits.max_length,
        words_shape=(num_chunks, num_words),
    )
    first = extend(nothing, parents)

    def lengthen(beam, _):
        beam = extend(beam, _pair(beam, usable, concepts, weights, table, total))
        return beam, _found(beam)

    _, later = lax.scan(lengthen, first, length=limits.max_length - 1)
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
    limits: Limits,
) -> Beam:
    """The best of `kept` and of all extensions of the parents, one per support."""
    pairs, total, num_samples = parents.pairs, parents.total, limits.num_samples
    list_size = min(limits.list_size, pairs.num_both.size * NUM_KINDS)
    possible = partial(possible_scores, total=total, objective=objective, limits=limits)

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
            objective=objective, limits=limits,
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


def _root(
    total: exact.Wide,
    table: ConceptTable,
    num_samples: Int[Array, ""],
    limits: Limits,
) -> Beam:
    """The empty formula, true everywhere, as a beam of one."""
    root = empty_beam(1, max_length=limits.max_length, words_shape=table.filled.shape)
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
    concepts: exact.Wide, table: ConceptTable, objective: Objective, limits: Limits
) -> Bool[Array, " concepts"]:
    """The concepts that extensions may use: those of largest |2 score - 1|."""
    num_concepts = len(table.num_positives)
    if limits.num_usable is None or limits.num_usable >= num_concepts:
        return jnp.ones(num_concepts, bool)
    losses = objective.loss(
        exact.absolute(concepts), table.num_positives, num_samples=limits.num_samples
    )
    positions = jnp.arange(num_concepts, dtype=jnp.int32)
    ranked = lax.sort((*losses, positions), num_keys=len(losses) + 1)[-1]
    return jnp.zeros(num_concepts, bool).at[ranked[: limits.num_usable]].set(True)


def _found(beam: Beam) -> Found:
    """The formulas without their supports."""
    return Found(*beam[:-1])
