"""What lies beyond the draws: the tail of a null, fitted and extrapolated.

The scores above a high threshold are described by a generalized Pareto distribution,
P(X > u + x | X > u) = (1 + shape x / scale)**(-1 / shape), or exp(-x / scale) at shape
zero [1]. A fit below zero would end at a finite score and give p = 0 beyond it; the
best of many scores has a tail at most as heavy as an exponential one, so that shape
zero is used instead, which errs to larger p-values.

[1] Knijnenburg et al., "Fewer permutations, more accurate P-values", Bioinformatics 25,
2009. [2] Smith, "Estimating tails of probability distributions", Annals of Statistics
15, 1987: the covariance of the fit.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

# The share of the draws taken for the tail, and the fewest that are fitted.
TAIL_SHARE = 0.1
FEWEST = 50
# Fits drawn around the estimate, for the interval.
NUM_FITS = 1000
# Scores whose fits are compared at a time.
TOGETHER = 256
# A shape so small is as good as zero, the exponential law, in float64.
SMALLEST_SHAPE = 1e-9
LEVEL = 0.95
# A fit that a test of it refuses at this level is not used.
REFUSED = 0.01
# The normal approximation of a fit holds above a shape of -1/2.
LOWEST_SHAPE = -0.4


class Tail(NamedTuple):
    """The fitted tail of a null.

    Attributes:
        threshold: Scores above it belong to the tail.
        share: Share of the draws above the threshold.
        shapes: Of the generalized Pareto distribution, at least 0; the estimate first,
            then others as likely.
        log_scales: Logarithm of the scale; of the same fits.
    """

    threshold: float
    share: float
    shapes: Float[np.ndarray, " fits"]
    log_scales: Float[np.ndarray, " fits"]


NO_TAIL = Tail(np.nan, np.nan, np.full(1, np.nan), np.full(1, np.nan))


def fit_tail(drawn: Float[np.ndarray, " draws"]) -> Tail:
    """The tail of some draws; `NO_TAIL` if they are too few or follow no such law.

    >>> tail = fit_tail(np.random.default_rng(0).exponential(size=2000))
    >>> bool(abs(tail.shapes[0]) < 0.2), round(tail.share, 3)
    (True, 0.1)
    >>> fit_tail(np.zeros(2000)) is NO_TAIL
    True
    """
    found = np.sort(drawn[~np.isnan(drawn)])
    wanted = int(TAIL_SHARE * len(found))
    if wanted < FEWEST:
        return NO_TAIL
    threshold = (found[-wanted - 1] + found[-wanted]) / 2
    excess = found[found > threshold] - threshold
    if len(excess) < FEWEST or len(np.unique(excess)) < FEWEST // 2:
        return NO_TAIL
    from scipy import stats

    unit = excess.mean()
    shape, _, scale = stats.genpareto.fit(excess / unit, floc=0)
    law = stats.genpareto(shape, 0, scale)
    if stats.kstest(excess / unit, law.cdf).pvalue < REFUSED:
        return NO_TAIL
    shapes, log_scales = _fits_around(shape, np.log(scale * unit), len(excess))
    return Tail(float(threshold), len(excess) / len(drawn), shapes, log_scales)


def log10_tail_p(
    tail: Tail, scores: Float[np.ndarray, " neurons"]
) -> Float[np.ndarray, "3 neurons"]:
    """Decimal logarithm of the p-value of scores above the threshold, extrapolated.

    Returns:
        The estimate and the bounds of its 95 % interval, from the spread of the fit;
        nan of `NO_TAIL`.

    >>> tail = Tail(0.0, 0.1, np.zeros(1), np.zeros(1))
    >>> log10_tail_p(tail, np.array([np.log(10.0)])).round(6).tolist()
    [[-2.0], [-2.0], [-2.0]]
    """
    excess = np.maximum(scores - tail.threshold, 0)
    result = np.empty((3, len(scores)))
    shapes = np.maximum(tail.shapes, SMALLEST_SHAPE)
    quantiles = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    for start in range(0, len(scores), TOGETHER):
        part = slice(start, start + TOGETHER)
        x = excess[part, None] / np.exp(tail.log_scales)
        log_p = np.log10(tail.share) - np.log1p(shapes * x) / shapes / np.log(10)
        result[0, part] = log_p[:, 0]
        result[1:, part] = np.quantile(log_p, quantiles, axis=1)
    return result


def _fits_around(
    shape: float, log_scale: float, count: int
) -> tuple[Float[np.ndarray, " fits"], Float[np.ndarray, " fits"]]:
    """The fit, and others drawn from its normal approximation [2].

    With n values the covariance of (shape, log scale) is, times n and over 1 + shape,
    1 + shape and 2 on the diagonal and -1 beside it.

    A shape below zero becomes zero, with a scale that keeps the mean, scale / (1 -
    shape).
    """
    width = 1 + max(shape, LOWEST_SHAPE)
    spread = np.array([[width**2, -width], [-width, 2 * width]]) / count
    generator = np.random.default_rng(0)
    fits = generator.multivariate_normal((shape, log_scale), spread, NUM_FITS)
    shapes, log_scales = np.concatenate(([(shape, log_scale)], fits)).T
    to_mean = np.log1p(np.maximum(-shapes, 0))
    return np.maximum(shapes, 0), log_scales - to_mean
