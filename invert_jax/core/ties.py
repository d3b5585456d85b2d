"""Tie patterns: which samples of a neuron share one activation.

For a rank objective the best score on a meaningless neuron depends on the neuron
through its ties alone. A pattern is kept as its large groups, [groups, 2]: how many
samples lie below the group and how many are in it, by increasing activation; zeros
fill up. Large are the group at the lowest value, as left by a rectifier, if it has two
samples or more, and any other that has more than one sample in twenty. Smaller groups
change the spread of a score by less than a part in a thousand, and are left out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

Pattern = tuple[tuple[int, int], ...]
# A group is large with more than one sample in so many.
LARGE = 20
# 19 groups can have more than a twentieth; the lowest may be smaller.
NUM_GROUPS = LARGE
# From one point of the grid to the next the variance of a score falls by this factor.
GRID_STEP = 2**-0.125
# So many steps from no ties on are halved: to shares of two thirds, where most neurons
# behind a rectifier are.
HALVED = 4
# Ties above the lowest value that take no more than this of the variance do not count.
SMALL = 0.01


class DrawnTies(NamedTuple):
    """The ties with which the null of each neuron is drawn.

    Attributes:
        patterns: Their patterns; None for a neuron that needs none.
        untied: How many samples at the lowest value are outside of the drawn group.
        is_loose: Whether other ties are not drawn: of another group, or to a noticeable
            degree of samples outside of the large groups.
    """

    patterns: Sequence[Pattern | None]
    untied: Int[np.ndarray, " neurons"]
    is_loose: Bool[np.ndarray, " neurons"]


def group_sizes(midranks: Int[np.ndarray, " samples"]) -> Int[np.ndarray, " samples"]:
    """At the first sample of each group of ties its size; smaller at the others.

    With a samples below a group and b up to its end, c = a + b - N, so that
    c + N - 2 a = b - a.

    Args:
        midranks: Centered doubled midranks in increasing order.

    >>> group_sizes(np.array([-2, -2, 1, 3])).tolist()
    [2, 0, 1, 1]
    """
    num_samples = len(midranks)
    return midranks + num_samples - 2 * np.arange(num_samples)


def large_groups(
    midranks: Int[np.ndarray, " samples"],
) -> Int[np.ndarray, "groups 2"]:
    """The tie pattern of centered doubled midranks in increasing order; `NUM_GROUPS`.

    >>> large_groups(np.array([-2, -2, 1, 3]))[:2].tolist()
    [[0, 2], [0, 0]]
    """
    sizes = group_sizes(midranks)
    lowest = int(sizes[0])
    smallest = max(len(sizes), LARGE)
    large = lowest + np.flatnonzero(sizes[lowest:] * LARGE > smallest)
    groups = [(0, lowest)] if lowest > 1 else []
    while len(large):
        start = int(large[0])
        groups.append((start, int(sizes[start])))
        large = large[np.searchsorted(large, start + sizes[start]) :]
    pattern = np.zeros((NUM_GROUPS, 2), np.int64)
    pattern[: len(groups)] = np.reshape(groups, (-1, 2))
    return pattern


def midranks_of(
    pattern: Int[np.ndarray, "groups 2"], *, num_samples: int
) -> Int[np.ndarray, " samples"]:
    """Centered doubled midranks of a pattern; all outside its groups are untied.

    >>> midranks_of(np.array([[0, 2]]), num_samples=4).tolist()
    [-2, -2, 1, 3]
    """
    midranks = np.arange(1 - num_samples, num_samples, 2, dtype=np.int64)
    for start, size in pattern:
        midranks[start : start + size] = 2 * start + size - num_samples
    return midranks


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


def drawn_ties(
    groups: Int[np.ndarray, "neurons groups 2"],
    tie_sums: Float[np.ndarray, " neurons"],
    *,
    num_samples: int,
) -> DrawnTies:
    """For each neuron the pattern whose null stands for its own, and how they differ.

    The ends of each group are moved inward to the grid, which unties the samples left
    outside. More ties narrow the null, so that fewer err to the safe side; and many
    neurons can share one null. Where the scores come in few steps that alone would not
    do, and `nulls.allowance` says by how much a draw may miss.

    Args:
        groups: Tie patterns.
        tie_sums: Sum of t**3 - t over all groups of t tied samples.
        num_samples: N.

    >>> groups = np.array([[[0, 700], [0, 0]], [[0, 100], [100, 900]]])
    >>> drawn = drawn_ties(groups, np.zeros(2), num_samples=1000)
    >>> drawn.patterns
    [((0, 664),), ((101, 899),)]
    >>> drawn.untied.tolist(), drawn.is_loose.tolist()
    ([36, 100], [False, True])
    """
    below, counts = groups[:, :, 0], groups[:, :, 1]
    above = num_samples - below - counts
    grid = end_grid(num_samples)
    start, rest = grid[np.searchsorted(grid, below)], grid[np.searchsorted(grid, above)]
    size = num_samples - rest - start
    kept = (counts > 0) & (size > 1)
    size = np.where(kept, size, 0)
    untied = counts - size
    shared: dict[Pattern, Pattern] = {}
    patterns = []
    for neuron, is_kept in enumerate(kept):
        pairs = zip(start[neuron, is_kept], size[neuron, is_kept], strict=True)
        pattern = tuple((int(first), int(count)) for first, count in pairs)
        patterns.append(shared.setdefault(pattern, pattern))
    known = (counts.astype(np.float64) ** 3 - counts).sum(1)
    lowest = np.where(below[:, 0] == 0, counts[:, 0], 0)
    others = tie_sums - known > SMALL * (num_samples - lowest).astype(np.float64) ** 3
    return DrawnTies(
        patterns,
        np.where(below[:, 0] == 0, untied[:, 0], 0),
        others | ((untied > 0) & (below > 0)).any(1),
    )


def spread(pattern: Pattern, *, num_samples: int) -> float:
    """How smooth the scores of a pattern are: variance within a step, per positive.

    One more sample of a large group inside a support moves a score by a step, up to N /
    (2 n1 n0). A sample in a run of l untied ones lies anywhere in it, with variance
    (l / N)**2 / 3 in steps squared, and of n1 positives n1 l / N do.

    Returns:
        The sum of (l / N)**3 / 3 over the runs, in [0, 1/3].

    >>> spread((), num_samples=1000) * 3, spread(((0, 500),), num_samples=1000) * 3
    (1.0, 0.125)
    """
    starts = [0, *(start + size for start, size in pattern)]
    stops = [*(start for start, _ in pattern), num_samples]
    runs = zip(starts, stops, strict=True)
    return sum(((stop - start) / num_samples) ** 3 for start, stop in runs) / 3
