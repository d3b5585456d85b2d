"""What each kind of feature says of an example: classes, flags, numbers, texts."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float64, Int64, Shaped

from invert_jax.concepts._tfds_columns import (
    Coder,
    Columns,
    Grid,
    coded_masks,
    repeated,
)
from invert_jax.concepts._tfds_features import Kind, Leaf, class_names
from invert_jax.concepts._tfds_maps import MapCoder
from invert_jax.concepts._tfds_values import scalars


def coder_of(
    leaf: Leaf, *, probabilities: Sequence[float], grid: Grid, min_area: float
) -> Coder:
    """The coder of a feature, by its kind."""
    if leaf.kind is Kind.MAP:
        return MapCoder.of(leaf, grid, min_area)
    if leaf.kind is Kind.NUMBERS:
        return NumberCoder(leaf, tuple(probabilities))
    if leaf.kind is Kind.CLASSES:
        return ClassCoder.of(leaf)
    return FlagCoder(leaf) if leaf.kind is Kind.FLAGS else TextCoder(leaf)


@dataclasses.dataclass(frozen=True)
class ClassCoder:
    """`label=cat`: the class, or in a sequence each class that occurs.

    Attributes:
        leaf: The feature.
        names: Names of the classes; None if it is not known how many there are.
    """

    leaf: Leaf
    names: tuple[str, ...] | None
    typecode: str = "q"

    @classmethod
    def of(cls, leaf: Leaf) -> "ClassCoder":
        """The coder of a feature."""
        return cls(leaf, class_names(leaf))

    def codes(self, example: Mapping[str, Any]) -> list[int]:
        """The classes; -1 is TFDS's sign for no label."""
        limit = 2**63 if self.names is None else len(self.names)
        labels = scalars(example, self.leaf)
        for label in labels:
            if not -1 <= label < limit:
                raise ValueError(
                    f"the feature {self.leaf.path!r} must be a class in 0 … "
                    f"{limit - 1}, or -1 for none; got {label!r}."
                )
        return [label for label in labels if label >= 0]

    def columns(
        self, codes: np.ndarray, counts: Int64[np.ndarray, " examples"], grid: Grid
    ) -> Columns:
        """One column per class, or per class that occurs if they have no names."""
        names = self.names
        if names is None:
            values, codes = np.unique(codes, return_inverse=True)
            names = tuple(map(str, values.tolist()))
        masks = coded_masks(codes, counts, len(names), grid)
        return Columns([f"{self.leaf.path}={name}" for name in names], masks)


@dataclasses.dataclass(frozen=True)
class FlagCoder:
    """`attributes/Smiling`, or `flags[2]`: true of it, or of any in a sequence."""

    leaf: Leaf
    typecode: str = "q"

    def codes(self, example: Mapping[str, Any]) -> Sequence[int] | np.ndarray:
        """The places that are true."""
        values = scalars(example, self.leaf)
        if not self.leaf.fixed_shape:
            return [0] if any(values) else []
        return np.flatnonzero(_by_place(values, self.leaf).any(axis=0))

    def columns(
        self, codes: np.ndarray, counts: Int64[np.ndarray, " examples"], grid: Grid
    ) -> Columns:
        """One column, or one per place of a vector."""
        names = _names_of_places(self.leaf)
        return Columns(names, coded_masks(codes, counts, len(names), grid))


@dataclasses.dataclass(frozen=True)
class NumberCoder:
    """`age>34`: above a quantile of all examples; of a sequence the largest counts."""

    leaf: Leaf
    probabilities: tuple[float, ...]
    typecode: str = "d"

    def codes(self, example: Mapping[str, Any]) -> Float64[np.ndarray, " places"]:
        """One number per place; nan if there is none."""
        values = _by_place(scalars(example, self.leaf), self.leaf).astype(np.float64)
        return np.fmax.reduce(values, axis=0, initial=np.nan)

    def columns(
        self, codes: np.ndarray, counts: Int64[np.ndarray, " examples"], grid: Grid
    ) -> Columns:
        """One column per place and cut that some example is above, and some not."""
        by_place = codes.reshape(len(counts), -1)
        names, masks = [], [np.zeros((len(counts), 0), bool)]
        for name, values in zip(_names_of_places(self.leaf), by_place.T, strict=True):
            for cut in cut_points(values, self.probabilities):
                names.append(f"{name}>{_shortest(cut)}")
                masks.append(values[:, None] > cut)
        return Columns(names, repeated(sp.csr_array(np.hstack(masks)), grid))


@dataclasses.dataclass(frozen=True)
class TextCoder:
    """`breed=siamese`: the text, or in a sequence each text that occurs.

    Attributes:
        leaf: The feature.
        code_of: Number of each text so far.
    """

    leaf: Leaf
    code_of: dict[str, int] = dataclasses.field(default_factory=dict)
    typecode: str = "q"

    def codes(self, example: Mapping[str, Any]) -> list[int]:
        """Numbers of the texts, in the order in which they first occur."""
        texts = [
            each.decode() if isinstance(each, bytes) else str(each)
            for each in scalars(example, self.leaf)
        ]
        return [self.code_of.setdefault(text, len(self.code_of)) for text in texts]

    def columns(
        self, codes: np.ndarray, counts: Int64[np.ndarray, " examples"], grid: Grid
    ) -> Columns:
        """One column per text, in their order."""
        texts = sorted(self.code_of)
        column_of_code = np.argsort([self.code_of[text] for text in texts])
        masks = coded_masks(column_of_code[codes], counts, len(texts), grid)
        return Columns([f"{self.leaf.path}={text}" for text in texts], masks)


def cut_points(
    values: Float64[np.ndarray, " samples"], probabilities: Sequence[float]
) -> list[float]:
    """The quantiles of the finite values, in order, of four digits.

    A cut is one of the values rounded, so that the name of the concept says exactly
    what it means; whole numbers stay whole. Cuts that part no two values are left out.

    >>> cut_points(np.array([1.0, 2.0, 2.0, 10.0]), [0.25, 0.5, 0.75, 1.0])
    [1.0, 2.0]
    >>> cut_points(100_000.5 + np.arange(4), [0.25, 0.5, 0.75])
    [100000.5, 100001.5, 100002.5]
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return []
    cuts = np.quantile(known, probabilities, method="inverted_cdf")
    if (known != np.round(known)).any():
        spread = float(known.max() - known.min())
        cuts = np.array([_rounded(cut, spread) for cut in cuts.tolist()])
    parting = {cut for cut in cuts.tolist() if known.min() <= cut < known.max()}
    return sorted(parting)


def _rounded(number: float, spread: float) -> float:
    """The number to four digits of itself or of the spread, whichever is finer."""
    sizes = [abs(each) for each in (number, spread) if each]
    if not sizes:
        return number
    return round(number, 3 - math.floor(math.log10(min(sizes))))


def _shortest(number: float) -> str:
    """The number in so many digits that it is read back as it is; whole if it is."""
    text = f"{number:.12g}"
    return text if float(text) == number else repr(number)


def _by_place(values: list, leaf: Leaf) -> Shaped[np.ndarray, "items places"]:
    """The values as rows, one per item of the open sequences around a fixed shape."""
    num_places = math.prod(leaf.fixed_shape)
    if num_places == 0 or len(values) % num_places:
        raise ValueError(
            f"the feature {leaf.path!r} must have arrays of shape {leaf.fixed_shape}; "
            f"got {len(values)} values in all."
        )
    return np.array(values).reshape(-1, num_places)


def _names_of_places(leaf: Leaf) -> list[str]:
    """The path alone, or the path and the place in a vector or matrix."""
    if not leaf.fixed_shape:
        return [leaf.path]
    places = np.ndindex(*leaf.fixed_shape)
    return [f"{leaf.path}[{','.join(map(str, place))}]" for place in places]
