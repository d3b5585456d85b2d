"""The shortlist: few candidates, by scores in float32, that hold the exact best."""

from collections.abc import Callable
from functools import reduce

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int

from invert_jax.core import exact
from invert_jax.core.objectives.objective import Objective
from invert_jax.core.search.beam import Beam
from invert_jax.core.search.candidates import (
    NEGATION_BIT,
    NUM_KINDS,
    OPERATOR_BIT,
    Pairs,
    Parents,
    kind_counts,
    kind_sums,
    possible_scores,
    take_pairs,
)
from invert_jax.core.search.limits import Limits
from invert_jax.core.search.order import comes_after, extensions_order

GROUP = 32


def largest(scores: Float[Array, " scores"], count: int) -> Int[Array, " count"]:
    """Positions of the `count` largest scores, best first; the earlier wins a tie.

    The `count` largest lie in the `count` groups of largest maximum, so that only the
    group maxima and those groups are sorted.

    >>> largest(jnp.array([1.0, 3.0, 3.0, 2.0]), 3).tolist()
    [1, 2, 3]
    """
    num_groups = -(-len(scores) // GROUP)
    if num_groups <= 2 * count:
        return lax.top_k(scores, count)[1]
    grouped = scores
    if len(scores) % GROUP:
        padding = (0, num_groups * GROUP - len(scores))
        grouped = jnp.pad(scores, padding, constant_values=-jnp.inf)
    grouped = grouped.reshape(num_groups, GROUP)
    groups = jnp.sort(lax.top_k(grouped.max(1), count)[1])
    within = lax.top_k(grouped[groups].reshape(-1), count)[1]
    return groups[within // GROUP] * GROUP + within % GROUP


def in_order(
    scores: Float[Array, " scores"], positions: Int[Array, " scores"], count: int
) -> tuple[Float[Array, " count"], Int[Array, " count"]]:
    """The `count` largest scores and their positions; the smaller position wins a tie.

    >>> in_order(jnp.array([1.0, 2.0, 2.0]), jnp.array([7, 9, 8]), 2)[1].tolist()
    [8, 9]
    """
    negated, ordered = lax.sort((-scores, positions), num_keys=2)
    return -negated[:count], ordered[:count]


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
    limits: Limits,
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
        limits: Sizes and limits.
    """
    total, num_concepts = parents.total, parents.pairs.concept.size
    by_member, last_literal = extensions_order(parents.beam, worst)
    position = (pairs.member * num_concepts + pairs.concept) * NUM_KINDS
    kinds = zip(
        possible_scores(pairs, total=total, objective=objective, limits=limits),
        kind_sums(pairs, total),
        kind_counts(pairs, num_samples=limits.num_samples),
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
