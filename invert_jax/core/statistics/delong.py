"""How precise an AUROC is, and a difference of two: DeLong's variance.

With A the AUROC of n1 positives and n0 negatives, let V(x) of a positive be the share
of negatives below it and V(x) of a negative the share of positives above it, ties
counting one half: A is the mean of either. DeLong's variance [1] is

    var(V of positives) / n1 + var(V of negatives) / n0.

It is a sum of squares over the samples, of the *influence* of each sample on A,

    (V - A) / sqrt(n (n - 1)), n the size of its class,

and the variance of the difference of two AUROCs on the same samples is the sum of the
squared differences of their influences. In [1] two scores share the labels; here one
activation has two masks, and the same holds, since the influences are those of a
sample drawn with its activation and both its labels.

[1] DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated
receiver operating characteristic curves: a nonparametric approach", Biometrics 44,
1988. [2] Pepe, "The statistical evaluation of medical tests for classification and
prediction", 2003, section 5.2: the interval on the logit scale.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import special

LEVEL = 0.95
# Two-sided quantile of the normal distribution.
QUANTILE = float(special.ndtri((1 + LEVEL) / 2))
# One-sided, at 5 %.
QUANTILE_ONE_SIDED = float(special.ndtri(LEVEL))
FEWEST = 2


def influences(
    mask: Bool[np.ndarray, " samples"],
    below: Int[np.ndarray, " samples"],
    end: Int[np.ndarray, " samples"],
) -> Float[np.ndarray, " samples"]:
    """Influence of each sample on the AUROC of the mask.

    With a samples below a sample's group of ties and b up to its end, and P(i)
    positives among the first i: 2 n0 V = a + b - P(a) - P(b) of a positive and 2 n1 V =
    2 n1 - P(a) - P(b) of a negative.

    Args:
        mask: Of the samples by increasing activation.
        below: For each sample how many lie below its group, from `group_bounds`.
        end: How many lie up to the end of its group.

    Returns:
        Squares sum to DeLong's variance; nan if a class has fewer than 2 samples.

    >>> mask, place = np.array([False, True, False, True]), np.arange(4)
    >>> (influences(mask, place, place + 1) ** 2).sum().round(6).item()
    0.125
    """
    num_samples, num_positives = len(mask), int(mask.sum())
    num_negatives = num_samples - num_positives
    if min(num_positives, num_negatives) < FEWEST:
        return np.full(num_samples, np.nan)
    positives = np.concatenate(([0], np.cumsum(mask)))
    before = positives[below] + positives[end]
    above = (below + end - before) / (2 * num_negatives)
    under = (2 * num_positives - before) / (2 * num_positives)
    auroc = above[mask].mean()
    return np.where(
        mask,
        (above - auroc) / np.sqrt(num_positives * (num_positives - 1)),
        (under - auroc) / np.sqrt(num_negatives * (num_negatives - 1)),
    )


def group_bounds(
    midranks: Int[np.ndarray, " samples"],
) -> tuple[Int[np.ndarray, " samples"], Int[np.ndarray, " samples"]]:
    """For each sample how many lie below its group of ties, and how many up to its end.

    Args:
        midranks: Centered doubled midranks, increasing. With a samples below a group
            that ends after b, they are a + b - N.

    >>> group_bounds(np.array([-2, -2, 1, 3]))
    (array([0, 0, 2, 3]), array([2, 2, 3, 4]))
    """
    first = np.concatenate(([True], midranks[1:] != midranks[:-1]))
    below = np.maximum.accumulate(np.where(first, np.arange(len(midranks)), 0))
    return below, midranks + len(midranks) - below


def logit_interval(
    scores: Float[np.ndarray, "*axes"],
    variances: Float[np.ndarray, "*axes"],
) -> Float[np.ndarray, "*axes 2"]:
    """95 % interval of an AUROC, symmetric on the logit scale [2].

    Returns:
        In (0, 1); nan where the variance is nan or 0, as where all activations are
        tied, and at scores of 0 and 1, where the variance says nothing.

    >>> logit_interval(np.array([0.8, 1.0]), np.array([0.0025, 0.0])).round(3).tolist()
    [[0.684, 0.881], [nan, nan]]
    """
    inside = (scores > 0) & (scores < 1) & (variances > 0)
    scores = np.where(inside, scores, np.nan)
    width = QUANTILE * np.sqrt(variances)
    width = width / (scores * (1 - scores))
    center = special.logit(scores)
    return special.expit(np.stack((center - width, center + width), axis=-1))


def is_above_zero(
    differences: Float[np.ndarray, "*axes"], variances: Float[np.ndarray, "*axes"]
) -> Bool[np.ndarray, "*axes"]:
    """Whether a paired difference is larger than chance makes it, one-sided at 5 %.

    Args:
        differences: Of two AUROCs on the same samples.
        variances: Theirs; where one is nan or 0 nothing is shown.

    >>> is_above_zero(np.array([0.1, 0.1]), np.array([0.0025, 0.0049])).tolist()
    [True, False]
    """
    shown = differences > QUANTILE_ONE_SIDED * np.sqrt(variances)
    return shown & (variances > 0)
