"""From what the user has to the distinct rows and the row of each sample."""

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int, Int32, Integer, Shaped
from numpy.typing import ArrayLike

from invert_jax.concepts.distinct import (
    distinct_packed_rows,
    distinct_sparse_rows,
    number_by_first_occurrence,
    pack_rows,
    unpack_rows,
)
from invert_jax.concepts.table_checks import (
    checked_bool,
    checked_dtype,
    checked_names,
    raise_bad_value,
)
from invert_jax.plain_arrays import check_plain, labels_of, numpy_array, used_labels

_BLOCK = 1 << 26  # bytes of a dense table that are converted at once

Rows = tuple[sp.csr_array, np.ndarray, tuple[str, ...]]  # rows, row_of_sample, names


def rows_of_masks(
    masks: ArrayLike | sp.sparray | sp.spmatrix, names: Iterable[str]
) -> Rows:
    """The distinct rows of a dense or sparse table of truth values."""
    if sp.issparse(masks):
        return _rows_of_sparse(masks, names)
    check_plain("masks", masks)
    if (columns := labels_of(masks).columns) is not None:
        names = used_labels("masks", "names", columns, checked_names(names))
    masks = numpy_array("masks", masks)
    if masks.ndim != 2:
        raise ValueError(
            "`masks` must have two axes, [samples, concepts]; got shape "
            f"{masks.shape}; one concept is masks[:, None]."
        )
    checked_dtype(masks.dtype)
    _check_some_samples("masks", len(masks))
    names = checked_names(names, masks.shape[1])
    step = max(1, _BLOCK // masks[:1].nbytes)
    packed = np.concatenate(
        [
            pack_rows(checked_bool(np.asarray(masks[i : i + step]), names, i))
            for i in range(0, len(masks), step)
        ]
    )
    first, group = distinct_packed_rows(packed)
    return unpack_rows(packed[first], len(names)), group, names


def _rows_of_sparse(masks: sp.sparray | sp.spmatrix, names: Iterable[str]) -> Rows:
    """The distinct rows of a sparse table; its implicit zeros are False."""
    if masks.ndim != 2:
        raise ValueError(f"`masks` must have two axes; got shape {masks.shape}.")
    checked_dtype(masks.dtype)
    _check_some_samples("masks", masks.shape[0])
    names = checked_names(names, masks.shape[1])
    matrix = _canonical(sp.csr_array(masks), names)
    first, group = distinct_sparse_rows(matrix)
    return matrix[first], group, names


def _canonical(matrix: sp.csr_array, names: tuple[str, ...]) -> sp.csr_array:
    """The matrix as bool with sorted, distinct, true entries; a copy if need be."""
    matrix.check_format(full_check=True)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    if matrix.data.dtype != bool:
        bad = np.flatnonzero((matrix.data != 0) & (matrix.data != 1))
        if len(bad):
            sample = int(np.searchsorted(matrix.indptr, bad[0], side="right")) - 1
            raise_bad_value(matrix.data[bad[0]], sample, names[matrix.indices[bad[0]]])
    true = matrix.data != 0
    if true.all():
        return _csr(matrix.indices, matrix.indptr, len(names))
    ends = np.concatenate([[0], np.cumsum(true)])
    return _csr(matrix.indices[true], ends[matrix.indptr], len(names))


def _csr(
    indices: Int[np.ndarray, " entries"], indptr: Int[np.ndarray, " bounds"], width: int
) -> sp.csr_array:
    """A boolean matrix that is true at the indices, which are sorted and distinct."""
    matrix = sp.csr_array(
        (np.ones(len(indices), bool), indices, indptr), shape=(len(indptr) - 1, width)
    )
    matrix.has_canonical_format = True
    return matrix


def rows_of_labels(labels: ArrayLike, names: Iterable[str]) -> Rows:
    """The distinct rows of single-label data, one per class that occurs."""
    check_plain("labels", labels)
    labels, names = numpy_array("labels", labels), checked_names(names)
    if labels.ndim != 1:
        raise ValueError(
            "`labels` must have one class index per sample; got shape "
            f"{labels.shape}; several labels per sample are `from_indices`, one-hot "
            "labels are `from_masks`."
        )
    _check_some_samples("labels", len(labels))
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"`labels` must be integers, the class index of each sample; got dtype "
            f"{labels.dtype}; text becomes names and labels by "
            "`names, labels = np.unique(labels, return_inverse=True)`."
        )
    _check_range("labels", labels, len(names), np.arange(len(labels)))
    first, group = number_by_first_occurrence(labels.astype(np.int64), len(names))
    return (
        _csr(labels[first].astype(np.int32), np.arange(len(first) + 1), len(names)),
        group,
        names,
    )


def rows_of_indices(indices: Iterable, names: Iterable[str]) -> Rows:
    """The distinct rows of data with, per sample, the columns that are true."""
    check_plain("indices", indices)
    names = checked_names(names)
    try:
        # One by one: a generator may fill the same memory again.
        rows = _items(indices) if hasattr(indices, "dtype") else indices
        per_sample = [list(_items(columns)) for columns in rows]
    except TypeError:
        raise TypeError(
            "`indices` must hold, for each sample, a list of columns; one class index "
            "per sample is `from_labels`."
        ) from None
    _check_some_samples("indices", len(per_sample))
    lengths = np.fromiter(map(len, per_sample), np.int64, len(per_sample))
    columns = _integers(list(chain.from_iterable(per_sample)))
    samples = np.repeat(np.arange(len(per_sample)), lengths)
    _check_range("indices", columns, len(names), samples)
    matrix = sp.csr_array(
        (
            np.ones(len(columns), bool),
            columns,
            np.concatenate([[0], np.cumsum(lengths)]),
        ),
        shape=(len(per_sample), len(names)),
    )
    return _rows_of_sparse(matrix, names)


def _items(values: Iterable) -> Sequence:
    """The values as a sequence of Python objects; arrays are unpacked."""
    if hasattr(values, "dtype"):
        return np.asarray(values).tolist()
    return values if isinstance(values, Sequence) else list(values)


def _integers(values: list[object]) -> Int[np.ndarray, " values"]:
    """The values as int64, if all are integers and none is a truth value."""
    for kind in sorted(
        {type(value) for value in values}, key=lambda kind: kind.__name__
    ):
        if not issubclass(kind, int | np.integer) or kind is bool:
            raise TypeError(
                f"`indices` must be integers, the columns that are true; got a "
                f"{kind.__name__}; a table of truth values is `from_masks`."
            )
    try:
        return np.array(values, np.int64)
    except OverflowError:
        raise ValueError("`indices` must fit int64; got a larger number.") from None


def _check_range(
    what: str,
    values: Integer[np.ndarray, " values"],
    num_concepts: int,
    samples: Int[np.ndarray, " values"],
) -> None:
    bad = np.flatnonzero((values < 0) | (values >= num_concepts))
    if len(bad):
        raise ValueError(
            f"`{what}` must be in 0 … {num_concepts - 1}, the place of a name in "
            f"`names`; got {values[bad[0]]} for sample {samples[bad[0]]}, "
            f"and {len(bad)} such in all. Leave samples without a label out "
            "beforehand, or give them an empty list in `from_indices`."
        )


def _check_some_samples(what: str, num_samples: int) -> None:
    if num_samples == 0:
        raise ValueError(f"`{what}` must have at least one sample; got none.")


def merge_rows(
    rows: sp.csr_array, row_of_sample: Shaped[np.ndarray, " samples"]
) -> tuple[sp.csr_array, Int32[np.ndarray, " samples"]]:
    """The table with equal rows made one; the rows are in order of first occurrence."""
    rows = sp.csr_array(rows)
    rows.sort_indices()
    first, group = distinct_sparse_rows(rows)
    return rows[first], group[row_of_sample]


def spread_columns(
    rows: sp.csr_array, names: tuple[str, ...], wider: tuple[str, ...]
) -> sp.csr_array:
    """The rows with the columns of `wider`, of which `names` are some.

    >>> spread_columns(sp.csr_array([[True]]), ("b",), ("a", "b")).toarray().tolist()
    [[False, True]]
    """
    place = {name: column for column, name in enumerate(wider)}
    columns = np.array([place[name] for name in names], np.int32)
    shape = (rows.shape[0], len(wider))
    return sp.csr_array((rows.data, columns[rows.indices], rows.indptr), shape=shape)


def joined_descriptions(
    names: tuple[str, ...],
    *tables: tuple[tuple[str, ...], tuple[str, ...] | None],
) -> tuple[str, ...] | None:
    """The description of each name from the first table that has one; "" if none has.

    >>> joined_descriptions(("a", "b"), (("a",), ("first",)), (("b",), None))
    ('first', '')
    """
    texts: dict[str, str] = {}
    for known, descriptions in reversed(tables):
        texts.update(zip(known, descriptions or (), strict=False))
    return tuple(texts.get(name, "") for name in names) if texts else None
