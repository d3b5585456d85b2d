"""Blocks of neurons as a program takes them: the row sums of their ranks."""

from typing import NamedTuple

import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from invert_jax.core.search import packing

# Columns of a C-ordered matrix that share cache lines are copied together, first as
# they lie and then transposed: at once, each line is read once per column.
COLUMNS_TOGETHER = 32


class Ranked(NamedTuple):
    """A block of neurons, ready for a program.

    Attributes:
        weights: Limbs of the row sums; on the host or on the devices.
        tie_sums: Sum of t**3 - t over the groups of t tied samples.
        is_constant: Whether all activations are equal.
        tie_groups: The large groups of tied samples, as in `core.ties`.
    """

    weights: (
        Float[np.ndarray, "block chunks limbs rows"]
        | Float[Array, "block chunks limbs rows"]
    )
    tie_sums: Float[np.ndarray, " neurons"]
    is_constant: Bool[np.ndarray, " neurons"]
    tie_groups: Int[np.ndarray, "neurons groups 2"]


def weights_shape(layout: packing.Layout) -> tuple[int, int, int]:
    """Shape of the weights of one neuron."""
    return layout.num_chunks, layout.num_limbs, layout.rows_per_chunk
