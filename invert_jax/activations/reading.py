"""Activations of some neurons at a time, refused where they are not finite."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int, Shaped

from invert_jax.activations.array import Activations


def read_blocks(
    activations: Activations,
    neurons: Int[np.ndarray, " neurons"],
    samples: Int[np.ndarray, " kept"] | None,
    size: int,
) -> Iterator[tuple[int, Shaped[np.ndarray, "samples block"]]]:
    """Activations of the neurons, at most `size` at a time, and where they start.

    >>> values = np.arange(6.0).reshape(2, 3)
    >>> [(start, block.tolist()) for start, block in read_blocks(
    ...     Activations(values), np.array([0, 2, 1]), None, 2)]
    [(0, [[0.0, 2.0], [3.0, 5.0]]), (2, [[1.0], [4.0]])]
    """
    for start in range(0, len(neurons), size):
        yield start, read_block(activations, neurons[start : start + size], samples)


def read_block(
    activations: Activations,
    neurons: Int[np.ndarray, " neurons"],
    samples: Int[np.ndarray, " kept"] | None,
) -> Shaped[np.ndarray, "samples neurons"]:
    """Activations of some neurons, refused if any that counts is not finite."""
    first, last = int(neurons[0]), int(neurons[-1])
    if last - first == len(neurons) - 1 and (np.diff(neurons) == 1).all():
        block = activations.block(first, last + 1)
    else:
        # Filled one by one: a matrix may give the same memory for each column.
        block = np.empty((activations.num_samples, len(neurons)), activations.dtype)
        for place, neuron in enumerate(neurons.tolist()):
            block[:, place] = activations.block(neuron, neuron + 1)[:, 0]
    if samples is not None:
        block = block[samples]
    block = block.astype(block.dtype.newbyteorder("="), copy=False)
    _check_finite(block, activations, neurons, samples)
    return block


def _check_finite(
    block: np.ndarray,
    activations: Activations,
    neurons: np.ndarray,
    samples: np.ndarray | None,
) -> None:
    """Refuse NaN and infinity, naming the first neuron and sample."""
    if block.dtype.kind in "biu":
        return
    finite = np.isfinite(block)
    if finite.all():
        return
    sample, neuron = np.argwhere(~finite)[0]
    value = block[sample, neuron]
    where = sample if samples is None else samples[sample]
    name = activations.names[neurons[neuron]]
    layer = f" of layer {activations.layer!r}" if activations.layer else ""
    raise ValueError(
        f"`activations`{layer} must be finite; got {value} for neuron {name!r} on "
        f"sample {where}. Samples can be left out by `where`."
    )
