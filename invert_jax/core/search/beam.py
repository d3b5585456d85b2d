"""The state of a search: formulas of one neuron in their exact order.

Formulas compare by score as exact fractions, then fewer literals, then larger support,
then canonical order: the literals from left to right, each as (column, plain before
negated), then the operators from left to right, AND before OR. One formula stands for
all of the same support, the first in that order.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Int, UInt32

from invert_jax.core import exact

PAD = -1
# The operators of a formula are bits of one int32.
MAX_LENGTH = 31


class Beam(NamedTuple):
    """Formulas of one neuron, best first; empty slots come last.

    Attributes:
        literals: 2 * column + negated, from left to right; `PAD` past the length.
        operators: Bits, the first operator most significant; 0 is AND, 1 is OR.
        lengths: Number of literals.
        sums: Sum of weights over the support.
        num_positives: Size of the support; 0 in an empty slot.
        words: The support as packed rows.
    """

    literals: Int[Array, "beam length"]
    operators: Int[Array, " beam"]
    lengths: Int[Array, " beam"]
    sums: exact.Wide
    num_positives: Int[Array, " beam"]
    words: UInt32[Array, "beam chunks words"]


def empty_beam(size: int, *, max_length: int, words_shape: tuple[int, ...]) -> Beam:
    """A beam of empty slots."""
    zeros = jnp.zeros(size, jnp.int32)
    return Beam(
        literals=jnp.full((size, max_length), PAD, jnp.int32),
        operators=zeros,
        lengths=zeros,
        sums=exact.Wide(zeros, zeros),
        num_positives=zeros,
        words=jnp.zeros((size, *words_shape), jnp.uint32),
    )
