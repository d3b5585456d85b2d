"""Meaningless neurons, and how a score compares with the best scores found on them.

On a neuron that has nothing to do with the concepts every assignment of its ranks to
the samples is equally likely. What the search finds on random assignments is therefore
a sample of what it finds by chance, and the share of them that reach a score is a
p-value valid after the search, for any number of draws [1].

[1] Phipson and Smyth, "Permutation p-values should never be zero", Statistical
Applications in Genetics and Molecular Biology 9, 2010.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

# Scores of untied draws are smooth with this variance within a step: a density that
# repeats with every step differs by less than 2 exp(-2 pi**2 variance) from its mean,
# and the steps of a neuron whose ties the draws lack are not seen against it.
SMOOTH = 1.0
# Above this share of active samples a whole shuffle is faster than a choice.
DENSE = 0.5


def permuted_row_sums(
    midranks: Int[np.ndarray, " samples"],
    row_of_sample: Int[np.ndarray, " samples"],
    row_counts: Int[np.ndarray, " rows"],
    generator: np.random.Generator,
) -> Int[np.ndarray, " rows"]:
    """Row sums of a random assignment of the ranks to the samples; int64, no sort.

    The samples tied at the lowest value need no place of their own: all have it but
    those that are drawn for the others.

    Args:
        midranks: Centered doubled midranks in increasing order; int64.
        row_of_sample: Row of each sample.
        row_counts: Samples of each row.
        generator: Where the assignment comes from.

    >>> from invert_jax.core.randomness import draw_generator
    >>> midranks, rows = np.array([-2, -2, 1, 3]), np.array([0, 0, 1, 1])
    >>> sums = permuted_row_sums(
    ...     midranks, rows, np.array([2, 2]), draw_generator((0,), 0))
    >>> sums.sum().item()
    0
    """
    num_samples, lowest = len(midranks), int(midranks[0])
    num_lowest = lowest + num_samples
    num_active = num_samples - num_lowest
    if num_active > DENSE * num_samples:
        rows = generator.permutation(row_of_sample)[num_lowest:]
    else:
        rows = row_of_sample[generator.choice(num_samples, num_active, replace=False)]
    above = midranks[num_lowest:] - lowest
    # float64 adds integers exactly: no partial sum reaches 2**53.
    sums = np.bincount(rows, above, len(row_counts)).astype(np.int64)
    return sums + lowest * row_counts


def score_step(
    supports: Int[np.ndarray, " draws"], *, num_samples: int
) -> Float[np.ndarray, " draws"]:
    """By how much one more active sample in the support raises a score: N / (2 n1 n0).

    >>> score_step(np.array([100]), num_samples=1000).round(6).tolist()
    [0.005556]
    """
    positives = np.maximum(supports, 1).astype(np.float64)
    return num_samples / (2 * positives * (num_samples - positives))


def allowance(
    scores: Float[np.ndarray, " draws"],
    supports: Int[np.ndarray, " draws"],
    *,
    untied: int,
    largest: int,
    num_active: int,
    num_samples: int,
) -> Float[np.ndarray, " draws"]:
    """By how much a draw may miss a score because a neuron has ties that it has not.

    A draw with r fewer samples tied at the lowest value has r more active ones, and
    with them outside of the support it scores lower by up to r / (2 n0). Where samples
    of the neuron are tied in groups of up to t, each of the k positives among them
    loses up to one half for each of t - 1 negatives: k (t - 1) / (2 n1 n0) or less,
    where only the m active samples of the draw are in such groups, and the score tells
    that k / n1 is at most 2 score / (1 - m / n0) - 1. Both are small, but without an
    allowance for them the same step would not be reached. It never exceeds a step;
    `is_smooth` says where none is needed.

    Args:
        scores: Best score of each draw.
        supports: n1, the support of its formula.
        untied: r.
        largest: t; below 2 if there are no such groups.
        num_active: m, samples of the draws above the group at the lowest value.
        num_samples: N.

    >>> scores, supports = np.array([0.6]), np.array([100])
    >>> allowance(scores, supports, untied=9, largest=0, num_active=50,
    ...           num_samples=1000).round(6).tolist()
    [0.005]
    """
    negatives = (num_samples - np.maximum(supports, 1)).astype(np.float64)
    missing = untied / (2 * negatives)
    if largest > 1:
        among = np.minimum(num_active / negatives, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = np.where(among < 1, 2 * scores / (1 - among) - 1, 1)
        missing += np.clip(inside, 0, 1) * min(num_active, largest - 1) / 2 / negatives
    return np.minimum(missing, score_step(supports, num_samples=num_samples))


def is_smooth(
    supports: Int[np.ndarray, " draws"], *, spread: float
) -> Bool[np.ndarray, " draws"]:
    """Whether scores vary within a step by so much that they need no allowance.

    Of draws without ties that takes a support of 3 samples.

    Args:
        supports: Of the formula of each draw.
        spread: Variance within a step, per positive, from `ties.spread`.

    >>> is_smooth(np.array([2, 3]), spread=1 / 3).tolist()
    [False, True]
    """
    return supports * spread >= SMOOTH


def reached(
    scores: Float[np.ndarray, " neurons"], drawn: Float[np.ndarray, " draws"]
) -> Int[np.ndarray, " neurons"]:
    """How many draws reach each score: are equal to it, or larger.

    A nan among the draws, where nothing was found, reaches no score.

    >>> reached(np.array([0.5, 0.75]), np.array([0.5, 0.7, np.nan])).tolist()
    [2, 0]
    """
    found = np.sort(drawn[~np.isnan(drawn)])
    return len(found) - np.searchsorted(found, scores, "left")


def permutation_p(
    num_reached: Int[np.ndarray, "*axes"], *, num_draws: int
) -> Float[np.ndarray, "*axes"]:
    """(1 + draws that reach the score) / (1 + draws): the neuron counts as a draw [1].

    >>> permutation_p(np.array([0, 99]), num_draws=99).tolist()
    [0.01, 1.0]
    """
    return (1 + num_reached) / (1 + num_draws)
