"""Concepts from csv, tsv and parquet files."""

import csv
import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from invert_jax.checks import listed
from invert_jax.concepts.files.tabular import ID_NAMES, Roles, from_table, is_text
from invert_jax.concepts.table import Concepts
from invert_jax.core.exact import MAX_SAMPLES

_TRUTH_VALUES = {*"true false True False TRUE FALSE 1 0".split(), None}


def from_table_file(path: Path, roles: Roles) -> Concepts:
    """Concepts from a csv, tsv or parquet file."""
    is_parquet = path.suffix.lower() in (".parquet", ".pq")
    try:
        table = _read_parquet(path) if is_parquet else _read_csv(path, roles)
        table.validate(full=True)
    except Exception as error:  # pyarrow's own, also KeyError and OSError
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


def _read_parquet(path: Path) -> pa.Table:
    with path.open("rb") as file:  # a path would be taken for a folder of partitions
        num_rows = pyarrow.parquet.read_metadata(file).num_rows
        if num_rows > MAX_SAMPLES:
            raise ValueError(
                f"it has {num_rows:,} rows, and at most {MAX_SAMPLES:,} samples are "
                "searched"
            )
        return pyarrow.parquet.read_table(file)


def _read_csv(path: Path, roles: Roles) -> pa.Table:
    """The table of a csv or tsv file, blanks around names and texts left out."""
    delimiter, header = _header(path)
    text_names = {*ID_NAMES, *roles.classes}
    text_names |= {roles.ids} if isinstance(roles.ids, str) else set()
    # What may be ids or classes is read as it is written, zeros ahead included.
    kept = [n for n in header if {n.strip(), n.strip().casefold()} & text_names]
    table = pyarrow.csv.read_csv(
        path,
        # A block holds at least the header, which is long with many concepts.
        read_options=pyarrow.csv.ReadOptions(block_size=1 << 26),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
        convert_options=pyarrow.csv.ConvertOptions(
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            column_types={name: pa.binary() for name in kept},
        ),
    )
    names = [name.strip() for name in table.column_names]
    columns = map(_of_plain_values, names, table.columns)
    return pa.table(list(columns), names)


def _header(path: Path) -> tuple[str, list[str]]:
    """What parts the columns, and their names: `;` if the first line has no comma."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", errors="replace") as file:
        first_line = file.readline()
    delimiter = ";" if ";" in first_line and "," not in first_line else ","
    if ".tsv" in (suffix.lower() for suffix in path.suffixes):
        delimiter = "\t"
    return delimiter, next(csv.reader([first_line], delimiter=delimiter), [])


def _of_plain_values(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of text as the numbers or truth values that it holds, if it does.

    Blanks around them do not count. Whole numbers that are not as they would be
    written, such as `000139`, stay text.
    """
    if pa.types.is_binary(column.type):
        try:
            column = column.cast(pa.string())
        except pa.ArrowInvalid:
            raise ValueError(
                f"column {name!r} is not in UTF-8; save the table as UTF-8"
            ) from None
    if not is_text(column.type):
        return column
    import pyarrow.compute as pc  # takes longer to load than all of pyarrow

    column = pc.utf8_trim_whitespace(column)
    for kind in (pa.int64(), pa.float64()):
        try:
            numbers = column.cast(kind)
        except pa.ArrowInvalid:
            continue
        is_written_so = pc.all(pc.equal(numbers.cast(pa.string()), column)).as_py()
        return numbers if kind == pa.float64() or is_written_so else column
    values = column.unique()
    if len(values) <= len(_TRUTH_VALUES):
        is_truth = _TRUTH_VALUES.issuperset(values.to_pylist())
        return column.cast(pa.bool_()) if is_truth else column
    return column
