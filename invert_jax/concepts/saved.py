"""The npz file of a concept table."""

import json
import os
from collections.abc import Iterable

import numpy as np
import scipy.sparse as sp
from jaxtyping import Shaped, UInt8

from invert_jax.concepts.building import merge_rows
from invert_jax.concepts.table_checks import checked_names
from invert_jax.disk import read_npz

_NEEDED = {"names", "rows_indices", "rows_indptr", "row_of_sample"}

Fields = tuple[
    tuple[str, ...],
    sp.csr_array,
    np.ndarray,
    np.ndarray | None,
    tuple[str, ...] | None,
]


def arrays_of(
    names: tuple[str, ...],
    rows: sp.csr_array,
    row_of_sample: np.ndarray,
    ids: np.ndarray | None,
    descriptions: tuple[str, ...] | None,
) -> dict[str, np.ndarray]:
    """The table as arrays of fixed types, the same on every machine.

    Names are JSON in UTF-8: a numpy string array pads all to the longest and drops NUL.
    """
    arrays = {
        "names": _text(names),
        "rows_indptr": rows.indptr.astype("<i8"),
        "rows_indices": rows.indices.astype("<i4"),
        "row_of_sample": row_of_sample.astype("<i4"),
    }
    if ids is not None:
        arrays["ids"] = ids.astype(ids.dtype.newbyteorder("<"))
    if descriptions is not None:
        arrays["descriptions"] = _text(descriptions)
    return arrays


def is_table(arrays: dict[str, np.ndarray]) -> bool:
    """Whether these are the arrays of a saved table."""
    return arrays.keys() >= _NEEDED


def load(path: str | os.PathLike) -> Fields:
    """The fields of the table in the file; one that does not fit is an error."""
    arrays = read_npz(path)
    if not is_table(arrays):
        raise ValueError(
            f"{path} is not a saved concept table: it lacks "
            f"{', '.join(sorted(_NEEDED - arrays.keys()))}. A file with `masks` and "
            "`names` is read by `ij.concepts.from_file`."
        )
    try:
        names = checked_names(_parsed(arrays["names"]))
        rows = _rows(arrays["rows_indices"], arrays["rows_indptr"], len(names))
        row_of_sample = arrays["row_of_sample"]
        _require_integers(row_of_sample)
        if not len(row_of_sample) or not (
            0 <= row_of_sample.min() and row_of_sample.max() < rows.shape[0]
        ):
            raise ValueError("a sample has a row that is not there")
        rows, row_of_sample = merge_rows(rows, row_of_sample)
        texts = arrays.get("descriptions")
        descriptions = None if texts is None else tuple(_parsed(texts))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}; make it again.") from error
    return names, rows, row_of_sample, arrays.get("ids"), descriptions


def _rows(
    indices: Shaped[np.ndarray, "..."],
    indptr: Shaped[np.ndarray, "..."],
    num_concepts: int,
) -> sp.csr_array:
    """The distinct rows, checked."""
    _require_integers(indices)
    _require_integers(indptr)
    if len(indptr) < 2:
        raise ValueError("it has no rows")
    data = np.ones(len(indices), bool)
    rows = sp.csr_array((data, indices, indptr), shape=(len(indptr) - 1, num_concepts))
    rows.check_format(full_check=True)
    if not rows.has_canonical_format:
        raise ValueError("the columns of a row are not in order")
    return rows


def _require_integers(array: np.ndarray) -> None:
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"integers expected, got {array.dtype} of shape {array.shape}")


def _text(texts: Iterable[str]) -> UInt8[np.ndarray, " bytes"]:
    return np.frombuffer(json.dumps(list(texts)).encode(), np.uint8)


def _parsed(text: np.ndarray) -> list[str]:
    if text.ndim != 1 or text.dtype != np.uint8:
        raise ValueError(f"text as bytes expected, got {text.dtype}")
    parsed = json.loads(text.tobytes())
    if not isinstance(parsed, list) or not all(isinstance(t, str) for t in parsed):
        raise ValueError("a list of texts expected")
    return parsed
