"""Where formulas hold on the distinct rows of a table, also without a literal."""

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Int

from invert_jax.concepts.table import Concepts
from invert_jax.core import ranking


class FormulaMasks:
    """Truth of formulas on the distinct rows of a table."""

    def __init__(self, concepts: Concepts):
        self.columns = sp.csc_array(concepts.rows)
        self.num_rows = concepts.num_rows
        self.row_counts = concepts.row_counts
        self.row_of_sample = np.asarray(concepts.row_of_sample)

    def of(
        self, literals: list[int], operators: list[int]
    ) -> Bool[np.ndarray, " rows"]:
        """Where ((l1 o l2) o l3) ... holds; operators are 0 for AND and 1 for OR."""
        mask = self._literal(literals[0])
        for literal, operator in zip(literals[1:], operators, strict=True):
            other = self._literal(literal)
            mask = mask | other if operator else mask & other
        return mask

    def row_sums(self, ranks: ranking.HostRanks) -> Int[np.ndarray, " rows"]:
        """Sum of the centered doubled midranks over each row."""
        return ranking.host_row_sums(ranks, self.row_of_sample, num_rows=self.num_rows)

    def sums_without(
        self,
        formula: tuple[list[int], list[int]],
        row_sums: Int[np.ndarray, " rows"],
        *,
        length: int,
    ) -> tuple[Int[np.ndarray, " length"], Int[np.ndarray, " length"]]:
        """What a score of a formula without each of its literals is made of.

        Args:
            formula: Its literals and operators.
            row_sums: Sum of a neuron's weights over each row.
            length: Room for so many literals.

        Returns:
            Sum and number of samples of what is left; 0 past the formula's length, and
            everywhere if it has but one literal.
        """
        sums, supports = np.zeros((2, length), np.int64)
        num_literals = len(formula[0])
        for place in range(num_literals if num_literals > 1 else 0):
            rows = self.of(*without_literal(*formula, place))
            sums[place] = row_sums[rows].sum()
            supports[place] = self.row_counts[rows].sum()
        return sums, supports

    def _literal(self, literal: int) -> Bool[np.ndarray, " rows"]:
        column, negated = divmod(literal, 2)
        start, stop = self.columns.indptr[column : column + 2]
        mask = np.full(self.num_rows, bool(negated))
        mask[self.columns.indices[start:stop]] = not negated
        return mask


def without_literal(
    literals: list[int], operators: list[int], place: int
) -> tuple[list[int], list[int]]:
    """The formula without one literal and the operator before it, or after the first.

    >>> without_literal([0, 2, 4], [1, 0], 0), without_literal([0, 2, 4], [1, 0], 2)
    (([2, 4], [0]), ([0, 2], [1]))
    """
    at = max(0, place - 1)
    return (
        literals[:place] + literals[place + 1 :],
        operators[:at] + operators[at + 1 :],
    )
