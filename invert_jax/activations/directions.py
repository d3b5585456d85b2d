"""Neurons that a layer does not have: directions, and latents of an autoencoder.

They are computed when they are read, in float32 and in blocks of one size, so that a
million latents need no memory and have the same bits in whatever blocks they are read.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real
from numpy.typing import ArrayLike

from invert_jax.activations.array import Activations

BLOCK_NEURONS = 512
BLOCK_SAMPLES = 8192


def project(
    activations: Activations,
    directions: ArrayLike,
    *,
    names: Sequence[str] = (),
    layer: str | None = None,
) -> Activations:
    """The component of a layer along each direction, unnormalized, as activations.

    Args:
        activations: A layer.
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
    bias = np.zeros(len(rows), np.float32)
    values = Encoded(activations, rows.T, bias, _identity)
    return _as_layer(values, activations, names, layer)


def encode(
    activations: Activations,
    weights: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    center: ArrayLike | None = None,
    activation: Callable[[Array], Array] = jax.nn.relu,
    names: Sequence[str] = (),
    layer: str | None = None,
) -> Activations:
    """The latents of a sparse autoencoder: activation((x - center) @ weights + bias).

    An autoencoder that compares its latents, as top-k ones do, is no function of one
    latent at a time: put it into the model, by `call` or as a function.

    Args:
        activations: The layer that the autoencoder was trained on.
        weights: [neurons, latents], the encoder's kernel.
        bias: [latents]; none if not given.
        center: [neurons], taken from the layer first, often the decoder's bias.
        activation: Function of single numbers, such as `jax.nn.relu`.
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
    offset = _vector(bias, kernel.shape[1], "bias", "latent")
    if center is not None:
        middle = _vector(center, kernel.shape[0], "center", "neuron")
        offset = offset - middle @ kernel
    values = Encoded(activations, kernel, offset, activation)
    return _as_layer(values, activations, names, layer)


class Encoded:
    """The matrix activation(layer @ kernel + bias), computed where it is read."""

    def __init__(
        self,
        layer: Activations,
        kernel: Float[np.ndarray, "inputs neurons"],
        bias: Float[np.ndarray, " neurons"],
        activation: Callable[[Array], Array],
    ) -> None:
        self.layer, self.kernel, self.bias = layer, kernel, bias
        self.shape = (layer.num_samples, kernel.shape[1])
        self.dtype = np.dtype(np.float32)
        self.compute = jax.jit(partial(encoded_block, activation=activation))

    @cached_property
    def inputs(self) -> Float[np.ndarray, "samples inputs"]:
        """The layer in memory."""
        return np.asarray(self.layer).astype(np.float32, copy=False)

    def __getitem__(self, index: tuple[slice, slice]) -> np.ndarray:
        samples, neurons = index
        start, stop, step = neurons.indices(self.shape[1])
        wanted = np.arange(start, stop, step)
        if not len(wanted):
            return np.zeros((len(range(self.shape[0])[samples]), 0), self.dtype)
        first = wanted.min() // BLOCK_NEURONS
        last = wanted.max() // BLOCK_NEURONS
        blocks = [self._block(block)[samples] for block in range(first, last + 1)]
        return np.concatenate(blocks, axis=1)[:, wanted - first * BLOCK_NEURONS]

    def _block(self, block: int) -> Float[np.ndarray, "samples neurons"]:
        start, stop = block * BLOCK_NEURONS, (block + 1) * BLOCK_NEURONS
        width = min(BLOCK_NEURONS, self.shape[1])
        kernel = _padded(self.kernel[:, start:stop].T, width).T
        bias = _padded(self.bias[start:stop], width)
        height = min(BLOCK_SAMPLES, self.shape[0])
        rows = [
            np.asarray(self.compute(_padded(inputs, height), kernel, bias))
            for inputs in np.split(
                self.inputs, range(BLOCK_SAMPLES, self.shape[0], BLOCK_SAMPLES)
            )
        ]
        return np.concatenate(rows)[: self.shape[0], : self.shape[1] - start]


def encoded_block(
    inputs: Float[Array, "samples inputs"],
    kernel: Float[Array, "inputs neurons"],
    bias: Float[Array, " neurons"],
    *,
    activation: Callable[[Array], Array],
) -> Float[Array, "samples neurons"]:
    """activation(inputs @ kernel + bias), in full float32 on every device."""
    sums = jnp.dot(inputs, kernel, precision=jax.lax.Precision.HIGHEST)
    return activation(sums + bias[None, :])


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
    matrix = np.asarray(values)
    if matrix.ndim != 2:
        raise ValueError(f"`{name}` must be a matrix; got shape {matrix.shape}.")
    return _finite(matrix, name)


def _vector(
    values: ArrayLike | None, length: int, name: str, per: str
) -> Float[np.ndarray, " numbers"]:
    vector = np.zeros(length) if values is None else np.asarray(values)
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
