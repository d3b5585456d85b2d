"""Concepts from npz and npy files."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from invert_jax.concepts import saved
from invert_jax.concepts.files.sidecar import Names, named_by, sidecar_of
from invert_jax.concepts.table import Concepts
from invert_jax.disk import check_npy, read_npz

_SPARSE = {"format", "shape", "data"}  # what scipy.sparse.save_npz always writes


def from_array_file(
    path: Path,
    names: Iterable[str] | str | os.PathLike | None,
    ids: ArrayLike | None,
) -> Concepts:
    """Concepts from an npz or npy file."""
    arrays = _read_npy(path) if path.suffix.lower() == ".npy" else read_npz(path)
    if saved.is_table(arrays):
        if names is not None or ids is not None:
            raise ValueError(
                "a saved table has its own names and ids; use `with_ids` for others."
            )
        return Concepts.load(path)
    if "masks" not in arrays and arrays.keys() >= _SPARSE:
        values: ArrayLike | sp.sparray = _read_sparse(path, arrays)
    else:
        values = _values_of(arrays)
    _check_kinds(arrays, path)
    given = _names_of(path, names, arrays)
    ids = arrays.get("ids") if ids is None else ids
    if np.ndim(values) == 1 and not sp.issparse(values):
        return Concepts.from_labels(
            values, given.names, descriptions=given.descriptions, ids=ids
        )
    return Concepts.from_masks(
        values, given.names, descriptions=given.descriptions, ids=ids
    )


def _check_kinds(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Refuse an npz file that says two things, or labels that are called masks."""
    if {"masks", "labels"} <= arrays.keys():
        raise ValueError(
            "an npz file must hold `masks` or `labels`; got both; leave out one."
        )
    is_npz = path.suffix.lower() == ".npz"
    if is_npz and "masks" in arrays and arrays["masks"].ndim == 1:
        raise ValueError(
            "`masks` must be [samples, concepts]; got one axis of "
            f"{len(arrays['masks'])}; classes are called `labels`, and one mask is "
            "masks[:, None]."
        )


def _read_npy(path: Path) -> dict[str, np.ndarray]:
    """The array of an npy file, unnamed."""
    try:
        if np.lib.format.MAGIC_PREFIX == _first_bytes(path):
            check_npy(path)
        array = np.load(path, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it is an npz archive")
    except Exception as error:  # damage shows in each layer in its own way
        raise ValueError(
            f"{path} cannot be read as npy: {error}. It is cut short, damaged, pickled "
            "or of another kind; save it again by np.save."
        ) from error
    return {"masks": array}


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(np.lib.format.MAGIC_PREFIX))


def _read_sparse(path: Path, arrays: dict[str, np.ndarray]) -> sp.csr_array:
    """The matrix of a file that scipy.sparse wrote."""
    try:
        for name in arrays.keys() - {"format", "data", "_is_array"}:
            if arrays[name].dtype.kind not in "iu":  # scipy would cut off fractions
                raise ValueError(f"`{name}` is {arrays[name].dtype}")
        matrix = sp.load_npz(path)
        if not sp.issparse(matrix) or matrix.ndim != 2:
            raise ValueError("it is not a matrix")
        matrix = sp.csr_array(matrix)
        matrix.check_format(full_check=True)
    except Exception as error:  # the arrays are sound, but they do not fit together
        raise ValueError(
            f"{path} cannot be read as a scipy.sparse matrix: {error}; save it "
            "again by scipy.sparse.save_npz."
        ) from error
    return matrix


def _values_of(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The masks or labels among the arrays of a file."""
    for name in ("masks", "labels"):
        if name in arrays:
            return arrays[name]
    others = [name for name in arrays if name not in ("names", "ids", "descriptions")]
    if len(others) != 1:
        raise ValueError(
            "an npz file of concepts must hold `masks` [samples, concepts] or `labels` "
            f"[samples], and `names`; got {', '.join(arrays) or 'nothing'}."
        )
    return arrays[others[0]]


def _names_of(
    path: Path,
    names: Iterable[str] | str | os.PathLike | None,
    arrays: dict[str, np.ndarray],
) -> Names:
    """The names that are given, or are in the file, or in one beside it."""
    if names is not None:
        return named_by(names)
    if "names" in arrays:
        descriptions = arrays.get("descriptions")
        texts = None if descriptions is None else _texts(descriptions, "descriptions")
        return Names(_texts(arrays["names"], "names"), texts)
    sidecar = sidecar_of(path)
    if sidecar is None:
        raise ValueError(
            "the file has no `names`; give `names=` a list or a file, or put the names "
            f"into {path.with_suffix('.txt').name}, one a line."
        )
    return named_by(sidecar)


def _texts(array: np.ndarray, what: str) -> tuple[str, ...]:
    """The texts of an array."""
    if array.ndim != 1 or array.dtype.kind not in "US":
        raise TypeError(
            f"`{what}` must be text in one dimension; got {array.dtype} of shape "
            f"{array.shape}; save np.array(names)."
        )
    texts = np.strings.decode(array, "utf-8") if array.dtype.kind == "S" else array
    return tuple(texts.tolist())
