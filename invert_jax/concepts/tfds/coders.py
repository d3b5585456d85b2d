"""What each kind of feature says of an example: classes, flags, numbers, texts."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int64, Shaped

from invert_jax.concepts.tfds.columns import (
    Coder,
    Columns,
    Grid,
    coded_masks,
    named_classes,
    repeated,
)
from invert_jax.concepts.tfds.maps import MapCoder
from invert_jax.datasets.tfds.features import Kind, Leaf, class_names
from invert_jax.datasets.tfds.values import scalars


def coder_of(
    leaf: Leaf,
    *,
    probabilities: Sequence[float],
    grid: Grid,
    min_area: float,
    confidence: "Confidence | None" = None,
) -> Coder:
    """The coder of a feature, by its kind."""
    if leaf.kind is Kind.MAP:
        return MapCoder.of(leaf, grid, min_area)
    if leaf.kind is Kind.NUMBERS:
        return NumberCoder(leaf, tuple(probabilities), confidence)
    if leaf.kind is Kind.CLASSES:
        return ClassCoder(leaf, class_names(leaf), confidence)
    if leaf.kind is Kind.FLAGS:
        return FlagCoder(leaf, confidence)
    return TextCoder(leaf, confidence)


class Confidence(NamedTuple):
    """The feature that says how sure each item of a list is, and what counts."""

    leaf: Leaf
    least: float


def sure_scalars(
    example: Mapping[str, Any], leaf: Leaf, confidence: Confidence | None
) -> list:
    """All values of a feature, without those of items that are not sure enough."""
    values = scalars(example, leaf)
    if confidence is None:
        return values
    sure = scalars(example, confidence.leaf)
    per_item = math.prod(leaf.feature.shape)
    if len(values) != len(sure) * per_item:
        raise ValueError(
            f"the feature {confidence.leaf.path!r} must have a value for each of the "
            f"{len(values) // per_item} of {leaf.path!r}; got {len(sure)}."
        )
    is_sure = np.repeat(np.asarray(sure) >= confidence.least, per_item).tolist()
    return [value for value, counts in zip(values, is_sure, strict=True) if counts]


@dataclasses.dataclass(frozen=True)
class ClassCoder:
    """`label=cat`: the class, or in a sequence each class that occurs.

    Attributes:
        leaf: The feature.
        names: Names of the classes; None if it is not known how many there are.
        confidence: Which classes of a list count; None for all.
    """

    leaf: Leaf
    names: tuple[str, ...] | None
    confidence: Confidence | None = None
    typecode: str = "q"

    def codes(self, example: Mapping[str, Any]) -> list[int]:
        """The classes; -1 is TFDS's sign for no label."""
        limit = 2**63 if self.names is None else len(self.names)
        labels = sure_scalars(example, self.leaf, self.confidence)
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
        names, codes = named_classes(self.leaf, self.names, codes)
        return Columns(names, coded_masks(codes, counts, len(names), grid))


@dataclasses.dataclass(frozen=True)
class FlagCoder:
    """`attributes/Smiling`, or `flags[2]`: true of it, or of any in a sequence."""

    leaf: Leaf
    confidence: Confidence | None = None
    typecode: str = "q"

    def codes(self, example: Mapping[str, Any]) -> Sequence[int] | np.ndarray:
        """The places that are true."""
        values = sure_scalars(example, self.leaf, self.confidence)
        if not self.leaf.fixed_shape:
            return [0] if any(values) else []
        return np.flatnonzero(_by_place(values, self.leaf, bool).any(axis=0))

    def columns(
        self, codes: np.ndarray, counts: Int64[np.ndarray, " examples"], grid: Grid
    ) -> Columns:
        """One column, or one per place of a vector."""
        names = _names_of_places(self.leaf)
        return Columns(names, coded_masks(codes, counts, len(names), grid))


@dataclasses.dataclass(frozen=True)
class NumberCoder:
    """`age>34`: above a quantile of all examples; of a sequence the largest counts.

    Numbers are cut and compared in the feature's own dtype, so that 0.3 in float32 is
    not above 0.3, and integers beyond 2^53 stay what they are.
    """

    leaf: Leaf
    probabilities: tuple[float, ...]
    confidence: Confidence | None = None

    @property
    def dtype(self) -> np.dtype:
        """Type of the numbers."""
        return np.dtype(self.leaf.feature.np_dtype)

    @property
    def typecode(self) -> str:
        """Type that holds every number of the dtype."""
        return {"f": "d", "u": "Q"}.get(self.dtype.kind, "q")

    def codes(
        self, example: Mapping[str, Any]
    ) -> Shaped[np.ndarray, " places"] | list[float]:
        """One number per place, nan if it is none; nothing if there is no item."""
        known = sure_scalars(example, self.leaf, self.confidence)
        values = _by_place(known, self.leaf, self.dtype)
        return np.fmax.reduce(values, axis=0) if len(values) else []

    def columns(
        self, codes: np.ndarray, counts: Int64[np.ndarray, " examples"], grid: Grid
    ) -> Columns:
        """One column per place and cut that some example is above, and some not."""
        has_any, places = counts > 0, _names_of_places(self.leaf)
        by_place = codes.astype(self.dtype).reshape(-1, len(places))
        names, masks = [], [np.zeros((len(counts), 0), bool)]
        for name, values in zip(places, by_place.T, strict=True):
            for cut in cut_points(values, self.probabilities):
                names.append(f"{name}>{str(cut).removesuffix('.0')}")
                is_above = np.zeros((len(counts), 1), bool)
                is_above[has_any, 0] = values > cut
                masks.append(is_above)
        return Columns(names, repeated(sp.csr_array(np.hstack(masks)), grid))


@dataclasses.dataclass(frozen=True)
class TextCoder:
    """`breed=siamese`: the text, or in a sequence each text that occurs.

    Attributes:
        leaf: The feature.
        confidence: Which texts of a list count; None for all.
        code_of: Number of each text so far.
    """

    leaf: Leaf
    confidence: Confidence | None = None
    code_of: dict[str, int] = dataclasses.field(default_factory=dict)
    typecode: str = "q"

    def codes(self, example: Mapping[str, Any]) -> list[int]:
        """Numbers of the texts, in the order in which they first occur."""
        texts = [
            text.decode() if isinstance(text, bytes) else str(text)
            for text in sure_scalars(example, self.leaf, self.confidence)
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
    values: Shaped[np.ndarray, " samples"], probabilities: Sequence[float]
) -> list[Any]:
    """The quantiles of the finite values, in order, as scalars of their dtype.

    A cut is one of the values, rounded to few digits as long as that moves at most one
    value in a thousand to its other side; written out it is read back as it is, so that
    the name of the concept says exactly what it means. Integers are never rounded. Cuts
    that part no two values are left out.

    >>> [str(cut) for cut in cut_points(np.array([1, 2, 2, 10]), [0.25, 0.5, 0.75])]
    ['1', '2']
    >>> values = np.float32([0.1, 0.3, 0.5, 0.123456])
    >>> [str(cut) for cut in cut_points(values, [0.25, 0.5, 0.75])]
    ['0.1', '0.1235', '0.3']
    """
    known = np.sort(values[np.isfinite(values)])
    if not known.size:
        return []
    # 5/6 of 6 values is the fifth, though the float 5/6 is a little more.
    shares = [Fraction(share).limit_denominator(10**6) for share in probabilities]
    cuts = [known[max(math.ceil(share * known.size), 1) - 1] for share in shares]
    if known.dtype.kind == "f":
        cuts = [_rounded(cut, known) for cut in cuts]
    return sorted({cut for cut in cuts if known[0] <= cut < known[-1]})


def _rounded(cut: np.floating, known: Shaped[np.ndarray, " values"]) -> np.floating:
    """The cut to four digits or more, of itself or of the spread if that is finer."""
    sizes = [abs(float(cut)), abs(float(known[-1]) - float(known[0]))]
    if not all(map(math.isfinite, sizes)) or not min(sizes):
        return cut
    first = 3 - math.floor(math.log10(min(sizes)))
    num_above = np.count_nonzero(known > cut)
    for digits in range(first, first + 14):
        rounded = known.dtype.type(round(float(cut), digits))
        num_moved = abs(np.count_nonzero(known > rounded) - num_above)
        if num_moved * 1000 <= known.size:
            return rounded
    return cut


def _by_place(
    values: list, leaf: Leaf, dtype: np.dtype | type
) -> Shaped[np.ndarray, "items places"]:
    """The values as rows, one per item of the open sequences around a fixed shape."""
    num_places = math.prod(leaf.fixed_shape)
    if num_places == 0 or len(values) % num_places:
        raise ValueError(
            f"the feature {leaf.path!r} must have arrays of shape {leaf.fixed_shape}; "
            f"got {len(values)} values in all."
        )
    return np.array(values, dtype).reshape(-1, num_places)


def _names_of_places(leaf: Leaf) -> list[str]:
    """The path alone, or the path and the place in a vector or matrix."""
    if not leaf.fixed_shape:
        return [leaf.path]
    places = np.ndindex(*leaf.fixed_shape)
    return [f"{leaf.path}[{','.join(map(str, place))}]" for place in places]
