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

# Scores are smooth with this variance within a step: a density that repeats with every
# step differs by less than 2 exp(-2 pi**2 variance), a twenty-fifth, from its mean.
SMOOTH = 0.2
# The same where the draws have fewer ties than the neuron, whose own scores do step.
SMOOTHER = 1.0
# Above this share of active samples a whole shuffle is faster than a choice.
DENSE = 0.5


def draw_generator(seed: tuple[int, ...], draw: int) -> np.random.Generator:
    """The random numbers of one draw: the same wherever and with whatever it is drawn.

    >>> seeds = [draw_generator((1, 2), draw).integers(100) for draw in (0, 1, 0)]
    >>> bool(seeds[0] == seeds[2] != seeds[1])
    True
    """
    return np.random.Generator(
        np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(draw,)))
    )


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
    num_active: int,
    is_loose: bool,
    num_samples: int,
) -> Float[np.ndarray, " draws"]:
    """What a draw of fewer ties may lack to reach a score, because scores are stepped.

    Untying samples adds to a score what is as often below zero as above it, and so more
    to the tail of the null than it takes away: draws of fewer ties err to the safe
    side. But only where the null is smooth. With few active samples, those above the
    lowest value, a score is near to a function of how many of them are in the support.
    A draw with r more of them outside of it scores lower by up to r / (2 n0). A draw
    whose m active samples are untied, where those of a neuron are tied, scores lower by
    up to one half for each pair of them of which one is in the support: k m / (2 n1
    n0), where the score tells that k / n1 is at most 2 score / (1 - m / n0) - 1. Both
    are small, but without an allowance for them the same step would not be reached. It
    never exceeds a step; `is_smooth` says where none is needed.

    Args:
        scores: Best score of each draw.
        supports: n1, the support of its formula.
        untied: r, how many more active samples the draws have than the neuron.
        num_active: m, active samples of the draws.
        is_loose: Whether active samples are tied in the neuron and not in the draws.
        num_samples: N.

    >>> scores, supports = np.array([0.6]), np.array([100])
    >>> allowance(scores, supports, untied=9, num_active=50, is_loose=False,
    ...           num_samples=1000).round(6).tolist()
    [0.005]
    """
    negatives = (num_samples - np.maximum(supports, 1)).astype(np.float64)
    missing = untied / (2 * negatives)
    if is_loose:
        among = np.minimum(num_active / negatives, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = np.where(among < 1, 2 * scores / (1 - among) - 1, 1)
        missing = missing + np.clip(inside, 0, 1) * among / 2
    return np.minimum(missing, score_step(supports, num_samples=num_samples))


def is_smooth(
    supports: Int[np.ndarray, " draws"], *, spread: float, is_loose: bool
) -> Bool[np.ndarray, " draws"]:
    """Whether scores vary within a step by so much that they need no allowance.

    Args:
        supports: Of the formula of each draw.
        spread: Variance within a step, per positive, from `ties.spread`.
        is_loose: Whether the neuron has ties that the draws do not have.

    >>> is_smooth(np.array([4, 20]), spread=1 / 24, is_loose=False).tolist()
    [False, True]
    """
    return supports * spread >= (SMOOTHER if is_loose else SMOOTH)


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
