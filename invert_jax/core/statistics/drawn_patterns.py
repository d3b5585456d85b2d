"""With which ties the null is drawn, so that neurons of many patterns share few draws.

A pattern of `tie_patterns` has draws of its own, or another one stands for it:

- Where only the lowest value is tied, as behind a rectifier, one with fewer samples
  tied, on a grid. That widens the null, and so errs to the safe side.
- Where there are large groups above it, and more than `MOST_OWN` such patterns: counts
  and quantized values, nearly all of whose patterns differ. A score is a sum of
  midranks over a support, and what is known of such sums beyond their variance is how
  skewed they are. One with ties at the lowest (or only at the highest) value that is
  as skewed, or more to the side that is searched, stands for them, with its scores
  scaled to the variance of theirs.

Ties that the draws lack make the scores of a neuron come in steps, and a draw that
misses a step by less is one that reaches it; `smooth_from` says where they do.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from invert_jax.core.statistics.tie_patterns import (
    LARGE,
    Pattern,
    patterns_of,
    runs_of,
)

# From one point of the grid to the next the variance of a score falls by this factor.
GRID_STEP = 2**-0.125
# So many steps from no ties on are halved: to shares of two thirds, where most neurons
# behind a rectifier are.
HALVED = 4
# So many patterns with a large group above the lowest value are drawn as they are.
MOST_OWN = 64
# Skewness is matched on every third point of the grid.
SKEWNESS_STEP = 3
# Periods at which scores may be lumpy, as parts of the largest step; below, the step is
# small against what a score varies.
PERIODS = tuple(2.0 ** (-k / 2) for k in range(9))
# A density that varies with a period by less than this part of its mean is smooth.
SMOOTH = 0.1


class DrawnTies(NamedTuple):
    """The ties with which the null of each neuron is drawn, and what they lack.

    Attributes:
        patterns: Their patterns.
        untied: How many samples at the lowest value are outside of the drawn group, of
            a neuron whose other ties are small.
        largest: At most so many samples are in a small group, which is not drawn;
            below 2 if there is none.
        scale: What deviations of drawn scores are multiplied by; 1 unless the pattern
            stands for others by its skewness.
        smooth_from: The supports from which on the scores of such a neuron are smooth
            at each of `PERIODS`; else 0.
    """

    patterns: Sequence[Pattern]
    untied: Int[np.ndarray, " neurons"]
    largest: Int[np.ndarray, " neurons"]
    scale: Float[np.ndarray, " neurons"]
    smooth_from: Int[np.ndarray, "neurons periods"]


def end_grid(num_samples: int) -> Int[np.ndarray, " points"]:
    """How far the end of a group may lie from the lowest or highest sample, increasing.

    With a share s tied at one value, the variance of a score on meaningless
    activations is 1 - s**3 times that without ties. With N, N - s N and so on that
    falls by `GRID_STEP` from point to point, until the points are one sample apart, so
    that the deviations of neighbors differ by at most 4.4 %. The first `HALVED` steps
    are two each.

    >>> end_grid(1000)[:4].tolist(), end_grid(1000)[-4:].tolist()
    ([0, 1, 2, 3], [505, 564, 652, 1000])
    """
    num_points = 8 + int(np.ceil(np.log(num_samples) / -np.log(GRID_STEP)))
    powers = np.arange(num_points)
    shares = np.cbrt(1 - GRID_STEP ** np.union1d(powers, powers[:HALVED] + 0.5))
    points = np.ceil((1 - shares) * num_samples).astype(np.int64)
    return np.unique(np.append(points, 0))


def on_grid(pattern: Pattern, *, num_samples: int) -> Pattern:
    """The pattern whose null stands for one that is tied at the lowest value alone.

    The end of its group is moved inward to `end_grid`, which unties what is left
    outside and so widens the null.

    >>> on_grid(((0, 700),), num_samples=1000)
    ((0, 664),)
    """
    if not pattern:
        return ()
    grid, (_, size) = end_grid(num_samples), pattern[0]
    moved = num_samples - int(grid[np.searchsorted(grid, num_samples - size)])
    return ((0, moved),) if moved > 1 else ()


def as_skewed(pattern: Pattern, *, num_samples: int, from_below: bool) -> Pattern:
    """The pattern whose null, scaled, stands for one with groups above the lowest.

    Args:
        pattern: Large groups.
        num_samples: N.
        from_below: Whether low scores are searched for.

    >>> as_skewed(((0, 500), (500, 300), (800, 200)), num_samples=1000,
    ...           from_below=False)
    ((0, 495),)
    """
    shares, skewness = _skewed(num_samples)
    _, wanted = variance_and_skewness(pattern, num_samples=num_samples)
    tail = -wanted if from_below else wanted
    if tail >= 0:
        place = min(int(np.searchsorted(skewness, tail)), len(skewness) - 1)
    else:
        place = int(np.searchsorted(skewness, -tail, side="right")) - 1
    size = int(shares[place])
    at_the_lowest = (wanted >= 0) == (size > 0)
    start = 0 if at_the_lowest else num_samples - size
    return ((start, size),) if size > 1 else ()


@lru_cache(maxsize=8)
def _skewed(
    num_samples: int,
) -> tuple[Int[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Sizes of a group at the lowest value, and the skewness of each, increasing."""
    sizes = (num_samples - end_grid(num_samples)[1:])[::-SKEWNESS_STEP]
    sizes = np.unique(np.append(np.maximum(sizes, 0), num_samples - 1))
    skewness = [
        variance_and_skewness(((0, size),), num_samples=num_samples)[1]
        for size in sizes.tolist()
    ]
    return sizes, np.array(skewness)


def variance_and_skewness(pattern: Pattern, *, num_samples: int) -> tuple[float, float]:
    """Of the midranks of a pattern: the variance as a part of that without ties.

    >>> variance_and_skewness((), num_samples=1000)
    (1.0, 0.0)
    >>> both = variance_and_skewness(((0, 500),), num_samples=1000)
    >>> [round(each, 4) for each in both]
    [0.875, 0.3968]
    """
    ends = 2 * runs_of(pattern, num_samples=num_samples) - 1
    groups = np.reshape(pattern, (-1, 2)) / num_samples
    weights, values = groups[:, 1], 2 * groups[:, 0] + groups[:, 1] - 1
    second, third = (
        (weights * values**power).sum()
        + (np.diff(ends ** (power + 1)) / (2 * (power + 1))).sum()
        for power in (2, 3)
    )
    return float(3 * second), float(third / second**1.5)


def patterns_to_draw(
    patterns: Collection[Pattern], *, num_samples: int, from_below: bool
) -> tuple[Pattern, ...]:
    """What to draw for neurons of some patterns, sorted.

    A pattern with a large group above the lowest value is drawn as it is, if there are
    no more than `MOST_OWN` such, and else the one `as_skewed`; others as the one
    `on_grid`. Searched from below, the group at the lowest value decides the best
    scores and is no better on the grid than any other, so that every pattern is drawn
    as it is, up to the same number.

    >>> patterns = [((0, 700),), ((0, 690),), ((0, 9), (9, 991))]
    >>> patterns_to_draw(patterns, num_samples=1000, from_below=False)
    (((0, 9), (9, 991)), ((0, 664),))
    """
    own = {each for each in patterns if from_below or has_upper(each)}
    own = own if len(own) <= MOST_OWN else set()
    rest = (
        _stand_in(each, num_samples=num_samples, from_below=from_below)
        for each in set(patterns) - own
    )
    return tuple(sorted(own.union(rest)))


def drawn_ties(
    groups: Int[np.ndarray, "neurons groups 2"],
    tie_sums: Float[np.ndarray, " neurons"],
    drawn: Collection[Pattern],
    *,
    num_samples: int,
    from_below: bool,
) -> DrawnTies:
    """For each neuron the pattern whose null stands for its own, and how they differ.

    Args:
        groups: Tie patterns.
        tie_sums: Sum of t**3 - t over all groups of t tied samples.
        drawn: The patterns drawn.
        num_samples: N.
        from_below: Whether low scores are searched for.

    >>> groups = np.array([[[0, 700]], [[100, 900]]])
    >>> tie_sums = np.array([700**3 - 700, 900**3 - 900 + 24.0])
    >>> ties = drawn_ties(groups, tie_sums, [((100, 900),)], num_samples=1000,
    ...                   from_below=False)
    >>> ties.patterns
    [((0, 664),), ((100, 900),)]
    >>> ties.untied.tolist(), ties.largest.tolist(), ties.scale.tolist()
    ([36, 0], [1, 4], [1.0, 1.0])
    """
    own = patterns_of(groups)
    lacks = {
        each: _Lack.of(each, drawn, num_samples=num_samples, from_below=from_below)
        for each in set(own)
    }
    counts = groups[:, :, 1].astype(np.float64)
    return DrawnTies(
        [lacks[each].drawn for each in own],
        np.array([lacks[each].untied for each in own], np.int64).reshape(-1),
        _largest_small(tie_sums, (counts**3 - counts).sum(1), num_samples=num_samples),
        np.array([lacks[each].scale for each in own], np.float64).reshape(-1),
        np.reshape([lacks[each].smooth_from for each in own], (-1, len(PERIODS))),
    )


class _Lack(NamedTuple):
    """What draws of one pattern lack of another; see `DrawnTies`."""

    drawn: Pattern
    untied: int = 0
    scale: float = 1.0
    smooth_from: tuple[int, ...] = (0,) * len(PERIODS)

    @classmethod
    def of(
        cls,
        own: Pattern,
        drawn: Collection[Pattern],
        *,
        num_samples: int,
        from_below: bool,
    ) -> "_Lack":
        if own in drawn:
            return cls(own)
        found = _stand_in(own, num_samples=num_samples, from_below=from_below)
        if not has_upper(own):
            lowest = [sum(size for _, size in each) for each in (own, found)]
            return cls(found, untied=lowest[0] - lowest[1])
        wanted, _ = variance_and_skewness(own, num_samples=num_samples)
        variance, _ = variance_and_skewness(found, num_samples=num_samples)
        # Few different numbers, so that neurons are judged together.
        scale = np.ceil(np.sqrt(wanted / variance) * 256) / 256
        smooth = smooth_from(own, num_samples=num_samples)
        return cls(found, scale=float(scale), smooth_from=smooth)


def _stand_in(pattern: Pattern, *, num_samples: int, from_below: bool) -> Pattern:
    if has_upper(pattern):
        return as_skewed(pattern, num_samples=num_samples, from_below=from_below)
    return on_grid(pattern, num_samples=num_samples)


def has_upper(pattern: Pattern) -> bool:
    """Whether a large group lies above the lowest value."""
    return any(start > 0 for start, _ in pattern)


@lru_cache(maxsize=256)  # of the patterns drawn, which many neurons share
def smooth_from(pattern: Pattern, *, num_samples: int) -> tuple[int, ...]:
    """The support from which on scores are smooth at each of `PERIODS`.

    The density of a sum of n1 midranks varies with a period by |f|**n1, f being the
    characteristic function of one midrank at that period. It is 1 for two values at
    the period by which they differ, and small where groups differ in size. Rounded up
    to powers of two.

    >>> smooth_from((), num_samples=1000)[0]
    2
    >>> smooth_from(((0, 500), (500, 500)), num_samples=1000)[0]
    1001
    """
    # Each stands for those down to the next.
    below = 2.0 ** -np.linspace(0, 0.5, 32, endpoint=False)
    periods = np.multiply.outer(PERIODS, below)
    angles = (2 * np.pi / periods)[..., None]
    starts, stops = 2 * runs_of(pattern, num_samples=num_samples).T - 1
    groups = np.reshape(pattern, (-1, 2)) / num_samples
    sizes, values = groups[:, 1], 2 * groups[:, 0] + groups[:, 1] - 1
    half = (stops - starts) / 2
    in_runs = half * np.exp(1j * angles * (starts + stops) / 2)
    sums = (sizes * np.exp(1j * angles * values)).sum(-1)
    sums += (in_runs * np.sinc(angles * half / np.pi)).sum(-1)
    largest = np.abs(sums).max(1)
    with np.errstate(divide="ignore"):
        needed = np.log(SMOOTH) / np.log(np.minimum(largest, 1 - 1e-9))
    rounded = 2 ** np.ceil(np.log2(np.maximum(needed, 1)))
    return tuple(np.minimum(rounded, num_samples + 1).astype(int).tolist())


def lumpiness(
    supports: Int[np.ndarray, " draws"], smooth_from: Sequence[int]
) -> Float[np.ndarray, " draws"]:
    """The longest period at which scores are lumpy, as a part of the largest step.

    >>> lumpiness(np.array([10, 100]), (1, 1, 64, 1, 128, 1, 1, 1, 1)).tolist()
    [0.5, 0.25]
    """
    is_lumpy = supports[:, None] < np.asarray(smooth_from)
    return np.where(is_lumpy, PERIODS, 0.0).max(1)


def _largest_small(
    tie_sums: Float[np.ndarray, " neurons"],
    of_large: Float[np.ndarray, " neurons"],
    *,
    num_samples: int,
) -> Int[np.ndarray, " neurons"]:
    """How many samples a group that is not large may have, a power of two or the most.

    The groups outside of the large ones have t**3 - t <= rest, so that t is the cube
    root of the rest rounded up, or less.
    """
    rest = tie_sums - of_large
    # What float64 leaves of sums above 2**53 is no group.
    rest = np.where(rest > 1e-15 * tie_sums, rest, 0)
    size = np.ceil(np.cbrt(rest))
    rounded = 2 ** np.ceil(np.log2(np.maximum(size, 1)))
    return np.minimum(rounded, num_samples // LARGE).astype(np.int64)
