"""What a search may answer and how wide it looks."""

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
