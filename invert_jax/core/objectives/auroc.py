"""AUROC as an objective: the weights are ranks.

An objective is a score of a mask that depends on two numbers alone: the sum of a
per-sample integer weight inside the mask, and the number of samples inside it. The
weights are the centered doubled midranks: they sum to zero, and those of n of N samples
to at most n (N - n) in size, which is what the sizes of the exact products rest on. The
search computes both for all candidates by one matrix product and knows nothing else.
Two functions turn them into an order: one in float32 that narrows the candidates, one
exact that decides among those left.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from invert_jax.core import exact
from invert_jax.core.objectives.objective import Objective


def approximate_auroc(
    sums: Float[Array, "..."],
    num_positives: Int[Array | np.ndarray, "..."],
    *,
    num_samples: Int[ArrayLike, ""],
) -> Float[Array, "..."]:
    """2 AUROC - 1 in float32, from the sum of centered doubled midranks.

    S / (n1 n0); the counts are exact in float32, so that four roundings are all.
    """
    positives = num_positives.astype(jnp.float32)
    negatives = (num_samples - num_positives).astype(jnp.float32)
    return sums / (positives * negatives)


def auroc_loss(
    sums: exact.Wide,
    num_positives: Int[Array | np.ndarray, "..."],
    *,
    num_samples: Int[ArrayLike, ""],
) -> exact.Fraction:
    """2 (1 - AUROC) = (n1 n0 - S) / (n1 n0); without meaning where a class is empty."""
    pairs = exact.product(num_positives, num_samples - num_positives)
    return exact.Fraction(exact.normalize(exact.minus(pairs, sums)), pairs)


def auroc_score(
    sums: Int[np.ndarray, "..."],
    num_positives: Int[np.ndarray, "..."],
    *,
    num_samples: int,
) -> Float[np.ndarray, "..."]:
    """AUROC from the sum of centered doubled midranks of the positives.

    (n1 n0 + S) / (2 n1 n0): both are integers below 2**53, so that the only rounding
    is the division. nan where a class is empty. Ties count one half [1].

    [1] Hanley and McNeil, "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", Radiology 143, 1982.

    >>> auroc_score(np.array([3, 0]), np.array([1, 0]), num_samples=4)
    array([ 1., nan])
    """
    num_positives = num_positives.astype(np.int64)
    pairs = num_positives * (num_samples - num_positives)
    with np.errstate(invalid="ignore"):
        return (pairs + sums) / (2 * pairs)


AUROC = Objective(
    name="AUROC",
    meaning="AUROC is the probability that a unit is higher on a sample where its "
    "formula holds than on one where it does not, where equal activations count half; "
    "one half is no relation.",
    approximate=approximate_auroc,
    margin=2.0**-20,
    loss=auroc_loss,
    score=auroc_score,
)
