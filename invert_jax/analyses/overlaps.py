"""How much the supports of two sets of formulas overlap."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

from invert_jax.concepts.formula_masks import FormulaMasks
from invert_jax.concepts.table import Concepts
from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.same_run import concepts_in_order, counted_concepts
from invert_jax.sample_ids import check_same_samples

BLOCK = 1024


class Supports(NamedTuple):
    """Where the best formulas of two sets hold, on the samples that differ in either.

    Attributes:
        first: Of `a`; nowhere without a formula.
        second: Of `b`.
        counts: Samples of each row.
        neurons: Index of each neuron in its layer, of `a` and of `b`.
    """

    first: Bool[np.ndarray, "neurons_a rows"]
    second: Bool[np.ndarray, "neurons_b rows"]
    counts: Int[np.ndarray, " rows"]
    neurons: tuple[Int[np.ndarray, " neurons_a"], Int[np.ndarray, " neurons_b"]]

    @classmethod
    def of(
        cls,
        a: Explanations,
        b: Explanations,
        concepts: Concepts | tuple[Concepts, Concepts],
    ) -> "Supports":
        """The supports of two sets of labels.

        Args:
            a: One set.
            b: The other.
            concepts: The table of both, or one for each, of the same samples.
        """
        tables = (concepts, concepts) if isinstance(concepts, Concepts) else concepts
        if (
            not isinstance(tables, tuple | list)
            or len(tables) != 2
            or not all(isinstance(each, Concepts) for each in tables)
        ):
            raise TypeError(
                "`concepts` must be a Concepts table, or one for each of `a` and `b`; "
                f"got {type(concepts).__name__}."
            )
        one, other = tables
        check_same_samples(
            "`concepts`",
            (one.num_samples, other.num_samples),
            (one.ids, other.ids),
            cure="Concepts.align reorders them.",
        )
        sides = tuple(zip(tables, (a, b), ("`a`", "`b`"), strict=True))
        of_a, of_b = (concepts_in_order(*side) for side in sides)
        for side in sides:
            counted_concepts(*side)
        pair = of_a.row_of_sample.astype(np.int64) * of_b.num_rows + of_b.row_of_sample
        pairs, counts = np.unique(pair, return_counts=True)
        rows_a, rows_b = np.divmod(pairs, of_b.num_rows)
        return cls(
            _masks(a, of_a)[:, rows_a],
            _masks(b, of_b)[:, rows_b],
            counts,
            (a.neurons, b.neurons),
        )

    @property
    def turned(self) -> "Supports":
        """The same with `a` and `b` in each other's place."""
        return Supports(self.second, self.first, self.counts, self.neurons[::-1])

    def overlap_of_pairs(
        self, first: Int[np.ndarray, " pairs"], second: Int[np.ndarray, " pairs"]
    ) -> Float[np.ndarray, " pairs"]:
        """Jaccard index of each pair; nan where neither holds anywhere."""
        result = np.zeros(len(first))
        for start in range(0, len(first), BLOCK):
            here = slice(start, start + BLOCK)
            one, other = self.first[first[here]], self.second[second[here]]
            shared, either = (one & other) @ self.counts, (one | other) @ self.counts
            result[here] = _ratio(shared, either)
        return result

    def best_of_second(
        self, first: Int[np.ndarray, " labels"], second: Int[np.ndarray, " others"]
    ) -> tuple[Int[np.ndarray, " labels"], Float[np.ndarray, " labels"]]:
        """For each of some neurons of `a` the place in `second` of largest overlap.

        Of equal overlaps that of the neuron of the same index wins, then the first.
        """
        weights = self.counts.astype(np.float64)
        others = sp.csr_array(self.second[second].T.astype(np.float64))
        sizes = self.second[second] @ self.counts
        places = np.zeros(len(first), np.int64)
        best = np.zeros(len(first))
        for start in range(0, len(first), BLOCK):
            here = slice(start, start + BLOCK)
            masks = self.first[first[here]]
            # Whole numbers below 2**53 are exact in float64.
            shared = (masks * weights) @ others
            either = (masks @ self.counts)[:, None] + sizes - shared
            overlaps = np.nan_to_num(_ratio(shared, either))
            best[here] = overlaps.max(1)
            is_same = self.neurons[0][first[here], None] == self.neurons[1][second]
            ties = overlaps == best[here, None]
            places[here] = (ties * (1 + is_same)).argmax(1)
        return places, best


def _ratio(shared: np.ndarray, either: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return shared / np.where(either > 0, either, np.nan)


def _masks(
    explanations: Explanations, concepts: Concepts
) -> Bool[np.ndarray, "neurons rows"]:
    """Where the best formula of each neuron holds; nowhere without one."""
    masks = FormulaMasks(concepts)
    result = np.zeros((len(explanations), concepts.num_rows), bool)
    for position in np.flatnonzero(explanations.lengths[:, -1, 0] > 0):
        result[position] = masks.of(*explanations.literals_at(int(position)))
    return result
