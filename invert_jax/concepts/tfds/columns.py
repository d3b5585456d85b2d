"""Columns of a concept table, gathered example by example.

A coder turns one feature of an example into codes: whole numbers, or for a feature that
holds numbers those. When all examples are read, the codes become columns.
"""

import dataclasses
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int64, Shaped

from invert_jax.datasets.tfds.features import Leaf
from invert_jax.datasets.tfds.values import feature_error
from invert_jax.sample_ids import position_ids


class Columns(NamedTuple):
    """Some columns of a table.

    Attributes:
        names: Name of each.
        masks: Where each is true, [samples, columns].
    """

    names: list[str]
    masks: sp.csr_array


class Grid(NamedTuple):
    """The cells of an example that are samples; one cell is the example itself.

    Attributes:
        rows: Number of rows of cells.
        columns: Number of columns of cells.
        of_pixels: Whether every pixel is a cell, so that all maps have one size.
    """

    rows: int = 1
    columns: int = 1
    of_pixels: bool = False

    @property
    def num_cells(self) -> int:
        """Number of cells of an example."""
        return self.rows * self.columns

    def ids(self, ids: Shaped[np.ndarray, " examples"]) -> Shaped[np.ndarray, " cells"]:
        """`example@row,column` of each cell; those of the examples if there is one.

        >>> Grid(1, 2).ids(np.array(["a", "b"])).tolist()
        ['a@0,0', 'a@0,1', 'b@0,0', 'b@0,1']
        """
        if self.num_cells == 1 and not self.of_pixels:
            return ids
        return position_ids(ids, (self.rows, self.columns))


@runtime_checkable
class Coder(Protocol):
    """What one feature says of an example, and the columns that this becomes."""

    @property
    def leaf(self) -> Leaf:
        """The feature."""
        ...

    @property
    def typecode(self) -> str:
        """Type of the codes, as `array.array` names it."""
        ...

    def codes(self, example: Mapping[str, Any]) -> Sequence[float] | np.ndarray:
        """The codes of one example."""
        ...

    def columns(
        self, codes: np.ndarray, counts: Int64[np.ndarray, " examples"], grid: Grid
    ) -> Columns:
        """The columns, from the codes of all examples and how many each has."""
        ...


@dataclasses.dataclass(frozen=True)
class Gathered:
    """The codes of one feature in the examples so far.

    Attributes:
        coder: What makes them.
        codes: Those of all examples, one after the other.
        counts: Number of codes of each example.
    """

    coder: Coder
    codes: array
    counts: array

    @classmethod
    def by(cls, coder: Coder) -> "Gathered":
        """No codes yet."""
        return cls(coder, array(coder.typecode), array("q"))

    def add(self, example: Mapping[str, Any]) -> None:
        """Append the codes of one example."""
        try:
            codes = self.coder.codes(example)
        except Exception as error:  # of NumPy, Pillow, zlib, UTF-8
            raise feature_error(self.coder.leaf, error) from error
        if isinstance(codes, np.ndarray):
            self.codes.frombytes(codes.astype(self.codes.typecode).tobytes())
        else:
            self.codes.extend(codes)
        self.counts.append(len(codes))

    def columns(self, grid: Grid) -> Columns:
        """The columns of all examples."""
        dtype = {"d": np.float64, "Q": np.uint64}.get(self.codes.typecode, np.int64)
        codes = np.asarray(self.codes).view(dtype)
        return self.coder.columns(codes, np.asarray(self.counts).view(np.int64), grid)


def named_classes(
    leaf: Leaf, names: Sequence[str] | None, classes: Int64[np.ndarray, " codes"]
) -> tuple[list[str], Int64[np.ndarray, " codes"]]:
    """`label=cat` of each class, and the classes as columns.

    Classes without names are named by their numbers, and only those that occur are.
    """
    if names is None:
        values, classes = np.unique(classes, return_inverse=True)
        names = list(map(str, values.tolist()))
    return [f"{leaf.path}={name}" for name in names], classes


def coded_masks(
    codes: Int64[np.ndarray, " codes"],
    counts: Int64[np.ndarray, " examples"],
    num_columns: int,
    grid: Grid,
) -> sp.csr_array:
    """Masks of the examples from the columns that are true of each, for every cell.

    >>> coded_masks(np.array([1, 0, 1]), np.array([1, 2]), 2, Grid()).toarray().tolist()
    [[False, True], [True, True]]
    """
    starts = np.concatenate([[0], np.cumsum(counts)])
    entries = (np.ones(len(codes), bool), codes, starts)
    masks = sp.csr_array(entries, (len(counts), num_columns))
    masks.sum_duplicates()
    return repeated(masks, grid)


def repeated(masks: sp.csr_array, grid: Grid) -> sp.csr_array:
    """Masks of the cells from those of the examples."""
    if grid.num_cells == 1:
        return masks
    return sp.csr_array(masks[np.repeat(np.arange(masks.shape[0]), grid.num_cells)])
