"""Concepts from csv, tsv and parquet files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invert_jax.checks import listed
from invert_jax.concepts.files.tabular import (
    _TRUTH_VALUES,
    ID_NAMES,
    Roles,
    _is_text,
    from_table,
)
from invert_jax.concepts.table import Concepts

if TYPE_CHECKING:
    import pyarrow as pa


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
