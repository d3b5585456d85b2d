"""Tie patterns: which samples of a neuron share one activation.

For a rank objective the best score on a meaningless neuron depends on the neuron
through its ties alone. A pattern is kept as its large groups, [groups, 2]: how many
samples lie below the group and how many are in it, by increasing activation; zeros
fill up. Large are the group at the lowest value, as left by a rectifier, if it has two
samples or more, and any other that has more than one sample in twenty. Smaller groups
change the spread of a score by less than a part in a thousand, and are left out.
"""

import numpy as np
from jaxtyping import Int

Pattern = tuple[tuple[int, int], ...]
# A group is large with more than one sample in so many.
LARGE = 20
# 19 groups can have more than a twentieth; the lowest may be smaller.
NUM_GROUPS = LARGE
# From one point of the grid to the next the variance of a score falls by this factor.
GRID_STEP = 2**-0.5


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
    that the deviations of neighbors differ by at most 19 %.

    >>> end_grid(1000)[:4].tolist(), end_grid(1000)[-4:].tolist()
    ([0, 1, 2, 3], [136, 207, 336, 1000])
    """
    num_points = 8 + int(np.ceil(np.log(num_samples) / -np.log(GRID_STEP)))
    shares = np.cbrt(1 - GRID_STEP ** np.arange(num_points))
    points = np.ceil((1 - shares) * num_samples).astype(np.int64)
    return np.unique(np.append(points, 0))


def drawn_patterns(
    groups: Int[np.ndarray, "neurons groups 2"], *, num_samples: int
) -> list[Pattern]:
    """For each neuron the pattern whose null stands for its own.

    The ends of each group are moved inward to the grid, which unties the samples left
    outside. More ties narrow the null, so that fewer err to the safe side; and many
    neurons can share one null.

    >>> groups = np.array([[[0, 700], [0, 0]], [[0, 100], [100, 900]]])
    >>> drawn_patterns(groups, num_samples=1000)
    [((0, 664),), ((136, 864),)]
    """
    grid = end_grid(num_samples)
    below = groups[:, :, 0]
    above = num_samples - below - groups[:, :, 1]
    start, rest = grid[np.searchsorted(grid, below)], grid[np.searchsorted(grid, above)]
    size = num_samples - rest - start
    kept = (groups[:, :, 1] > 0) & (size > 1)
    shared: dict[Pattern, Pattern] = {}
    patterns = []
    for neuron, is_kept in enumerate(kept):
        pairs = zip(start[neuron, is_kept], size[neuron, is_kept], strict=True)
        pattern = tuple((int(first), int(count)) for first, count in pairs)
        patterns.append(shared.setdefault(pattern, pattern))
    return patterns
