"""The largest of many scores, with ties in a fixed order."""

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int

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
