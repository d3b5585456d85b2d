"""Segmentation maps: a class is present where it has enough of the area."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int64

from invert_jax.concepts.tfds.columns import Columns, Grid, named_classes
from invert_jax.datasets.images import map_of
from invert_jax.datasets.tfds.features import Leaf, class_names
from invert_jax.datasets.tfds.values import items

_NUM_VALUES = 2**16  # of 16 bits at most


@dataclasses.dataclass(frozen=True)
class MapCoder:
    """`segmentation=sky`: the class has at least `min_area` of the pixels of the cell.

    Attributes:
        leaf: The feature.
        grid: The cells that the map is cut into.
        min_area: Part of the pixels of a cell, inclusive.
        names: Names of the classes; None if the values have none.
        unlabeled: The value of pixels without a class, if there is one.
    """

    leaf: Leaf
    grid: Grid
    min_area: float
    names: tuple[str, ...] | None
    unlabeled: int | None
    typecode: str = "q"

    @classmethod
    def of(cls, leaf: Leaf, grid: Grid, min_area: float) -> "MapCoder":
        """The coder of a feature; with named classes the largest value means none."""
        is_labeled = hasattr(leaf.feature, "num_classes")
        names = class_names(leaf) if is_labeled else None
        if names is None:
            return cls(leaf, grid, min_area, None, None)
        largest = int(np.iinfo(leaf.feature.np_dtype).max)
        unlabeled = largest if largest >= len(names) else None
        return cls(leaf, grid, min_area, names, unlabeled)

    def codes(self, example: Mapping[str, Any]) -> Int64[np.ndarray, " codes"]:
        """Number of the cell times 2^16 plus the class, of each pair that is true."""
        found = [self._codes_of(map_of(image)) for image in items(example, self.leaf)]
        if len(found) == 1:
            return found[0]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def columns(
        self, codes: np.ndarray, counts: Int64[np.ndarray, " examples"], grid: Grid
    ) -> Columns:
        """One column per class, or per value that occurs if they have no names."""
        cells, classes = np.divmod(codes, _NUM_VALUES)
        samples = np.repeat(np.arange(len(counts)), counts) * grid.num_cells + cells
        names, classes = named_classes(self.leaf, self.names, classes)
        shape = (len(counts) * grid.num_cells, len(names))
        masks = sp.coo_array((np.ones(len(codes), bool), (samples, classes)), shape)
        return Columns(names, masks.tocsr())

    def _codes_of(
        self, pixels: Int64[np.ndarray, "height width"]
    ) -> Int64[np.ndarray, " codes"]:
        self._check_size(*pixels.shape)
        cells = self._cells_of(*pixels.shape)
        labeled = pixels != self.unlabeled
        classes, cell_of = pixels[labeled], np.broadcast_to(cells, pixels.shape)
        self._check_values(classes)
        if self.grid.of_pixels or not classes.size:
            return cell_of[labeled] * _NUM_VALUES + classes
        num_values = int(classes.max()) + 1
        keys, areas = counted(cell_of[labeled] * num_values + classes)
        cell, class_ = np.divmod(keys, num_values)
        sizes = np.bincount(cell_of.ravel(), minlength=self.grid.num_cells)
        is_present = areas / sizes[cell] >= self.min_area
        return (cell * _NUM_VALUES + class_)[is_present]

    def _cells_of(self, height: int, width: int) -> Int64[np.ndarray, "_ _"]:
        """The cell of each pixel."""
        rows, columns, _ = self.grid
        row_of = np.arange(height) * rows // height
        column_of = np.arange(width) * columns // width
        return row_of[:, None] * columns + column_of

    def _check_size(self, height: int, width: int) -> None:
        """Refuse maps that do not fit the cells."""
        rows, columns, of_pixels = self.grid
        is_of_other_size = of_pixels and (height, width) != (rows, columns)
        if height < rows or width < columns or is_of_other_size:
            raise ValueError(
                f"the map {self.leaf.path!r} is {height} by {width} pixels, which does "
                f"not fit the {rows} by {columns} positions; maps of several sizes "
                "need `positions=(rows, columns)`, no more than the smallest map has."
            )

    def _check_values(self, values: Int64[np.ndarray, " pixels"]) -> None:
        """Refuse values that are no class."""
        limit = _NUM_VALUES if self.names is None else len(self.names)
        if values.size and not 0 <= values.min() <= values.max() < limit:
            bad = values[(values < 0) | (values >= limit)]
            none = "" if self.unlabeled is None else f" (or {self.unlabeled} for none)"
            raise ValueError(
                f"the map {self.leaf.path!r} must hold classes in 0 … {limit - 1}"
                f"{none}; got {bad[0]}."
            )


def counted(
    keys: Int64[np.ndarray, " items"],
) -> tuple[Int64[np.ndarray, " keys"], Int64[np.ndarray, " keys"]]:
    """The different keys, in order, and how often each occurs; none is negative.

    Keys that are not much larger than their number are counted without sorting them.

    >>> [part.tolist() for part in counted(np.array([3, 1, 3]))]
    [[1, 3], [1, 2]]
    """
    if keys.max(initial=0) > 4 * keys.size:
        return np.unique(keys, return_counts=True)
    counts = np.bincount(keys)
    found = np.flatnonzero(counts)
    return found, counts[found]
