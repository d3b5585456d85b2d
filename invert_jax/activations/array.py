"""Activations of one layer: a matrix of numbers, with names and sample ids."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import ml_dtypes
import numpy as np
from jaxtyping import Shaped
from numpy.typing import ArrayLike

from invert_jax.checks import check_text
from invert_jax.plain_arrays import (
    Labels,
    check_plain,
    labels_of,
    numpy_array,
    used_labels,
)
from invert_jax.sample_ids import checked_ids, stacked_ids

FLOATS_BEYOND_NUMPY = (np.dtype(ml_dtypes.bfloat16),)


@runtime_checkable
class Matrix(Protocol):
    """A matrix that is sliced like an array: in memory, on a device or on disk."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Type of the numbers."""
        ...

    def __getitem__(self, index, /): ...


@dataclass(frozen=True, eq=False, repr=False)
class Activations:
    """What each neuron of a layer does on each sample; an array where one is wanted.

    Attributes:
        values: One row per sample, one column per neuron. Read in blocks of neurons,
            so it may be an array that is larger than memory. Labels of a table, as
            pandas has, are the names and ids, if they do more than count from 0.
        names: Names of the neurons, a tuple, distinct; numbers from 0 if not given.
        ids: What each sample is, so that the concepts of others are not mixed in.
        layer: Where the neurons come from.

    >>> layer = Activations(np.array([[0.0, 1.0], [2.0, 3.0]]), layer="encoder/dense")
    >>> layer
    Activations(2 samples, 2 neurons, float64, layer='encoder/dense')
    >>> layer.names, np.asarray(layer).sum()
    (('0', '1'), np.float64(6.0))
    """

    values: Matrix
    names: Sequence[str] = ()
    ids: np.ndarray | None = field(default=None, kw_only=True)
    layer: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        labels = labels_of(self.values)
        if isinstance(self.values, Activations):
            labels = Labels(self.values.ids, tuple(self.values.names))
        values = checked_values(self.values)
        num_samples, num_neurons = values.shape
        names = used_labels("values", "names", labels.columns, self.names)
        ids = used_labels("values", "ids", labels.rows, self.ids)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "names", checked_names(names, num_neurons))
        if not isinstance(self.layer, str):
            raise TypeError(f"`layer` must be a string; got {self.layer!r}.")
        check_text("layer", [self.layer])
        if ids is not None:
            object.__setattr__(self, "ids", checked_ids(ids, num_samples))

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and neurons."""
        return self.num_samples, self.num_neurons

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return np.dtype(self.values.dtype)

    @property
    def ndim(self) -> int:
        """Always 2."""
        return 2

    @property
    def num_samples(self) -> int:
        """Number of rows."""
        return int(self.values.shape[0])

    @property
    def num_neurons(self) -> int:
        """Number of columns."""
        return int(self.values.shape[1])

    def block(self, start: int, stop: int) -> Shaped[np.ndarray, "samples neurons"]:
        """Read the neurons from `start` up to, not including, `stop`.

        >>> Activations(np.eye(3)).block(1, 3).shape
        (3, 2)
        """
        if not 0 <= start <= stop <= self.num_neurons:
            raise ValueError(
                "`start` and `stop` must satisfy 0 <= start <= stop <= "
                f"{self.num_neurons} (the neurons); got {start} and {stop}."
            )
        block = self.values[:, start:stop]
        check_plain("values", block)
        return np.asarray(block)

    def stack(self, other: "Activations") -> "Activations":
        """The samples of both, one after the other; nothing is read yet.

        What several processes have collected, each of its own samples, is one layer so.

        Args:
            other: The same neurons, with the same dtype, on other samples.

        >>> first = Activations(np.eye(2), layer="fc")
        >>> first.stack(Activations(np.ones((3, 2)), layer="fc"))
        Activations(5 samples, 2 neurons, float64, layer='fc')
        """
        for name in ("names", "dtype", "layer"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise ValueError(
                    f"`other` must have the same {name}; got {_few(theirs)} to stack "
                    f"on {_few(mine)}."
                )
        return Activations(
            Stacked((self.values, other.values)),
            self.names,
            ids=stacked_ids(self.ids, other.ids),
            layer=self.layer,
        )

    def __array__(
        self, dtype: np.dtype | None = None, copy: bool | None = None
    ) -> np.ndarray:
        values = self.block(0, self.num_neurons)
        return np.array(values, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return self.num_samples

    def __repr__(self) -> str:
        layer = f", layer={self.layer!r}" if self.layer else ""
        return (
            f"Activations({self.num_samples} samples, {self.num_neurons} neurons, "
            f"{self.dtype}{layer})"
        )


class Stacked:
    """Matrices one below the other; a slice reads what it needs of each."""

    def __init__(self, parts: Sequence[Matrix]) -> None:
        self.parts = parts
        self.shape = (sum(part.shape[0] for part in parts), parts[0].shape[1])
        self.dtype = parts[0].dtype

    def __getitem__(self, index: slice | tuple[slice, slice]) -> np.ndarray:
        rows, columns = index if isinstance(index, tuple) else (index, slice(None))
        wanted = range(self.shape[0])[rows]
        if wanted.step != 1:
            return self[:, columns][rows]
        pieces, first = [], 0
        for part in self.parts:
            start = min(max(wanted.start - first, 0), part.shape[0])
            stop = min(max(wanted.stop - first, start), part.shape[0])
            pieces.append(np.asarray(part[start:stop, columns]))
            first += part.shape[0]
        return np.concatenate(pieces)


class Typed:
    """A matrix whose dtype is no type of NumPy's, as TensorStore has it; with one."""

    def __init__(self, values: Matrix, dtype: np.dtype) -> None:
        self.values, self.dtype = values, dtype
        self.shape = tuple(values.shape)

    def __getitem__(self, index: Any) -> np.ndarray:
        return np.asarray(self.values[index], self.dtype)


def as_activations(values: Activations | ArrayLike, layer: str = "") -> Activations:
    """`values` with names; refused unless a matrix of real numbers, not empty."""
    of_layer = f" of layer {layer!r}" if layer else ""
    if not isinstance(values, Activations):
        try:
            labels = labels_of(values)
            values = Activations(
                checked_values(values),
                labels.columns or (),
                ids=labels.rows,
                layer=layer,
            )
        except (TypeError, ValueError) as error:
            message = str(error).replace("`values`", f"`activations`{of_layer}")
            raise type(error)(message) from None
    if 0 in values.shape:
        raise ValueError(
            f"`activations`{of_layer} must have at least one sample and one neuron; "
            f"got shape {values.shape}."
        )
    itemsize = np.dtype(values.dtype).itemsize
    if itemsize > 8:
        raise TypeError(
            f"`activations`{of_layer} must have at most 64 bits per number; got dtype "
            f"{values.dtype}. Convert them to float64."
        )
    return values


def checked_values(values: Matrix | ArrayLike) -> Matrix:
    """`values`, refused unless it is a matrix of real numbers."""
    check_plain("values", values)
    matrix = _as_matrix(values)
    if len(matrix.shape) != 2:
        raise ValueError(
            "`values` must have two axes, samples and neurons; got shape "
            f"{tuple(matrix.shape)}. Pool or reshape the rest away first."
        )
    dtype = np.dtype(matrix.dtype)
    if dtype.kind not in "biuf" and dtype not in FLOATS_BEYOND_NUMPY:
        raise TypeError(
            f"`values` must be real numbers; got dtype {dtype}. "
            "Take the real part, the modulus or another number of each value."
        )
    return matrix


def _as_matrix(values: Matrix | ArrayLike) -> Matrix:
    """What can be read in blocks as it is, with a dtype of NumPy's; else an array."""
    if isinstance(values, Matrix):
        try:
            np.dtype(values.dtype)
            return values
        except TypeError:
            own = getattr(values.dtype, "numpy_dtype", None)
        if own is not None:
            return Typed(values, np.dtype(own))
    return numpy_array("values", values)


def checked_names(names: Sequence | None, num_neurons: int) -> tuple[str, ...]:
    """`names` as a tuple of distinct strings, one per neuron; numbers if empty."""
    if isinstance(names, str):
        raise TypeError(f"`names` must be a sequence of strings; got {names!r}.")
    if names is None or len(names) == 0:
        return tuple(map(str, range(num_neurons)))
    if len(names) != num_neurons:
        raise ValueError(
            "`names` must hold one name per neuron; "
            f"got {len(names)} for {num_neurons} neurons."
        )
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"`names` must be strings; got {name!r}.")
        if name in seen:
            raise ValueError(f"`names` must be distinct; got {name!r} twice.")
        seen.add(name)
    check_text("names", names)
    return tuple(str(name) for name in names)


def _few(value: object) -> str:
    """A value, or the beginning of a long list of names."""
    if isinstance(value, tuple) and len(value) > 3:
        return f"{len(value)} names such as {', '.join(value[:3])}"
    return repr(value)
