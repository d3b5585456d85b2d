"""How unlikely a score is where activation and mask have nothing to do with each other.

[1] Mann and Whitney, "On a test of whether one of two random variables is
stochastically larger than the other", Annals of Mathematical Statistics 18, 1947.
[2] Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 2013, section
4.1: the variance with ties.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy import special


def log10_mannwhitney(
    sums: Int[np.ndarray, "*batch"],
    num_positives: Int[np.ndarray, "*batch"],
    tie_sums: Float[np.ndarray, "*#batch"],
    *,
    num_samples: int,
) -> Float[np.ndarray, "*batch"]:
    """Decimal logarithm of the two-sided Mann-Whitney p-value [1].

    The normal approximation with tie and continuity correction [2], as
    `scipy.stats.mannwhitneyu(..., method="asymptotic")`, but in logarithms, so that
    nothing underflows. The samples that chose a formula also made its sums: after a
    search this is no significance of the search.

    Args:
        sums: Sum of the centered doubled midranks of the positives.
        num_positives: Number of positives.
        tie_sums: Sum of t**3 - t over the groups of t tied samples.
        num_samples: Positives and negatives.

    Returns:
        In (-inf, 0]; nan where a class is empty or all samples are tied.

    >>> sums, positives = np.array([9]), np.array([3])
    >>> log10_p = log10_mannwhitney(sums, positives, np.zeros(1), num_samples=6)
    >>> (10**log10_p).round(4)
    array([0.0809])
    """
    deviation = _deviation(num_positives, tie_sums, num_samples)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(deviation > 0, (np.abs(sums) / 2 - 0.5) / deviation, np.nan)
    return np.minimum(0.0, (np.log(2) + special.log_ndtr(-z)) / np.log(10))


def log10_mannwhitney_greater(
    sums: Int[np.ndarray, "*batch"],
    num_positives: Int[np.ndarray, "*batch"],
    tie_sums: Float[np.ndarray, "*#batch"],
    *,
    num_samples: int,
) -> Float[np.ndarray, "*batch"]:
    """The same of the one-sided p-value: that positives have the larger activations.

    Returns:
        In (-inf, 0]; nan where a class is empty or all samples are tied.

    >>> sums, positives = np.array([9]), np.array([3])
    >>> log10_p = log10_mannwhitney_greater(sums, positives, np.zeros(1), num_samples=6)
    >>> (10**log10_p).round(4)
    array([0.0404])
    """
    deviation = _deviation(num_positives, tie_sums, num_samples)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(deviation > 0, (sums / 2 - 0.5) / deviation, np.nan)
    return special.log_ndtr(-z) / np.log(10)


def _deviation(
    num_positives: Int[np.ndarray, "*batch"],
    tie_sums: Float[np.ndarray, "*#batch"],
    num_samples: int,
) -> Float[np.ndarray, "*batch"]:
    """Standard deviation of half a sum where all assignments are equally likely [2]."""
    positives = np.asarray(num_positives, np.float64)
    pairs = positives * (num_samples - positives)
    ties = tie_sums / (num_samples * max(1, num_samples - 1))
    # Where all samples are tied, rounding may leave a little.
    spread = num_samples + 1 - ties
    all_tied = tie_sums >= float(num_samples**3 - num_samples)
    return np.sqrt(pairs / 12 * np.where(all_tied, 0.0, spread))
