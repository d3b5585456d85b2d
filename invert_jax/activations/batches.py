"""Batches of one shape: what goes into the model, and which samples they are."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree, Shaped
from numpy.typing import ArrayLike

from invert_jax.activations.array import id_array


class Batch(NamedTuple):
    """Inputs of a model and what is known of them.

    Attributes:
        inputs: What the model is called with: an array, or a dict, tuple or other tree
            of arrays, each with samples as its first axis.
        ids: What each sample is.
        where: False at padding; [samples, positions...], or such arrays by the names
            or patterns of the layers they are for.
    """

    inputs: PyTree
    ids: Any = None
    where: Any = None


class FullBatch(NamedTuple):
    """A batch padded to the size that all batches of a collection share.

    Attributes:
        inputs: As in `Batch`; the last sample is repeated to fill the batch.
        where: As in `Batch`, filled in the same way.
        ids: What each sample is, without the filling.
        num_samples: Number of samples before the filling.
    """

    inputs: PyTree
    where: Any
    ids: Shaped[np.ndarray, " samples"] | None
    num_samples: int


def batched(
    inputs: PyTree,
    batch_size: int,
    *,
    ids: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> list[Batch]:
    """Cut arrays that hold all samples into batches.

    >>> [batch.inputs.shape for batch in batched(np.zeros((5, 3)), 2)]
    [(2, 3), (2, 3), (1, 3)]
    """
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1; got {batch_size}.")
    whole = Batch(
        inputs,
        None if ids is None else np.asarray(ids),
        None if where is None else np.asarray(where),
    )
    num_samples = _num_samples(whole, "`inputs`, `ids` and `where`")
    return [
        jax.tree.map(lambda leaf, start=start: leaf[start : start + batch_size], whole)
        for start in range(0, num_samples, batch_size)
    ]


def full_batches(batches: Iterable, *, multiple_of: int) -> Iterator[FullBatch]:
    """Check batches against the first one and fill them up to its size.

    Args:
        batches: Trees of arrays, or `Batch`es.
        multiple_of: What the size must be divisible by: the number of devices.

    >>> batches = [np.array([[1.0], [2.0]]), np.array([[3.0]])]
    >>> [batch.inputs.tolist() for batch in full_batches(batches, multiple_of=1)]
    [[[1.0], [2.0]], [[3.0], [3.0]]]
    """
    _refuse_arrays(batches)
    kinds, size = None, 0
    for index, item in enumerate(batches):
        batch = _as_batch(item, index)
        num_samples = _num_samples(batch, f"batch {index}")
        if kinds is None:
            kinds = _kinds(batch)
            size = -(-num_samples // multiple_of) * multiple_of
        _check_alike(kinds, _kinds(batch), index)
        if num_samples > size:
            raise ValueError(
                "`batches` must not grow, since the model is compiled for the first "
                f"batch's size; got {num_samples} samples in batch {index} after a "
                f"first batch of {size}. Give the largest batch first."
            )
        inputs, where = _filled((batch.inputs, batch.where), size - num_samples)
        yield FullBatch(inputs, where, batch.ids, num_samples)


def _refuse_arrays(batches: Iterable) -> None:
    if isinstance(batches, (Batch, Mapping)) or hasattr(batches, "shape"):
        raise TypeError(
            "`batches` must be an iterable of batches; got a single "
            f"{type(batches).__name__}. Cut it up by batched(inputs, batch_size)."
        )


def _as_batch(item: Any, index: int) -> Batch:
    batch = item if isinstance(item, Batch) else Batch(item)
    ids = None if batch.ids is None else id_array(np.asarray(batch.ids))
    batch = jax.tree.map(_as_array, batch._replace(ids=ids))
    for path, leaf in jax.tree_util.tree_leaves_with_path((batch.inputs, batch.where)):
        if leaf.dtype.kind in "OSUTMm":
            raise TypeError(
                f"`batches` must hold numbers; got dtype {leaf.dtype} in batch {index}"
                f"{_place(path)}. Leave it out; names of samples go to Batch(ids=...)."
            )
    return batch


def _as_array(leaf: Any) -> Any:
    return leaf if isinstance(leaf, jax.Array) else np.asarray(leaf)


def _num_samples(batch: Batch, what: str) -> int:
    if not jax.tree.leaves(batch.inputs):
        raise ValueError(f"{what} must hold at least one array.")
    sizes = {leaf.shape[0] if leaf.ndim else -1 for leaf in jax.tree.leaves(batch)}
    if len(sizes) != 1 or -1 in sizes:
        raise ValueError(
            f"{what} must have the samples as the first axis of every array; got "
            f"shapes {[np.shape(leaf) for leaf in jax.tree.leaves(batch)]}."
        )
    (size,) = sizes
    if size == 0:
        raise ValueError(f"{what} must hold at least one sample; got none.")
    return size


def _kinds(batch: Batch) -> dict[str, tuple]:
    """Shape without samples, and dtype, of each array by its place in the tree."""
    leaves = jax.tree_util.tree_leaves_with_path((batch.inputs, batch.where))
    kinds = {_place(path): (leaf.shape[1:], str(leaf.dtype)) for path, leaf in leaves}
    return kinds if batch.ids is None else kinds | {" of its `ids`": _id_kind(batch)}


def _id_kind(batch: Batch) -> tuple:
    return (), "str" if np.asarray(batch.ids).dtype.kind == "U" else "int64"


def _place(path: tuple) -> str:
    part = " of its `where`" if path[0].idx == 1 else ""
    key = jax.tree_util.keystr(path[1:])
    return f"{part} at {key}" if key else part


def _check_alike(first: dict[str, tuple], kinds: dict[str, tuple], index: int) -> None:
    if first.keys() != kinds.keys():
        raise ValueError(
            "`batches` must all hold the same arrays; got "
            f"{len(kinds)} in batch {index} and {len(first)} in batch 0."
        )
    for place, (shape, dtype) in kinds.items():
        wanted_shape, wanted_dtype = first[place]
        if shape != wanted_shape:
            raise ValueError(
                "`batches` must have one shape (apart from the samples), since the "
                f"model is compiled once; got {shape} in batch {index}{place} and "
                f"{wanted_shape} in batch 0. Pad or resize them, and mark padding by "
                "`where`."
            )
        if dtype != wanted_dtype:
            raise TypeError(
                f"`batches` must have one dtype; got {dtype} in batch {index}{place} "
                f"and {wanted_dtype} in batch 0."
            )


def _filled(tree: PyTree, num_missing: int) -> PyTree:
    """`tree` with the last sample of each array repeated."""
    if num_missing == 0:
        return tree
    return jax.tree.map(
        lambda leaf: np.concatenate(
            [np.asarray(leaf), np.repeat(np.asarray(leaf[-1:]), num_missing, axis=0)]
        ),
        tree,
    )
