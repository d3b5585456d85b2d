"""Which of the neurons are meant."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int


def checked_positions(
    positions: Sequence[int] | np.ndarray, num_neurons: int
) -> Int[np.ndarray, " chosen"]:
    """Positions of neurons, counted from the end where negative.

    Args:
        positions: Whole numbers, or a truth value for each neuron.
        num_neurons: How many there are.

    >>> checked_positions([0, -1], 5).tolist()
    [0, 4]
    """
    chosen = np.asarray(positions)
    if chosen.size == 0 and chosen.ndim == 1:
        return np.zeros(0, np.int64)
    if chosen.dtype == bool and chosen.shape == (num_neurons,):
        return np.flatnonzero(chosen)
    whole = chosen.ndim == 1 and chosen.dtype.kind in "iu"
    if not whole or (np.abs(2 * chosen.astype(np.int64) + 1) > 2 * num_neurons).any():
        raise ValueError(
            f"`positions` must be whole numbers of the {num_neurons} neurons, or a "
            f"truth value for each; got {positions!r}."
        )
    return chosen.astype(np.int64) % num_neurons
