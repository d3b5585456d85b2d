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

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from numpy.typing import ArrayLike

from invert_jax.concepts.files import json_files, table_files, tabular
from invert_jax.concepts.files.array_files import from_array_file
from invert_jax.concepts.table import Concepts


def from_file(
    path: str | os.PathLike,
    *,
    names: Iterable[str] | str | os.PathLike | None = None,
    ids: ArrayLike | None = None,
    classes: Iterable[str] = (),
    ignore: Iterable[str] = (),
    boxes: tuple[int, int] | None = None,
    unknown: str = "error",
    min_confidence: float | None = None,
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
        unknown: For COCO whose images list the categories that were verified to be
            absent, as LVIS has them: what neither is annotated nor listed is unknown,
            and an error that says how many pairs of a sample and a category are.
            "absent" reads them as absent, "warn" too but with a warning.
        min_confidence: For COCO: annotations with a `score` or `confidence` below it
            are left out; without it those of confidence 0.

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
    roles = tabular.Roles(ids, _names(classes), _names(ignore))
    _check_settings(
        path,
        kind,
        names=names,
        classes=roles.classes,
        ignore=roles.ignore,
        boxes=boxes,
        unknown=None if unknown == "error" else unknown,
        min_confidence=min_confidence,
    )
    with _errors_naming(path):
        if kind == "array":
            return from_array_file(path, names, ids)
        if kind == "table":
            return table_files.from_table_file(path, roles)
        return json_files.from_json(
            path, roles, boxes=boxes, unknown=unknown, min_confidence=min_confidence
        )


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
        "json": {"classes", "ignore", "boxes", "unknown", "min_confidence"},
    }
    for name, value in settings.items():
        is_given = value is not None and not (isinstance(value, tuple) and not value)
        if is_given and name not in meant[kind]:
            raise ValueError(f"`{name}` has no meaning for {path.name}; leave it out.")


@contextlib.contextmanager
def _errors_naming(path: Path) -> Iterator[None]:
    """Errors of what is read begin with the path, if they do not name it."""
    try:
        yield
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        reason = str(error)
        raise kind(reason if str(path) in reason else f"{path}: {reason}") from error
