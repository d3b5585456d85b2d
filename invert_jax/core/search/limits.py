"""What a search may answer and how wide it looks."""

import bisect
from collections.abc import Callable
from typing import NamedTuple

from jax.typing import ArrayLike
from jaxtyping import Int


class Limits(NamedTuple):
    """Sizes of a search; each has a program of its own.

    Attributes:
        max_length: Most literals of a formula.
        beam_size: Formulas kept per step.
        is_narrowed: Whether extensions may use only some of the concepts.
        list_size: Candidates decided exactly at a time; changes no result.
    """

    max_length: int
    beam_size: int
    is_narrowed: bool = False
    list_size: int = 27


class Bounds(NamedTuple):
    """What a search may answer: numbers that its program takes, int32 each.

    Attributes:
        num_samples: N.
        min_positives: Smallest support, at least 1.
        max_positives: Largest support, below N.
        num_usable: Concepts that extensions may use, where they are narrowed.
    """

    num_samples: Int[ArrayLike, ""]
    min_positives: Int[ArrayLike, ""]
    max_positives: Int[ArrayLike, ""]
    num_usable: Int[ArrayLike, ""]


def support_bounds(
    min_fraction: float, max_fraction: float, num_samples: int
) -> tuple[int, int]:
    """Smallest and largest support that fractions allow.

    The smallest k with `k / num_samples >= min_fraction` and the largest with
    `k / num_samples <= max_fraction`, as floats divide, so that a fraction computed
    from a count allows that count. A support is never empty and never everything.

    >>> support_bounds(0.002, 0.5, 50_000), support_bounds(20 / 103, 20 / 103, 103)
    ((100, 25000), (20, 20))
    """
    smallest = _first(lambda k: k / num_samples >= min_fraction, num_samples)
    above_largest = _first(lambda k: k / num_samples > max_fraction, num_samples)
    return max(1, smallest), min(num_samples - 1, above_largest - 1)


def _first(holds: Callable[[int], bool], num_samples: int) -> int:
    """The first count for which it holds, as for all above; all + 1 if for none."""
    return bisect.bisect_left(range(num_samples + 1), True, key=holds)
