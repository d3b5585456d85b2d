"""The state of a search: formulas of each neuron in their exact order.

Formulas compare by score as exact fractions, then fewer literals, then larger support,
then canonical order: the literals from left to right, each as (column, plain before
negated), then the operators from left to right, AND before OR. One formula stands for
all of the same support, the first in that order.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Int, Shaped, UInt32

from invert_jax.core import exact

PAD = -1
# The operators of a formula are bits of one int32.
MAX_LENGTH = 31
NUM_OTHERS = 5


class Formulas(NamedTuple):
    """Formulas, the columns of one table, so that they are moved about at once.

    Attributes:
        literals: 2 * column + negated, from left to right; without meaning past the
            length on the devices, and `PAD` there in results.
        operators: Bits, the first operator most significant; 0 is AND, 1 is OR.
        lengths: Number of literals.
        sums: Sum of weights over the support.
        num_positives: Size of the support; 0 in an empty slot, whatever else is there.
    """

    literals: Shaped[Array | np.ndarray, "*axes length"]
    operators: Shaped[Array | np.ndarray, "*axes"]
    lengths: Shaped[Array | np.ndarray, "*axes"]
    sums: exact.Wide
    num_positives: Shaped[Array | np.ndarray, "*axes"]


class Beam(NamedTuple):
    """Formulas of each neuron, best first; empty slots come last.

    Attributes:
        numbers: The formulas, a row each; see `table_of`.
        words: The support as packed rows.
    """

    numbers: Int[Array, "neurons beam columns"]
    words: UInt32[Array, "neurons beam chunks words"]

    @property
    def formulas(self) -> Formulas:
        """The formulas."""
        return formulas_of(self.numbers)


def table_of(formulas: Formulas) -> Int[Array, "*axes columns"]:
    """The table whose columns are the fields of formulas."""
    others = (
        formulas.operators,
        formulas.lengths,
        formulas.sums.high,
        formulas.sums.low,
        formulas.num_positives,
    )
    length = formulas.literals.shape[-1]
    column = np.arange(length + NUM_OTHERS, dtype=np.int32)
    column = column.reshape((1,) * formulas.operators.ndim + (-1,))
    room = [(0, 0)] * formulas.operators.ndim + [(0, NUM_OTHERS)]
    # A choice by column compiles faster than joining columns of one number each.
    table = jnp.pad(formulas.literals, room)
    for place, field in enumerate(others, start=length):
        table = jnp.where(column == place, jnp.expand_dims(field, -1), table)
    return table


def formulas_of(numbers: Shaped[Array | np.ndarray, "*axes columns"]) -> Formulas:
    """The inverse of `table_of`, on the devices or on the host."""
    length = numbers.shape[-1] - NUM_OTHERS
    operators, lengths, high, low, counts = (
        numbers[..., length + each] for each in range(NUM_OTHERS)
    )
    sums = exact.Wide(high, low)
    return Formulas(numbers[..., :length], operators, lengths, sums, counts)


def pick(
    values: Shaped[Array, "neurons places *rest"], index: Int[Array, "neurons some"]
) -> Shaped[Array, "neurons some *rest"]:
    """For each neuron its values at some places; one gather of rows is the fastest."""
    num_neurons, num_places, *rest = values.shape
    first = num_places * np.arange(num_neurons, dtype=np.int32)
    rows = values.reshape(num_neurons * num_places, *rest)
    return jnp.take(rows, index + np.expand_dims(first, 1), axis=0, mode="clip")
