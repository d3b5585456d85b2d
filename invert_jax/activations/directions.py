"""Neurons that a layer does not have: directions, and latents of an autoencoder.

They are computed when they are read, in float32 and in blocks of one size, so that a
million latents need no memory and have the same bits in whatever blocks they are read.
The layer they are made of may be larger than memory as well.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real, Shaped
from numpy.typing import ArrayLike

from invert_jax.activations.array import Activations
from invert_jax.plain_arrays import plain_array

BLOCK_NEURONS = 256
BLOCK_SAMPLES = 8192  # as many as a file of a store has at most
MOST_KEPT = 2**30  # bytes of a layer on disk that are read once, for all blocks


def project(
    activations: Activations,
    directions: ArrayLike,
    *,
    names: Sequence[str] = (),
    layer: str | None = None,
) -> Activations:
    """The component of a layer along each direction, unnormalized, as activations.

    Args:
        activations: A layer; one on disk of more than 1 GiB is read anew for every
            256 directions.
        directions: [directions, neurons]; one row per direction.
        names: Names of the directions; numbers if not given.
        layer: Name of the result; the layer's own if not given.

    >>> layer = Activations(np.array([[1.0, 2.0], [3.0, 5.0]]))
    >>> np.asarray(project(layer, [[1.0, -1.0]], names=["difference"])).tolist()
    [[-1.0], [-2.0]]
    """
    rows = _matrix(directions, "directions")
    if rows.shape[1] != activations.num_neurons:
        raise ValueError(
            "`directions` must have a number for each of the layer's "
            f"{activations.num_neurons} neurons; got shape {rows.shape}, which should "
            "be [directions, neurons]."
        )
    count, num_inputs = rows.shape
    low = np.full(count, -np.inf, np.float32)
    zeros = np.zeros(count, np.float32), low, np.zeros(num_inputs, np.float32)
    values = Encoded(activations, Encoder(rows.T, *zeros), _identity)
    return _as_layer(values, activations, names, layer)


def encode(
    activations: Activations,
    weights: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    center: ArrayLike | None = None,
    activation: Callable[[Array], Array] = jax.nn.relu,
    threshold: ArrayLike | None = None,
    names: Sequence[str] = (),
    layer: str | None = None,
) -> Activations:
    """The latents of a sparse autoencoder: activation((x - center) @ weights + bias).

    With `threshold`, a latent is 0 where (x - center) @ weights + bias is not above it,
    as in a JumpReLU autoencoder. One that compares its latents, as top-k ones do, is no
    function of one latent at a time: put it into the model, as a function.

    Args:
        activations: The layer that the autoencoder was trained on; if on disk and of
            more than 1 GiB it is read anew for every 256 latents.
        weights: [neurons, latents], the encoder's kernel.
        bias: [latents]; none if not given.
        center: [neurons], taken from the layer first, often the decoder's bias.
        activation: Function of single numbers, such as `jax.nn.relu`.
        threshold: [latents]; none if not given.
        names: Names of the latents; numbers if not given.
        layer: Name of the result; the layer's own if not given.

    >>> layer = Activations(np.array([[1.0, 2.0], [3.0, 5.0]]))
    >>> np.asarray(encode(layer, [[1.0, -1.0], [1.0, 1.0]], [-4.0, 0.0])).tolist()
    [[0.0, 1.0], [4.0, 2.0]]
    """
    kernel = _matrix(weights, "weights")
    if kernel.shape[0] != activations.num_neurons:
        raise ValueError(
            "`weights` must have a row for each of the layer's "
            f"{activations.num_neurons} neurons; got shape {kernel.shape}, which "
            "should be [neurons, latents]."
        )
    check_of_single_numbers(activation)
    num_inputs, num_latents = kernel.shape
    low = np.full(num_latents, -np.inf, np.float32)
    if threshold is not None:
        low = _vector(threshold, num_latents, "threshold", "latent")
    coder = Encoder(
        kernel,
        _vector(bias, num_latents, "bias", "latent"),
        low,
        _vector(center, num_inputs, "center", "neuron"),
    )
    values = Encoded(activations, coder, activation)
    return _as_layer(values, activations, names, layer)


class Encoder(NamedTuple):
    """What makes new neurons of those of a layer.

    Attributes:
        kernel: Weight of each of the layer's neurons in each new one.
        bias: What is added.
        threshold: What a new neuron must exceed not to be 0.
        center: What is taken from the layer first.
    """

    kernel: Float[Array | np.ndarray, "inputs neurons"]
    bias: Float[Array | np.ndarray, " neurons"]
    threshold: Float[Array | np.ndarray, " neurons"]
    center: Float[Array | np.ndarray, " inputs"]


class Encoded:
    """The new neurons of a layer, computed where they are read."""

    def __init__(
        self,
        layer: Activations,
        coder: Encoder,
        activation: Callable[[Array], Array],
    ) -> None:
        self.layer, self.coder = layer, coder
        self.shape = (layer.num_samples, coder.kernel.shape[1])
        self.dtype = np.dtype(np.float32)
        self.compute = jax.jit(partial(encoded_block, activation=activation))

    @cached_property
    def kept(self) -> Shaped[np.ndarray, "samples inputs"] | None:
        """The layer in memory; None if it is on disk and too large."""
        values = self.layer.values
        if isinstance(values, np.ndarray):
            return values
        num_bytes = values.shape[0] * values.shape[1] * self.layer.dtype.itemsize
        return np.asarray(values[:, :]) if num_bytes <= MOST_KEPT else None

    def __getitem__(self, index: slice | tuple[slice, slice]) -> np.ndarray:
        of_rows, of_columns = (
            index if isinstance(index, tuple) else (index, slice(None))
        )
        samples = range(self.shape[0])[of_rows]
        neurons = range(self.shape[1])[of_columns]
        if not samples or not neurons:
            return np.zeros((len(samples), len(neurons)), self.dtype)
        rows, columns = _hull(samples), _hull(neurons)
        result = np.empty((len(rows), len(columns)), self.dtype)
        for inputs, of_rows, to_rows in self._parts(rows):
            for block, of_columns, to_columns in _overlaps(columns, BLOCK_NEURONS):
                given = jax.device_put((inputs, self._coder(block)))
                values = jax.device_get(self.compute(*given))
                result[to_rows, to_columns] = values[of_rows, of_columns]
        return result[:: samples.step, :: neurons.step]

    def _parts(self, rows: range) -> Iterator[tuple[np.ndarray, slice, slice]]:
        """The inputs of each block of samples, filled up."""
        height = min(BLOCK_SAMPLES, self.shape[0])
        for block, of_block, to_rows in _overlaps(rows, BLOCK_SAMPLES):
            start = block * BLOCK_SAMPLES
            stop = min(start + BLOCK_SAMPLES, self.shape[0])
            values = self.layer.values if self.kept is None else self.kept
            inputs = np.asarray(values[start:stop])
            yield _padded(inputs.astype(np.float32), height), of_block, to_rows

    def _coder(self, block: int) -> Encoder:
        """That of one block of neurons, filled up."""
        part = slice(block * BLOCK_NEURONS, (block + 1) * BLOCK_NEURONS)
        width = min(BLOCK_NEURONS, self.shape[1])
        kernel, bias, threshold, center = map(np.asarray, self.coder)
        return Encoder(
            _padded(kernel[:, part].T, width).T,
            _padded(bias[part], width),
            _padded(threshold[part], width),
            center,
        )


def _hull(indices: range) -> range:
    """All from the least to the largest."""
    return range(min(indices), max(indices) + 1)


def _overlaps(wanted: range, size: int) -> Iterator[tuple[int, slice, slice]]:
    """Blocks of a size that overlap a range: where in the block, where in the range.

    >>> list(_overlaps(range(3, 6), 4))
    [(0, slice(3, 4, None), slice(0, 1, None)),
     (1, slice(0, 2, None), slice(1, 3, None))]
    """
    for block in range(wanted.start // size, -(-wanted.stop // size)):
        first = block * size
        start, stop = max(wanted.start, first), min(wanted.stop, first + size)
        yield (
            block,
            slice(start - first, stop - first),
            slice(start - wanted.start, stop - wanted.start),
        )


def encoded_block(
    inputs: Float[Array, "samples inputs"],
    coder: Encoder,
    *,
    activation: Callable[[Array], Array],
) -> Float[Array, "samples neurons"]:
    """activation((inputs - center) @ kernel + bias), 0 where that is not above.

    In full float32 on every device. The center is taken away before the product, not
    from it: where it is much larger than what is left, the product would cancel.
    """
    centered = inputs - coder.center[None, :]
    sums = jnp.dot(centered, coder.kernel, precision=jax.lax.Precision.HIGHEST)
    latents = sums + coder.bias[None, :]
    above = latents > coder.threshold[None, :]
    return jnp.where(above, activation(latents), 0.0)


def check_of_single_numbers(activation: Callable[[Array], Array]) -> None:
    """Refuses a function of several latents, or of one that knows its place."""
    latents = np.linspace(-2.0, 3.0, 24, dtype=np.float32).reshape(4, 6)[:, ::-1]

    @jax.jit
    def whole_and_parts(latents: Array) -> tuple[Array, Array]:
        parts = [activation(latents[:, :2]), activation(latents[:, 2:])]
        return activation(latents), jnp.concatenate(parts, axis=1)

    try:
        whole, parts = jax.device_get(whole_and_parts(jax.device_put(latents)))
        same = np.array_equal(whole, parts)
    except (TypeError, ValueError):
        same = False
    if not same:
        raise ValueError(
            "`activation` must be a function of single numbers, such as jax.nn.relu; "
            "got one that looks at several latents or knows which they are. Give "
            "`threshold` for a JumpReLU, and put a top-k into the model."
        )


def _identity(values: Array) -> Array:
    return values


def _padded(array: Real[np.ndarray, "rows ..."], length: int) -> np.ndarray:
    missing = length - len(array)
    if missing <= 0:
        return array
    return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])


def _as_layer(
    values: Encoded, source: Activations, names: Sequence[str], layer: str | None
) -> Activations:
    name = source.layer if layer is None else layer
    return Activations(values, names, ids=source.ids, layer=name)


def _matrix(values: ArrayLike, name: str) -> Float[np.ndarray, "rows columns"]:
    matrix = plain_array(name, values)
    if matrix.ndim != 2:
        raise ValueError(f"`{name}` must be a matrix; got shape {matrix.shape}.")
    return _finite(matrix, name)


def _vector(
    values: ArrayLike | None, length: int, name: str, per: str
) -> Float[np.ndarray, " numbers"]:
    vector = np.zeros(length) if values is None else plain_array(name, values)
    if vector.shape != (length,):
        raise ValueError(
            f"`{name}` must have one number per {per}, {length}; got shape "
            f"{vector.shape}."
        )
    return _finite(vector, name)


def _finite(values: np.ndarray, name: str) -> np.ndarray:
    if values.dtype.kind not in "biufV":
        raise TypeError(f"`{name}` must be real numbers; got dtype {values.dtype}.")
    numbers = values.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise ValueError(f"`{name}` must be finite; got nan or infinity.")
    return numbers
