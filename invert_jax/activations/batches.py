"""Batches of one shape: what goes into the model, and which samples they are."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree, Shaped
from numpy.typing import ArrayLike

from invert_jax.datasets.batch import Batch
from invert_jax.plain_arrays import plain_array
from invert_jax.sample_ids import id_array


class FullBatch(NamedTuple):
    """A batch of the size that all batches of a collection share.

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
        None if ids is None else id_array(ids),
        None if where is None else plain_array("where", where),
    )
    num_samples = _num_samples(whole, "`inputs`, `ids` and `where`")
    return [
        _cut(whole, start, start + batch_size)
        for start in range(0, num_samples, batch_size)
    ]


def full_batches(batches: Iterable[Batch], size: int) -> Iterator[FullBatch]:
    """Cut batches anew, to one size.

    >>> batches = [Batch(np.array([1.0, 2.0, 3.0])), Batch(np.array([4.0, 5.0]))]
    >>> [batch.inputs.tolist() for batch in full_batches(batches, 2)]
    [[1.0, 2.0], [3.0, 4.0], [5.0, 5.0]]
    """
    held: list[Batch] = []
    for batch in batches:
        held.append(batch)
        if sum(map(size_of, held)) >= size:
            whole = _joined(held)
            for start in range(0, size_of(whole) - size + 1, size):
                yield _full(_cut(whole, start, start + size), size)
            held = [_cut(whole, size_of(whole) // size * size, size_of(whole))]
    rest = _joined(held) if held else None
    if rest is not None and size_of(rest):
        yield _full(rest, size)


def count_samples(batches: Iterable) -> int | None:
    """The number of samples in a list of batches; None if that cannot be told.

    >>> count_samples([np.zeros((3, 2)), Batch({"x": np.zeros((1, 2))})])
    4
    """
    if not isinstance(batches, (list, tuple)):
        return None
    sizes = []
    for item in batches:
        inputs = item.inputs if isinstance(item, Batch) else item
        leaves = jax.tree.leaves(inputs)
        sizes.append(np.shape(leaves[0])[0] if leaves and np.ndim(leaves[0]) else 0)
    return sum(sizes)


def skip_samples(
    batches: Iterable[Batch],
    num_samples: int,
    check: Callable[[Batch, int], None],
) -> Iterator[Batch]:
    """The batches without their first samples, which are checked instead.

    Args:
        batches: Batches.
        num_samples: Number of samples to leave out.
        check: Called with what is left out and the number of its first sample.
    """
    start = 0
    for batch in batches:
        skipped = min(max(num_samples - start, 0), size_of(batch))
        if skipped:
            check(_cut(batch, 0, skipped), start)
        if skipped < size_of(batch):
            yield _cut(batch, skipped, size_of(batch)) if skipped else batch
        start += size_of(batch)
    if start < num_samples:
        raise ValueError(
            f"`batches` must hold the {num_samples} samples that the store already "
            f"has; they ended after {start}."
        )


def alike_batches(batches: Iterable) -> Iterator[Batch]:
    """Each item as a batch of arrays, if it is like the first.

    >>> next(alike_batches([np.zeros((3, 2))])).inputs.shape
    (3, 2)
    """
    _refuse_arrays(batches)
    first = None
    for index, item in enumerate(batches):
        batch = _as_batch(item, index)
        _num_samples(batch, f"batch {index}")
        first = _kinds(batch) if first is None else first
        _check_alike(first, _kinds(batch), index)
        yield batch


def size_of(batch: Batch) -> int:
    """Number of samples.

    >>> size_of(Batch({"x": np.zeros((3, 2))}))
    3
    """
    return jax.tree.leaves(batch)[0].shape[0]


def _cut(batch: Batch, start: int, stop: int) -> Batch:
    return jax.tree.map(lambda leaf: leaf[start:stop], batch)


def _joined(batches: Sequence[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    return jax.tree.map(
        lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves]), *batches
    )


def _full(batch: Batch, size: int) -> FullBatch:
    """A batch with its last sample repeated up to the size."""
    num_samples = size_of(batch)
    inputs, where = (batch.inputs, batch.where)
    if num_samples < size:
        inputs, where = jax.tree.map(
            lambda leaf: np.concatenate(
                [np.asarray(leaf)] + [np.asarray(leaf[-1:])] * (size - num_samples)
            ),
            (inputs, where),
        )
    return FullBatch(inputs, where, batch.ids, num_samples)


def _refuse_arrays(batches: Iterable) -> None:
    if not isinstance(batches, Iterable):
        raise TypeError(f"`batches` must be an iterable of batches; got {batches!r}.")
    if isinstance(batches, (Batch, Mapping)) or hasattr(batches, "shape"):
        raise TypeError(
            "`batches` must be an iterable of batches; got a single "
            f"{type(batches).__name__}. Cut it up by batched(inputs, batch_size)."
        )


def _as_batch(item: Any, index: int) -> Batch:
    batch = item if isinstance(item, Batch) else Batch(item)
    ids = None if batch.ids is None else id_array(batch.ids)
    where = batch.where
    if isinstance(where, Mapping):  # jax would sort a dict, and the first match counts
        where = OrderedDict(where)
    batch = jax.tree.map(
        _own_array, batch._replace(ids=ids, where=where), is_leaf=_is_sparse
    )
    for path, leaf in jax.tree_util.tree_leaves_with_path((batch.inputs, batch.where)):
        if leaf.dtype.kind in "OSUTMm":
            raise TypeError(
                f"`batches` must hold numbers; got dtype {leaf.dtype} in batch {index}"
                f"{_place(path)}. Leave it out; names of samples go to Batch(ids=...)."
            )
        _refuse_overflow(leaf, index, _place(path))
    return batch


def _is_sparse(node: Any) -> bool:
    return hasattr(node, "todense")  # a tree of its parts to JAX


def _own_array(leaf: Any) -> Any:
    """A copy, since a loader may fill the memory that it yields again.

    So may be that of an array of JAX on a CPU; on other devices none is shared.
    """
    if isinstance(leaf, jax.Array):
        is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.extended)
        on_cpu = all(device.platform == "cpu" for device in leaf.devices())
        return np.array(leaf) if on_cpu and not is_key else leaf
    return np.array(plain_array("batches", leaf))


def _refuse_overflow(leaf: Any, index: int, place: str) -> None:
    """Refuses whole numbers that JAX would wrap around."""
    kept = jax.dtypes.canonicalize_dtype(leaf.dtype)
    if leaf.dtype.kind not in "iu" or kept == leaf.dtype or not leaf.size:
        return
    limits = np.iinfo(kept)
    if leaf.min() < limits.min or leaf.max() > limits.max:
        raise ValueError(
            f"`batches` must hold whole numbers that fit {kept}, as JAX computes "
            f"without jax_enable_x64; got {leaf.min()} to {leaf.max()} in batch "
            f"{index}{place}."
        )


def _num_samples(batch: Batch, what: str) -> int:
    if not jax.tree.leaves(batch.inputs):
        raise ValueError(f"{what} must hold at least one array.")
    sizes = {leaf.shape[0] if leaf.ndim else -1 for leaf in jax.tree.leaves(batch)}
    if len(sizes) != 1 or -1 in sizes:
        shapes = [
            f"{_part(path)}{leaf.shape}"
            for path, leaf in jax.tree_util.tree_leaves_with_path(batch)
        ]
        raise ValueError(
            f"{what} must have the samples as the first axis of every array; got "
            f"shapes {', '.join(shapes)}."
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


def _part(path: tuple) -> str:
    """Which array of a batch, as its field and its place in it."""
    return f"{path[0].name}{jax.tree_util.keystr(path[1:])} "


def _place(path: tuple) -> str:
    part = " of its `where`" if path[0].idx == 1 else ""
    key = jax.tree_util.keystr(path[1:])
    return f"{part} at {key}" if key else part


def _check_alike(first: dict[str, tuple], kinds: dict[str, tuple], index: int) -> None:
    if first.keys() != kinds.keys():
        only, here = sorted(first.keys() - kinds.keys()), "batch 0"
        if not only:
            only, here = sorted(kinds.keys() - first.keys()), f"batch {index}"
        raise ValueError(
            f"`batches` must all hold the same arrays; got {len(kinds)} in batch "
            f"{index} and {len(first)} in batch 0. Only {here} has the array"
            f"{only[0] or ' of its inputs'}."
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
