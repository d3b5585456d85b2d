"""Labels as one file to share: Parquet, CSV, Markdown, and JSON to read in again."""

import dataclasses
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from invert_jax import disk
from invert_jax.disk import whole_file, without_folders
from invert_jax.explanations import arrow, columns, on_disk, printing
from invert_jax.explanations.printing import escaped_markdown
from invert_jax.explanations.record import Record

FORMAT = "invert_jax labels"
VERSION = 3
SUFFIXES = (".parquet", ".csv", ".json", ".md")
# Key of the provenance in the metadata of a Parquet file.
METADATA = b"invert_jax"
# What is a list of rows in the JSON, each on a line of its own.
TABLES = ("labels", "neurons", "formulas")


def export(
    explanations: Record, path: str | os.PathLike, *, all_ranks: bool = False
) -> None:
    """Write the labels to one file, in the format that the name of the file ends in.

    CSV and Parquet have the columns of `to_arrow`, Parquet with the settings, versions
    and hashes of the run in its metadata `invert_jax`; Markdown has the columns that
    `print` shows. JSON is plain rows that anything reads:

        format, version       "invert_jax labels", 3
        layer                 where the neurons come from
        num_neurons           neurons; `num_samples` are the samples that counted
        score                 what `score` is, such as "AUROC"
        settings              what was searched for, by the names of `explain`
        concept_names         the concepts; `left_out` never or always hold, and
                              `synonyms` hold on the same samples as another
        sources, versions     hashes and places of the inputs; packages that ran
        null                  alpha, number of draws and of neurons tested by
                              `with_null`; or null
        panel                 what other metrics were measured on; or null
        has_label_lengths     whether `simplest` took the labels
        labels                a row per label, with the columns of `to_arrow`
        neurons               a row per neuron, with what tests of labels rest on
        formulas              a row per formula of the beam, at each length (`step`)
        samples               indices of those that counted; null for all
        held_out_samples      indices of those held out; null for none
        digest                of all the rest: what was changed is not read in

    `Explanations.load` reads it in again, without the activations, from all but
    `labels`. A number that is not defined is null.

    In CSV, names of neurons and formulas are as they are. A program for spreadsheets
    takes a cell that begins with =, +, - or @ for a formula of its own: of names from
    others import the columns as text, or share Parquet.

    Args:
        explanations: Of one layer.
        path: To a .parquet, .csv, .json or .md; a file that is there is replaced.
        all_ranks: Whether to write a row for each formula of the beam, not the best
            of each neuron alone. JSON is read in whole either way.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(
            f"`path` must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}; got "
            f"{str(path)!r}."
        )
    if path.is_dir():
        raise ValueError(f"`path` must be a file; {str(path)!r} is a folder.")
    labels = arrow.to_arrow(explanations, all_ranks=all_ranks)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        if path.suffix == ".csv":
            pa.csv.write_csv(labels, draft)
        elif path.suffix == ".md":
            text = _markdown(explanations, all_ranks=all_ranks)
            draft.write_text(text, encoding="utf-8")
        elif path.suffix == ".parquet":
            run = json.dumps(_described(explanations), default=float)
            metadata = {**(labels.schema.metadata or {}), METADATA: run.encode()}
            pq.write_table(labels.replace_schema_metadata(metadata), draft)
        else:
            draft.write_text(_json(explanations, labels), encoding="utf-8")


def read(path: str | os.PathLike) -> dict[str, Any]:
    """The fields of a record, from a folder of `save`, or from a .json of `export`.

    Raises:
        FileNotFoundError: There is nothing at `path`.
        ValueError: It is of another kind or version, or damaged.
    """
    path = Path(path)
    if path.suffix == ".json" and not path.is_dir():
        return _read_json(path)
    if path.is_file() or (path.suffix in SUFFIXES and not path.exists()):
        raise ValueError(
            "`path` must be a folder written by `Explanations.save` or a .json written "
            f"by `export`; got {str(path)!r}. Other files are to be read, and do not "
            "load again."
        )
    return on_disk.read(path)


def _described(explanations: Record) -> dict[str, Any]:
    """The run, without the folders of this machine."""
    places = explanations.sources.items()
    sources = {name: without_folders(place) for name, place in places}
    return columns.description_of(dataclasses.replace(explanations, sources=sources))


def _json(explanations: Record, labels: pa.Table) -> str:
    held_out = explanations.held_out
    content = {
        "format": FORMAT,
        "version": VERSION,
        **_described(explanations),
        "labels": labels.to_pylist(),
        "neurons": _rows(columns.neuron_columns(explanations)),
        "formulas": _rows(columns.formula_columns(explanations)),
        "samples": _plain(explanations.samples),
        "held_out_samples": held_out and _plain(held_out.samples),
    }
    content = disk.sealed(content)
    entries = (
        f"{json.dumps(name)}: {_lines(value) if name in TABLES else _text(value)}"
        for name, value in content.items()
    )
    return "{\n" + ",\n".join(entries) + "\n}\n"


def _lines(rows: Iterable[Mapping]) -> str:
    """A list of rows, each on a line."""
    text = ",\n  ".join(map(_text, rows))
    return f"[\n  {text}\n]" if text else "[]"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=float)


def _rows(table: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """The rows of a table of columns."""
    plain = {name: _plain(column) for name, column in table.items()}
    return [
        dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)
    ]


def _plain(array: np.ndarray | None) -> list | None:
    """An array as lists, with None for what JSON has no number for."""
    if array is None:
        return None
    if array.dtype.kind == "f":
        undefined = ~np.isfinite(array)
        array = array.astype(object)
        array[undefined] = None
    return array.tolist()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        text = disk.read_file(path).decode("utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"`path` must be a .json written by `export`; {str(path)!r} does not exist."
        ) from None
    except (OSError, ValueError) as error:
        raise ValueError(f"`path` must hold JSON; {str(path)!r}: {error}.") from error
    content = on_disk.known_description(text, path, FORMAT, VERSION)
    try:
        return columns.fields_of(
            content,
            _columns(content["neurons"]),
            _columns(content["formulas"]),
            content["samples"],
            content["held_out_samples"],
        )
    except (
        LookupError, TypeError, ValueError, AttributeError, OverflowError,
    ) as error:  # fmt: skip
        raise ValueError(
            f"`path` must hold whole labels; {str(path)!r} is damaged: {error!r}."
        ) from error


def _columns(rows: list[dict[str, Any]]) -> Mapping[str, list]:
    """Rows as columns; of no rows every column is empty."""
    if not rows:
        return defaultdict(list)
    return {name: [row[name] for row in rows] for name in rows[0]}


def _markdown(explanations: Record, *, all_ranks: bool) -> str:
    """A heading, the run in a line, and a table; names cannot become markup."""
    settings = explanations.settings
    heading = f"Labels of {explanations.layer or 'a layer'}"
    run = (
        f"{explanations.num_neurons} neurons, {explanations.num_samples} samples, "
        f"at most {settings.max_length} literals, beam of {settings.beam_size}, "
        f"{settings.min_fraction:g} to {settings.max_fraction:g} of the samples, "
        f"sign {settings.sign}."
    )
    positions = range(explanations.num_neurons)
    table = printing.labels_table(explanations, positions, all_ranks=all_ranks)
    return "\n".join(
        (f"# {escaped_markdown(heading)}", "", run, "", table.to_markdown(), "")
    )
