"""What an objective is to the search."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jax import Array


class Objective(NamedTuple):
    """An order of masks by (sum of weights, number of samples inside).

    Attributes:
        name: What people call the score, in tables and plots.
        meaning: What the score says, in a sentence.
        approximate: Score in float32 of (sums, num_positives, num_samples), larger is
            better. The sums are rounded once to float32.
        margin: Bound on the relative error of `approximate`.
        loss: Exact counterpart: words of (sums, num_positives, num_samples), smaller
            is better; to be compared one after the other; equal for equal scores.
        score: The score itself as float64, on the host, of the same as int64.
    """

    name: str
    meaning: str
    approximate: Callable[..., Array]
    margin: float
    loss: Callable[..., tuple[Array, ...]]
    score: Callable[..., np.ndarray]
