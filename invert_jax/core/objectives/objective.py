"""What an objective is to the search."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jax import Array

from invert_jax.core.exact import Fraction


class Objective(NamedTuple):
    """An order of masks by (sum of weights, number of samples inside).

    Attributes:
        name: What people call the score, in tables and plots.
        meaning: What the score says, in a sentence.
        approximate: Score in float32 of (sums, num_positives, num_samples), larger is
            better. The sums are rounded once to float32.
        margin: Bound on the relative error of `approximate`.
        loss: Exact counterpart of the same, of whole numbers: a fraction, smaller is
            better; equal for equal scores.
        score: The score itself as float64, on the host, of the same as int64.
    """

    name: str
    meaning: str
    approximate: Callable[..., Array]
    margin: float
    loss: Callable[..., Fraction]
    score: Callable[..., np.ndarray]
