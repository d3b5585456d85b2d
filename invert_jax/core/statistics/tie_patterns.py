"""Tie patterns: which samples of a neuron share one activation.

For a rank objective the best score on a meaningless neuron depends on the neuron
through its ties alone. A pattern is kept as its large groups, [groups, 2]: how many
samples lie below the group and how many are in it, by increasing activation; zeros
fill up. Large are the group at the lowest value, as left by a rectifier, if it has two
samples or more, and any other that has more than one sample in twenty; with one of
those and no more than `NUM_GROUPS` values, such as counts, all its groups are kept.
Smaller groups are left out: they change the variance of a score by less than a part in
a thousand. But they make scores step, which matters where a support has few samples,
so that `drawn_patterns.drawn_ties` says how large they can be.
"""

import numpy as np
from jaxtyping import Float, Int

Pattern = tuple[tuple[int, int], ...]
# A group is large with more than one sample in so many.
LARGE = 20
# 19 groups can have more than a twentieth; the lowest may be smaller.
NUM_GROUPS = LARGE


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


def runs_of(pattern: Pattern, *, num_samples: int) -> Float[np.ndarray, "runs 2"]:
    """Where the untied samples before, between and after the groups lie, in [0, 1].

    >>> runs_of(((0, 300), (500, 400)), num_samples=1000).tolist()
    [[0.0, 0.0], [0.3, 0.5], [0.9, 1.0]]
    """
    starts = [0, *(start + size for start, size in pattern)]
    stops = [*(start for start, _ in pattern), num_samples]
    return np.stack((starts, stops), axis=1) / num_samples


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
    starts, stops = runs_of(pattern, num_samples=num_samples).T
    return float(((stops - starts) ** 3).sum() / 3)


def _first_groups(sizes: Int[np.ndarray, " samples"]) -> list[tuple[int, int]]:
    """Start and size of the first groups, also of one; one more than `NUM_GROUPS`."""
    groups: list[tuple[int, int]] = []
    start = 0
    while start < len(sizes) and len(groups) <= NUM_GROUPS:
        groups.append((start, int(sizes[start])))
        start += groups[-1][1]
    return groups
