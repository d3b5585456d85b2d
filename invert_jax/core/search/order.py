"""The order of formulas: exact scores, then the rule for ties."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Int

from invert_jax.core import exact
from invert_jax.core.objectives.objective import Objective
from invert_jax.core.search.beam import Beam, empty_beam

WORST = np.iinfo(np.int32).max


def merge(
    kept: Beam, candidates: Beam, *, objective: Objective, num_samples: int
) -> Beam:
    """The best formulas of both, one per support, in exact order.

    Returns:
        A beam of the size of `kept`.
    """
    size = len(kept.lengths)
    pool = jax.tree.map(lambda a, b: jnp.concatenate((a, b)), kept, candidates)
    order = exact_order(pool, objective=objective, num_samples=num_samples)
    pool = jax.tree.map(lambda field: field[order], pool)

    def take_first(is_open, _):
        index = lax.argmax(is_open, 0, jnp.int32)
        same = (pool.words == jnp.expand_dims(pool.words[index], 0)).all((1, 2))
        return is_open & ~same, (index, is_open[index])

    _, (chosen, filled) = lax.scan(take_first, pool.num_positives > 0, length=size)
    empty = empty_beam(
        size, max_length=pool.literals.shape[1], words_shape=pool.words.shape[1:]
    )
    return jax.tree.map(
        lambda field, nothing: jnp.where(
            filled.reshape(size, *(1,) * (field.ndim - 1)), field[chosen], nothing
        ),
        pool,
        empty,
    )


def exact_order(
    beam: Beam, *, objective: Objective, num_samples: int
) -> Int[Array, " beam"]:
    """Positions of the formulas from best to worst; empty slots among the worst."""
    filled = beam.num_positives > 0
    losses = objective.loss(
        exact.normalize(beam.sums), beam.num_positives, num_samples=num_samples
    )
    keys = (
        *(jnp.where(filled, loss, WORST) for loss in losses),
        beam.lengths,
        -beam.num_positives,
        *beam.literals.T,
        beam.operators,
    )
    positions = jnp.arange(len(filled), dtype=jnp.int32)
    return lax.sort((*keys, positions), num_keys=len(keys))[-1]


def extensions_order(
    members: Beam, other: Beam
) -> tuple[Int[Array, " beam"], Int[Array, ""]]:
    """How extensions of the members compare with one formula, of equal score and size.

    Args:
        members: The formulas to extend.
        other: A beam of one formula.

    Returns:
        Per member 1 if all its extensions come after the other formula, -1 if all come
        before, 0 if the new literal decides; and the other's last literal.
    """
    length = other.lengths[0]
    position = jnp.arange(members.literals.shape[1], dtype=jnp.int32)
    compared = jnp.expand_dims(position, 0) < jnp.expand_dims(members.lengths, 1)
    difference = jnp.where(compared, jnp.sign(members.literals - other.literals), 0)
    first = lax.argmax(difference != 0, 1, jnp.int32)
    by_literals = jnp.take_along_axis(difference, jnp.expand_dims(first, 1), 1)[:, 0]
    by_length = jnp.sign(members.lengths + 1 - length)
    last = other.literals[0, jnp.maximum(length - 1, 0)]
    return jnp.where(by_length == 0, by_literals, by_length), last


def comes_after(
    by_member: Int[Array, "..."],
    literal: Int[Array, "..."],
    operators: Int[Array, "..."],
    *,
    last: Int[Array, ""],
    other_operators: Int[Array, ""],
) -> Bool[Array, "..."]:
    """Whether an extension comes after the formula of `extensions_order`."""
    by_operators = (literal == last) & (operators > other_operators)
    return (by_member > 0) | ((by_member == 0) & ((literal > last) | by_operators))
