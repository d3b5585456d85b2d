"""What a search may answer and how wide it looks."""

import math
from fractions import Fraction
from typing import NamedTuple


class Limits(NamedTuple):
    """Sizes and limits of a search; all are static.

    Attributes:
        num_samples: N.
        min_positives: Smallest support, at least 1.
        max_positives: Largest support, below N.
        max_length: Most literals of a formula.
        beam_size: Formulas kept per step.
        num_usable: Concepts that extensions may use; None for all.
        list_size: Candidates decided exactly at a time; changes no result.
    """

    num_samples: int
    min_positives: int
    max_positives: int
    max_length: int
    beam_size: int
    num_usable: int | None = None
    list_size: int = 32


def support_bounds(
    min_fraction: float, max_fraction: float, num_samples: int
) -> tuple[int, int]:
    """Smallest and largest support that fractions allow, by exact arithmetic.

    A fraction is read as the decimal that it prints as, so that 0.002 of 50,000 is 100.
    A support is never empty and never everything.

    >>> support_bounds(0.002, 0.5, 50_000)
    (100, 25000)
    """
    smallest = math.ceil(Fraction(str(min_fraction)) * num_samples)
    largest = math.floor(Fraction(str(max_fraction)) * num_samples)
    return max(1, smallest), min(num_samples - 1, largest)
