"""Concepts from a table with a column per concept: csv, tsv, parquet, records."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int
from numpy.typing import ArrayLike

from invert_jax.checks import listed
from invert_jax.concepts._checks import checked_names
from invert_jax.concepts.table import Concepts

if TYPE_CHECKING:
    import pyarrow as pa

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
_TRUTH_VALUES = {"true", "false", "True", "False", "TRUE", "FALSE", None}
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


def from_table_file(path: Path, roles: Roles) -> Concepts:
    """Concepts from a csv, tsv or parquet file."""
    is_parquet = path.suffix.lower() in (".parquet", ".pq")
    try:
        table = _read_parquet(path) if is_parquet else _read_csv(path, roles)
        table.validate(full=True)
    except (
        Exception
    ) as error:  # pyarrow raises its own kinds, also KeyError and OSError
        raise ValueError(
            f"{path} cannot be read as a table: {error}. It is cut short, damaged or "
            "of another kind; write it again."
        ) from error
    if not is_parquet and set(table.column_names) <= {"0", "1"}:
        raise ValueError(
            "the first line of a table must have the names of the columns; got "
            f"{listed(table.column_names)}, which are values; add a line of names."
        )
    return from_table(table, roles)


def _read_csv(path: Path, roles: Roles) -> "pa.Table":
    """The table of a csv or tsv file, blanks around names and texts left out."""
    import pyarrow as pa

    table = _parsed_csv(path)
    numbered = [
        name
        for name, kind in zip(table.column_names, table.schema.types, strict=True)
        if _may_be_text(name.strip(), kind, roles)
        and table.column_names.count(name) == 1
    ]
    texts = _parsed_csv(path, numbered) if numbered else {}
    names = [name.strip() for name in table.column_names]
    columns = [
        _as_written(column, _trimmed(name, texts[raw]))
        if raw in numbered
        else _trimmed(name, column)
        for raw, name, column in zip(
            table.column_names, names, table.columns, strict=True
        )
    ]
    return pa.table(columns, names)


def _parsed_csv(path: Path, as_text: Sequence[str] = ()) -> "pa.Table":
    """The columns of the file, or only some of them as the text that they are."""
    import pyarrow as pa
    import pyarrow.csv

    return pyarrow.csv.read_csv(
        path,
        # A block holds at least the header, which is long with many concepts.
        read_options=pyarrow.csv.ReadOptions(block_size=1 << 26),
        parse_options=pyarrow.csv.ParseOptions(delimiter=_delimiter(path)),
        convert_options=pyarrow.csv.ConvertOptions(
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            include_columns=list(as_text),
            column_types={name: pa.string() for name in as_text},
        ),
    )


def _may_be_text(name: str, kind: "pa.DataType", roles: Roles) -> bool:
    """Whether a column of whole numbers may be ids or classes such as `000139`."""
    import pyarrow as pa

    is_named = name in roles.classes or (
        isinstance(roles.ids, str) and name == roles.ids
    )
    return pa.types.is_integer(kind) and (is_named or name.casefold() in ID_NAMES)


def _as_written(numbers: "pa.ChunkedArray", texts: "pa.ChunkedArray") -> Any:
    """The numbers; the texts if any of them has a zero ahead that the number lacks."""
    import pyarrow as pa
    import pyarrow.compute

    same = pyarrow.compute.equal(numbers.cast(pa.string()), texts)
    return (
        texts if pyarrow.compute.any(pyarrow.compute.invert(same)).as_py() else numbers
    )


def _delimiter(path: Path) -> str:
    """What parts the columns: of a csv file `;` if its first line has no comma."""
    import pyarrow as pa

    if ".tsv" in (suffix.lower() for suffix in path.suffixes):
        return "\t"
    with pa.input_stream(str(path)) as file:
        header = file.read(1 << 20).partition(b"\n")[0]
    return ";" if b";" in header and b"," not in header else ","


def _trimmed(name: str, column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """A column of text without blanks around it; truth values with blanks as such."""
    import pyarrow as pa
    import pyarrow.compute

    if pa.types.is_binary(column.type):
        raise ValueError(f"column {name!r} is not in UTF-8; save the table as UTF-8")
    if not _is_text(column.type):
        return column
    column = pyarrow.compute.utf8_trim_whitespace(column)
    values = column.unique()
    if len(values) > len(_TRUTH_VALUES):
        return column
    is_truth = _TRUTH_VALUES.issuperset(values.to_pylist())
    return column.cast(pa.bool_()) if is_truth else column


def _read_parquet(path: Path) -> "pa.Table":
    import pyarrow.parquet

    with path.open("rb") as file:  # a path would be taken for a folder of partitions
        return pyarrow.parquet.read_table(file)


def from_table(table: "pa.Table", roles: Roles) -> Concepts:
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


def _matrix(columns: list[Column], num_samples: int) -> sp.csr_array:
    """The columns as a sparse table."""
    lengths = [len(samples) for _, samples in columns]
    indices = np.concatenate([samples for _, samples in columns])
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    shape = (num_samples, len(columns))
    by_column = sp.csc_array(
        (np.ones(len(indices), bool), indices, indptr), shape=shape
    )
    return sp.csr_array(by_column)


def _ids_of(
    table: "pa.Table", ids: ArrayLike | None
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


def _id_column(table: "pa.Table") -> str | None:
    """The column whose name and values say that it holds ids."""
    by_name = {name.casefold(): name for name in reversed(table.column_names)}
    for usual in ID_NAMES:
        name = by_name.get(usual)
        if name is not None and _may_be_ids(name, table[name]):
            return name
    return next(
        (
            name
            for name in table.column_names
            if name in _ROW_NUMBERS
            and name not in _row_numbers(table)
            and _may_be_ids(name, table[name])
        ),
        None,
    )


def _may_be_ids(name: str, column: "pa.ChunkedArray") -> bool:
    """Whether the values are text, or integers that are more than truth values.

    In a table of two samples ids may be 0 and 1, if the name leaves no doubt.
    """
    import pyarrow as pa

    if not pa.types.is_integer(column.type):
        return _is_text(column.type)
    values = column.to_numpy(zero_copy_only=False)
    is_called_id = name.casefold().endswith(("id", "ids"))
    is_short = len(values) <= 2 and is_called_id
    return is_short or bool(((values != 0) & (values != 1)).any())


def _is_text(type_: "pa.DataType") -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    is_kind = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(test(type_) for test in is_kind)


def _row_numbers(table: "pa.Table") -> list[str]:
    """Columns that pandas wrote for its index and that only count the rows."""
    import pyarrow as pa

    return [
        name
        for name in _ROW_NUMBERS
        if name in table.column_names
        and pa.types.is_integer(table[name].type)
        and table[name].null_count == 0
        and np.array_equal(table[name].to_numpy(), np.arange(table.num_rows))
    ]


def _check_no_missing(name: str, column: "pa.ChunkedArray") -> None:
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise ValueError(
            f"column {name!r} has no value for {column.null_count} samples, first for "
            f"sample {row}; fill it in, or leave the column out by `ignore={[name]!r}`."
        )


def _true_samples(
    name: str, column: "pa.ChunkedArray"
) -> Int[np.ndarray, " positives"]:
    """The samples where a column of truth values is true."""
    import pyarrow as pa

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


def _class_columns(name: str, column: "pa.ChunkedArray") -> list[Column]:
    """One concept per value of a column of classes, in the order of the values."""
    import pyarrow as pa

    kind = column.type
    is_class = _is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
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
