"""Concepts from a table with a column per concept: csv, tsv, parquet, records."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from jaxtyping import Int
from numpy.typing import ArrayLike

from invert_jax.checks import listed
from invert_jax.concepts.table import Concepts
from invert_jax.concepts.table_checks import checked_names

ID_NAMES = (
    "id",
    "ids",
    "sample_id",
    "sample",
    "image_id",
    "image_name",
    "file_name",
    "filename",
    "image",
    "file",
    "path",
    "key",
)
_ROW_NUMBERS = ("", "Unnamed: 0", "__index_level_0__", "index")  # as pandas writes them

Column = tuple[str, np.ndarray]  # a concept and the samples where it holds


class Roles(NamedTuple):
    """What the columns are for, other than one concept each.

    Attributes:
        ids: The column of the sample ids, or the ids themselves, or None.
        classes: Columns that hold the name or number of a class.
        ignore: Columns to leave out.
    """

    ids: ArrayLike | None = None
    classes: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


def from_table(table: pa.Table, roles: Roles) -> Concepts:
    """Concepts from a pyarrow table; what a column is, its name and type say.

    >>> import pyarrow as pa
    >>> table = pa.table({"id": ["x", "y"], "round": [0, 1], "color": ["red", "blue"]})
    >>> concepts = from_table(table, Roles(classes=("color",)))
    >>> concepts.names, concepts.ids.tolist()
    (('round', 'color=blue', 'color=red'), ['x', 'y'])
    """
    if table.num_rows == 0:
        raise ValueError("a table must have at least one sample; got none.")
    _check_columns(table.column_names, roles)
    table = table.drop_columns(list(set(roles.ignore)))
    sample_ids, id_column = _ids_of(table, roles.ids)
    dropped = {id_column, *_row_numbers(table)}
    columns: list[Column] = []
    for name, values in zip(table.column_names, table.columns, strict=True):
        if name in roles.classes:
            columns += _class_columns(name, values)
        elif name not in dropped:
            columns.append((name, _true_samples(name, values)))
    if not columns:
        raise ValueError("a table must have at least one column of concepts; got none.")
    names = checked_names(name for name, _ in columns)
    return Concepts.from_masks(_matrix(columns, table.num_rows), names, ids=sample_ids)


def _check_columns(known: list[str], roles: Roles) -> None:
    """Refuse repeated columns, and roles for columns that are not there."""
    doubles = [name for name, count in Counter(known).items() if count > 1]
    if doubles:
        raise ValueError(
            f"columns must have different names; more than once: {listed(doubles)}."
        )
    for role, names in (("classes", roles.classes), ("ignore", roles.ignore)):
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(
                f"`{role}` must name columns; got {listed(unknown)}; there are "
                f"{listed(known, 10)}."
            )


def _matrix(columns: list[Column], num_samples: int) -> sp.csc_array:
    """The columns as a sparse table."""
    indices = np.concatenate([samples for _, samples in columns])
    indptr = np.cumsum([0, *(len(samples) for _, samples in columns)])
    entries = (np.ones(len(indices), bool), indices, indptr)
    return sp.csc_array(entries, shape=(num_samples, len(columns)))


def _ids_of(
    table: pa.Table, ids: ArrayLike | None
) -> tuple[ArrayLike | None, str | None]:
    """The ids of the samples, and the column that they are from."""
    if ids is not None and not isinstance(ids, str):
        return ids, None
    if ids is not None and ids not in table.column_names:
        raise ValueError(
            f"`ids` must name a column; got {ids!r}; there are "
            f"{listed(table.column_names, 10)}."
        )
    name = ids or _id_column(table)
    if name is None:
        return None, None
    column = table[name]
    _check_no_missing(name, column)
    return column.to_numpy(zero_copy_only=False), name


def _id_column(table: pa.Table) -> str | None:
    """The column whose name and values say that it holds ids."""
    by_name = {name.casefold(): name for name in reversed(table.column_names)}
    usual = [by_name[name] for name in ID_NAMES if name in by_name]
    row_names = set(_ROW_NUMBERS).difference(_row_numbers(table))
    unnamed = [name for name in table.column_names if name in row_names]
    candidates = (n for n in usual + unnamed if _may_be_ids(n, table[n]))
    return next(candidates, None)


def _may_be_ids(name: str, column: pa.ChunkedArray) -> bool:
    """Whether the values are text, or integers that are more than truth values.

    In a table of two samples ids may be 0 and 1, if the name leaves no doubt.
    """
    if not pa.types.is_integer(column.type):
        return is_text(column.type)
    values = column.to_numpy(zero_copy_only=False)
    is_called_id = name.casefold().endswith(("id", "ids"))
    is_short = len(values) <= 2 and is_called_id
    return is_short or bool(((values != 0) & (values != 1)).any())


def is_text(kind: pa.DataType) -> bool:
    """Whether values of the type are text.

    >>> is_text(pa.dictionary(pa.int8(), pa.string())), is_text(pa.int8())
    (True, False)
    """
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(test(kind) for test in tests)


def _row_numbers(table: pa.Table) -> list[str]:
    """Columns that pandas wrote for its index and that only count the rows."""
    return [
        name
        for name in _ROW_NUMBERS
        if name in table.column_names
        and pa.types.is_integer(table[name].type)
        and table[name].null_count == 0
        and np.array_equal(table[name].to_numpy(), np.arange(table.num_rows))
    ]


def _check_no_missing(name: str, column: pa.ChunkedArray) -> None:
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise ValueError(
            f"column {name!r} has no value for {column.null_count} samples, first for "
            f"sample {row}; fill it in, or leave the column out by `ignore={[name]!r}`."
        )


def _true_samples(name: str, column: pa.ChunkedArray) -> Int[np.ndarray, " positives"]:
    """The samples where a column of truth values is true."""
    kind = column.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not (pa.types.is_boolean(kind) or is_number or pa.types.is_null(kind)):
        example = listed(column.slice(0, 3).to_pylist())
        raise TypeError(
            f"column {name!r} must be boolean or 0 and 1; got {kind}: {example}. One "
            f"concept per value comes from `classes={[name]!r}`, ids from "
            f"`ids={name!r}`, and `ignore={[name]!r}` leaves it out."
        )
    _check_no_missing(name, column)
    values = column.to_numpy(zero_copy_only=False)
    bad = np.flatnonzero((values != 0) & (values != 1))
    if len(bad):
        raise ValueError(
            f"column {name!r} must be boolean or 0 and 1; got {values[bad[0]]} for "
            f"sample {bad[0]}. Compare it with a threshold first; if it holds a class, "
            f"use `classes={[name]!r}`; `ignore={[name]!r}` leaves it out."
        )
    return np.flatnonzero(values)


def _class_columns(name: str, column: pa.ChunkedArray) -> list[Column]:
    """One concept per value of a column of classes, in the order of the values."""
    kind = column.type
    is_class = is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    if not is_class:
        raise TypeError(
            f"column {name!r} of classes must be text or whole numbers; got {kind}; "
            "cut it into classes first."
        )
    if pa.types.is_dictionary(kind):  # its dictionary may repeat a value
        column = column.cast(kind.value_type)
    _check_no_missing(name, column)
    encoded = column.combine_chunks().dictionary_encode()
    classes = encoded.dictionary.to_pylist()
    blank = [i for i, value in enumerate(classes) if not str(value).strip()]
    if blank:
        row = int(np.flatnonzero(np.isin(encoded.indices.to_numpy(), blank))[0])
        raise ValueError(
            f"column {name!r} must have a class for every sample; it is blank for "
            f"sample {row}; write `none` there if that is what it means."
        )
    codes = encoded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(classes)))[:-1]
    samples = dict(zip(classes, np.split(order, ends), strict=True))
    return [(f"{name}={value}", samples[value]) for value in sorted(samples)]
