"""Tie patterns: which samples of a neuron share one activation.

For a rank objective the best score on a meaningless neuron depends on the neuron
through its ties alone. A pattern is kept as its large groups, [groups, 2]: how many
samples lie below the group and how many are in it, by increasing activation; zeros
fill up. Large are the group at the lowest value, as left by a rectifier, if it has two
samples or more, and any other that has more than one sample in twenty; with one of
those and no more than `NUM_GROUPS` values, such as counts, all its groups are kept.
Smaller groups are left out: they change the variance of a score by less than a part in
a thousand. But they make scores step, which matters where a support has few samples,
so that `drawn_ties` says how large they can be.
"""

from collections.abc import Collection, Sequence
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
# So many patterns with a large group above the lowest value are drawn as they are.
MOST_OWN = 64
# Where there are more, a boundary of two groups is moved to one of so many equal parts
# of the samples: by no more than a quarter of a large group.
PARTS = 4 * LARGE


class DrawnTies(NamedTuple):
    """The ties with which the null of each neuron is drawn, and what they lack.

    Attributes:
        patterns: Their patterns.
        untied: How many samples at the lowest value are outside of the drawn group, of
            a neuron whose other ties are small.
        largest: At most so many samples are in a small group, which is not drawn;
            below 2 if there is none.
        is_moved: Whether groups above the lowest value were moved to the grid.
    """

    patterns: Sequence[Pattern]
    untied: Int[np.ndarray, " neurons"]
    largest: Int[np.ndarray, " neurons"]
    is_moved: Bool[np.ndarray, " neurons"]


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
    values = _first_groups(sizes) if len(large) else []
    if 0 < len(values) <= NUM_GROUPS:
        groups = [(start, size) for start, size in values if size > 1]
        large = large[:0]
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


def patterns_of(groups: Int[np.ndarray, "neurons groups 2"]) -> list[Pattern]:
    """The pattern of each neuron; neurons of one pattern share the object.

    >>> patterns_of(np.array([[[0, 700], [0, 0]], [[0, 100], [100, 900]]]))
    [((0, 700),), ((0, 100), (100, 900))]
    """
    shared: dict[Pattern, Pattern] = {}
    patterns = []
    for neuron, count in enumerate((groups[:, :, 1] > 0).sum(1).tolist()):
        pattern = tuple(
            (start, size) for start, size in groups[neuron, :count].tolist()
        )
        patterns.append(shared.setdefault(pattern, pattern))
    return patterns


def on_grid(pattern: Pattern, *, num_samples: int) -> Pattern:
    """The pattern whose null stands for another one, so that many can share it.

    The ends of each large group are moved inward to `end_grid`, which unties what is
    left outside. A boundary of two groups is moved once, to one of `PARTS` equal parts
    towards the middle of the two. Either way the ties become fewer, which widens
    the null, so that it errs to the safe side, but for the steps of the scores:
    `nulls.allowance` says by how much a draw may miss one.

    Args:
        pattern: Large groups.
        num_samples: N.

    >>> on_grid(((0, 700),), num_samples=1000)
    ((0, 664),)
    >>> on_grid(((0, 940), (940, 60)), num_samples=1000)
    ((0, 938), (938, 62))
    """
    grid = end_grid(num_samples)
    large = [(a, size) for a, size in pattern if a == 0 or size * LARGE > num_samples]
    ends = np.array([(start, start + size) for start, size in large]).reshape(-1, 2)
    moved = np.stack((
        grid[np.searchsorted(grid, ends[:, 0])],
        num_samples - grid[np.searchsorted(grid, num_samples - ends[:, 1])],
    ), axis=1)  # fmt: skip
    for group in np.flatnonzero(ends[:-1, 1] == ends[1:, 0]):
        boundary, part = ends[group, 1], num_samples / PARTS
        is_below = 2 * boundary < ends[group, 0] + ends[group + 1, 1]
        parts = np.ceil(boundary / part) if is_below else np.floor(boundary / part)
        moved[group, 1] = moved[group + 1, 0] = round(parts * part)
    pairs = ((start, stop - start) for start, stop in moved.tolist())
    return tuple((start, size) for start, size in pairs if size > 1)


def patterns_to_draw(
    patterns: Collection[Pattern], *, num_samples: int, from_below: bool
) -> tuple[Pattern, ...]:
    """What to draw for neurons of some patterns, sorted.

    A pattern with a large group above the lowest value is drawn as it is, if there are
    no more than `MOST_OWN` such; all others as the one `on_grid`. Searched from below,
    the group at the lowest value decides the best scores and is no better on the grid
    than any other, so that every pattern is drawn as it is, up to the same number.

    >>> patterns = [((0, 700),), ((0, 690),), ((0, 9), (9, 991))]
    >>> patterns_to_draw(patterns, num_samples=1000, from_below=False)
    (((0, 9), (9, 991)), ((0, 664),))
    """
    own = {each for each in patterns if from_below or _has_upper(each)}
    own = own if len(own) <= MOST_OWN else set()
    rest = (on_grid(each, num_samples=num_samples) for each in set(patterns) - own)
    return tuple(sorted(own.union(rest)))


def drawn_ties(
    groups: Int[np.ndarray, "neurons groups 2"],
    tie_sums: Float[np.ndarray, " neurons"],
    drawn: Collection[Pattern],
    *,
    num_samples: int,
) -> DrawnTies:
    """For each neuron the pattern whose null stands for its own, and how they differ.

    Its own pattern if that was drawn, and the one `on_grid` if not.

    Args:
        groups: Tie patterns.
        tie_sums: Sum of t**3 - t over all groups of t tied samples.
        drawn: The patterns drawn.
        num_samples: N.

    >>> groups = np.array([[[0, 700]], [[100, 900]]])
    >>> tie_sums = np.array([700**3 - 700, 900**3 - 900 + 24.0])
    >>> ties = drawn_ties(groups, tie_sums, [((100, 900),)], num_samples=1000)
    >>> ties.patterns
    [((0, 664),), ((100, 900),)]
    >>> ties.untied.tolist(), ties.largest.tolist(), ties.is_moved.tolist()
    ([36, 0], [1, 4], [False, False])
    """
    own = patterns_of(groups)
    chosen = {
        each: each if each in drawn else on_grid(each, num_samples=num_samples)
        for each in set(own)
    }
    lack = {each: _untied(each, drawn_one) for each, drawn_one in chosen.items()}
    counts = groups[:, :, 1].astype(np.float64)
    return DrawnTies(
        [chosen[each] for each in own],
        np.array([lack[each] for each in own], np.int64).reshape(-1),
        _largest_small(tie_sums, (counts**3 - counts).sum(1), num_samples=num_samples),
        np.array([chosen[each] != each and _has_upper(each) for each in own], bool),
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


def _first_groups(sizes: Int[np.ndarray, " samples"]) -> list[tuple[int, int]]:
    """Start and size of the first groups, also of one; one more than `NUM_GROUPS`."""
    groups: list[tuple[int, int]] = []
    start = 0
    while start < len(sizes) and len(groups) <= NUM_GROUPS:
        groups.append((start, int(sizes[start])))
        start += groups[-1][1]
    return groups


def _has_upper(pattern: Pattern) -> bool:
    """Whether a large group lies above the lowest value."""
    return any(start > 0 for start, _ in pattern)


def _untied(pattern: Pattern, drawn: Pattern) -> int:
    """Samples at the lowest value outside of what is drawn, if that is all there is."""
    if _has_upper(pattern) or not pattern:
        return 0
    return pattern[0][1] - (drawn[0][1] if drawn else 0)


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
