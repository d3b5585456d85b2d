"""Concepts from a file that the user has.

    .npz      `masks` [samples, concepts] or `labels` [samples], `names`, maybe `ids`;
              what `Concepts.save` wrote; what `scipy.sparse.save_npz` wrote
    .npy      masks or labels, the names given apart
    .csv .tsv .parquet   a column per concept, maybe one of ids, maybe some of classes
    .json     the same as records; names with masks, labels or indices; a list of names
              per sample; COCO annotations

Nothing is unpickled. What cannot be read, or does not fit together, is a ValueError or
a TypeError that names the path.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from invert_jax.concepts import _json, _saved, _tabular
from invert_jax.concepts._names_file import Names, named_by, sidecar_of
from invert_jax.concepts.table import Concepts
from invert_jax.disk import read_npz

_SPARSE = {"format", "shape", "data"}  # what scipy.sparse.save_npz always writes

_Read = TypeVar("_Read")


def from_file(
    path: str | os.PathLike,
    *,
    names: Iterable[str] | str | os.PathLike | None = None,
    ids: ArrayLike | None = None,
    classes: Iterable[str] = (),
    ignore: Iterable[str] = (),
    boxes: tuple[int, int] | None = None,
) -> Concepts:
    r"""Read concepts from a file; its suffix says which kind it is.

    The reference's pair of labels and description is `from_file("labels.npz",
    names="description.json")`: the WordNet offsets become the names.

    Args:
        path: An npz, npy, csv, tsv, parquet or json file, as in the module's table.
        names: For npz and npy: the names, or a file of them: json (a list, or the
            reference's description) or txt (one a line). Without it, they come from the
            file itself or from one of its name with the suffix .json or .txt.
        ids: For npz and npy: the ids of the samples. For tables: the column of the ids,
            if its name is not a usual one (id, sample_id, image_name, path, ...). For
            COCO: "file_name" (if not given) or "id".
        classes: For tables: columns that hold a class each, as text or number; column
            `color` becomes the concepts `color=blue`, `color=red`, ...
        ignore: For tables: columns to leave out.
        boxes: For COCO: rows and columns of a grid; its cells become the samples, with
            ids `file_name@row,column`, and a concept is true of the cells that some box
            of it overlaps.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "birds.csv")
    >>> _ = path.write_text("file_name,bird,color\na.jpg,1,red\nb.jpg,0,blue\n")
    >>> concepts = from_file(path, classes=["color"])
    >>> concepts.names, concepts.ids.tolist()
    (('bird', 'color=blue', 'color=red'), ['a.jpg', 'b.jpg'])

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is cut short, damaged or of another kind, or its content is
            not a table of concepts.
        TypeError: A column or an array has a type that cannot be concepts.
    """
    path = Path(path)
    _check_file(path)
    kind = _kind_of(path)
    roles = _tabular.Roles(ids, _names(classes), _names(ignore))
    _check_settings(
        path, kind, names=names, classes=roles.classes, ignore=roles.ignore, boxes=boxes
    )
    if kind == "array":
        return _named(path, lambda: _from_arrays(path, names, ids))
    if kind == "table":
        return _named(path, lambda: _tabular.from_table_file(path, roles))
    return _named(path, lambda: _json.from_json(path, roles, boxes))


def _names(names: Iterable[str]) -> tuple[str, ...]:
    """One name or several as a tuple."""
    return (names,) if isinstance(names, str) else tuple(names)


def _kind_of(path: Path) -> str:
    """How a file of this suffix is read."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = suffixes[-1] if suffixes else ""
    if suffix == ".gz" and len(suffixes) > 1:
        suffix = suffixes[-2]
    kinds = {
        ".npz": "array",
        ".npy": "array",
        ".csv": "table",
        ".tsv": "table",
        ".parquet": "table",
        ".pq": "table",
        ".json": "json",
    }
    if suffix not in kinds:
        raise ValueError(
            f"`path` must end in {', '.join(kinds)}; got {path.name}. Other data "
            "become concepts by `Concepts.from_masks`, `from_labels` or `from_indices`."
        )
    return kinds[suffix]


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise ValueError(
            f"`path` must be a file; got the folder {path}. A TFDS data set is read by "
            "`ij.concepts.from_tfds`."
        )
    if not path.is_file():
        raise FileNotFoundError(f"`path` must be a file that exists; got {path}.")


def _check_settings(path: Path, kind: str, **settings: object) -> None:
    """Refuse a setting that means nothing for a file of this kind."""
    meant = {
        "array": {"names"},
        "table": {"classes", "ignore"},
        "json": {"classes", "ignore", "boxes"},
    }
    for name, value in settings.items():
        is_given = value is not None and not (isinstance(value, tuple) and not value)
        if is_given and name not in meant[kind]:
            raise ValueError(f"`{name}` has no meaning for {path.name}; leave it out.")


def _named(path: Path, read: Callable[[], _Read]) -> _Read:
    """What is read; an error begins with the path."""
    try:
        return read()
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        said = str(error)
        raise kind(said if str(path) in said else f"{path}: {said}") from error


def _from_arrays(
    path: Path,
    names: Iterable[str] | str | os.PathLike | None,
    ids: ArrayLike | None,
) -> Concepts:
    """Concepts from an npz or npy file."""
    arrays = _read_npy(path) if path.suffix.lower() == ".npy" else read_npz(path)
    if _saved.is_table(arrays):
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
        array = np.load(path, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it is an npz archive")
    except Exception as error:  # damage shows in each layer in its own way
        raise ValueError(
            f"{path} cannot be read as npy: {error}. It is cut short, damaged, pickled "
            "or of another kind; save it again by np.save."
        ) from error
    return {"masks": array}


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
