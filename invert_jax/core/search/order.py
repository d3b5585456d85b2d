"""The order of formulas: exact scores, then the rule for ties."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Int

from invert_jax.core import exact
from invert_jax.core.objectives.objective import Objective
from invert_jax.core.search.beam import Beam, Formulas, pick

LAST = np.iinfo(np.int32).max


def merge(
    kept: Beam,
    candidates: Beam,
    *,
    objective: Objective,
    num_samples: Int[ArrayLike, ""],
) -> Beam:
    """The best formulas of both, one per support, in exact order.

    Returns:
        A beam of the size of `kept`.
    """
    size = kept.numbers.shape[1]
    pool = Beam(
        *(lax.concatenate(both, 1) for both in zip(kept, candidates, strict=True))
    )
    total = np.int32(pool.numbers.shape[1])
    ranks = exact_ranks(pool.formulas, objective=objective, num_samples=num_samples)
    each = np.arange(total, dtype=np.int32).reshape(1, -1)
    filled = pool.formulas.num_positives > 0
    codes = jnp.where(filled, ranks * total + each, LAST)

    def take_first(codes, _):
        first = codes.min(1, keepdims=True)
        of_first = pick(pool.words, lax.rem(first, total))
        same = (pool.words == of_first).all((2, 3))
        return jnp.where(same, LAST, codes), first[:, 0]

    first = lax.scan(take_first, codes, length=size)[1].T
    chosen = Beam(*(pick(field, lax.rem(first, total)) for field in pool))
    is_filled = jnp.expand_dims(first < LAST, 2)
    return chosen._replace(numbers=jnp.where(is_filled, chosen.numbers, 0))


def exact_ranks(
    formulas: Formulas, *, objective: Objective, num_samples: Int[ArrayLike, ""]
) -> Int[Array, "neurons formulas"]:
    """How many formulas come before each; without meaning for empty slots."""
    losses = objective.loss(
        exact.normalize(formulas.sums), formulas.num_positives, num_samples=num_samples
    )
    column, row = (
        jax.tree.map(partial(jnp.expand_dims, axis=axis), losses) for axis in (2, 1)
    )
    literals = (
        formulas.literals[..., each] for each in range(formulas.literals.shape[-1])
    )
    # The first key that differs decides; the score before all others.
    keys = (
        formulas.lengths, -formulas.num_positives, *literals, formulas.operators,
    )  # fmt: skip
    after = exact.compare(column, row)
    for key in keys:
        difference = jnp.expand_dims(key, 2) - jnp.expand_dims(key, 1)
        after = jnp.where(after == 0, difference, after)
    filled = jnp.expand_dims(formulas.num_positives > 0, 1)
    return ((after > 0) & filled).sum(2, dtype=jnp.int32)


def extensions_order(
    members: Formulas, other: Formulas
) -> tuple[Int[Array, "neurons beam"], Int[Array, "neurons 1"]]:
    """How extensions of the members compare with one formula, of equal score and size.

    Args:
        members: The formulas to extend.
        other: The formula.

    Returns:
        Per member a positive number if all its extensions come after the other formula,
        a negative one if all come before, 0 if the new literal decides; and the other's
        last literal.
    """
    length = members.literals.shape[-1]
    place = np.arange(length, dtype=np.int32).reshape(1, 1, -1)
    is_compared = place < jnp.expand_dims(members.lengths, -1)
    signs = jnp.sign(members.literals - other.literals)
    # The first that differs outweighs all others.
    weights = np.int32(1) << (length - 1 - place)
    by_literals = (jnp.where(is_compared, signs, 0) * weights).sum(-1, dtype=jnp.int32)
    by_length = members.lengths + 1 - other.lengths
    is_last = place == jnp.expand_dims(other.lengths - 1, -1)
    last = jnp.where(is_last, other.literals, 0).sum(-1, dtype=jnp.int32)
    return jnp.where(by_length == 0, by_literals, by_length), last


def comes_after(
    by_member: Int[Array, "..."],
    literal: Int[Array, "..."],
    operators: Int[Array | np.ndarray, "..."],
    *,
    last: Int[Array, "..."],
    other_operators: Int[Array | np.ndarray, "..."],
) -> Bool[Array, "..."]:
    """Whether an extension comes after the formula of `extensions_order`."""
    by_operators = (literal == last) & (operators > other_operators)
    return (by_member > 0) | ((by_member == 0) & ((literal > last) | by_operators))
