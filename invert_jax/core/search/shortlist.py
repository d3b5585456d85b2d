"""The shortlist: few candidates, by scores in float32, that hold the exact best."""

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from invert_jax.core import exact
from invert_jax.core.objectives.objective import Objective
from invert_jax.core.search.beam import Formulas, pick
from invert_jax.core.search.candidates import (
    NUM_KINDS,
    Parents,
    bits_of,
    extended,
    possible_scores,
    with_axes,
)
from invert_jax.core.search.limits import Bounds
from invert_jax.core.search.order import comes_after, extensions_order

GROUP = 32


def largest(
    scores: Float[Array, "neurons scores"], count: int
) -> tuple[Float[Array, "neurons count"], Int[Array, "neurons count"]]:
    """The `count` largest scores of each neuron, best first, and their positions.

    The earlier wins a tie. They lie in the `count` groups of largest maximum, so that
    only the group maxima and those groups are sorted.

    >>> largest(jnp.array([[1.0, 3.0, 3.0, 2.0]]), 3)[1].tolist()
    [[1, 2, 3]]
    """
    num_neurons, num_scores = scores.shape
    num_groups = -(-num_scores // GROUP)
    if num_groups <= 2 * count:
        return _top_k(scores, count)
    grouped = scores
    if num_scores % GROUP:
        padding = ((0, 0), (0, num_groups * GROUP - num_scores))
        grouped = jnp.pad(scores, padding, constant_values=-jnp.inf)
    grouped = grouped.reshape(num_neurons, num_groups, GROUP)
    groups = jnp.sort(lax.top_k(grouped.max(2), count)[1])
    among = pick(grouped, groups).reshape(num_neurons, -1)
    found, within = _top_k(among, count)
    group = jnp.int32(GROUP)
    return found, pick(groups, lax.div(within, group)) * group + lax.rem(within, group)


def _top_k(scores: Float[Array, "neurons scores"], count: int) -> tuple[Array, Array]:
    """`lax.top_k`, whole: of a part of what it gives XLA makes a sort on a CPU."""
    values, positions = lax.top_k(scores, count)
    return lax.optimization_barrier(values), lax.optimization_barrier(positions)


def scores_in_race(
    parents: Parents,
    worst: Formulas,
    last: tuple[Float[Array, " neurons"], Int[Array, " neurons"]],
    *,
    objective: Objective,
    bounds: Bounds,
) -> Float[Array, "neurons scores"]:
    """Approximate scores of all candidates, by position; -inf for what is out.

    Out are those up to the last one listed, and those of the score and size of the last
    formula kept that come after it.

    Args:
        parents: What is extended.
        worst: The last formula kept; [neurons, 1].
        last: Score and position of the last candidate listed.
        objective: What to maximize.
        bounds: What may be answered.
    """
    num_neurons, size, _, num_concepts = parents.both.shape
    position = lax.iota(jnp.int32, size * num_concepts)
    position = position.reshape(1, size, num_concepts)
    concept = lax.broadcasted_iota(jnp.int32, (1, 1, num_concepts), 2)
    last_score, last_position = with_axes(last, 1, 2)
    pairs, members = parents.pairs, parents.beam.formulas
    by_member, last_literal = extensions_order(members, worst)

    def score_kind(kind, scores):
        of_kind = possible_scores(
            parents, pairs, kind, objective=objective, bounds=bounds
        )
        is_last = position + kind * (size * num_concepts) <= last_position
        is_listed = (of_kind > last_score) | ((of_kind == last_score) & is_last)
        is_or, negated = bits_of(kind)
        is_beaten = comes_after(
            with_axes(by_member, 2),
            2 * concept + negated,
            2 * with_axes(members.operators, 2) + is_or,
            last=with_axes(last_literal, 2),
            other_operators=with_axes(worst.operators, 2),
        )
        sums, count = extended(pairs, kind, bounds.num_samples)
        is_beaten &= count == with_axes(worst.num_positives, 2)
        is_beaten &= exact.equal(sums, with_axes(worst.sums, 2))
        left = jnp.where(is_listed | is_beaten, -jnp.inf, of_kind)
        return lax.dynamic_update_index_in_dim(scores, left, kind, 1)

    shape = (num_neurons, NUM_KINDS, size, num_concepts)
    nothing = jnp.zeros(shape, jnp.float32)
    scores = lax.fori_loop(jnp.int32(0), jnp.int32(NUM_KINDS), score_kind, nothing)
    return scores.reshape(num_neurons, -1)


def lowest_rival(
    worst: Formulas, objective: Objective, num_samples: Int[ArrayLike, ""]
) -> Float[Array, "..."]:
    """Approximate score below which no candidate can beat the last formula kept."""
    score = objective.approximate(
        exact.to_float32(worst.sums), worst.num_positives, num_samples=num_samples
    )
    # Both scores err by the margin at most, and they are of nearly the same size where
    # the order is in doubt; twice that is the safe side.
    margin = 4 * objective.margin * jnp.abs(score)
    return jnp.where(worst.num_positives > 0, score - margin, -jnp.inf)
