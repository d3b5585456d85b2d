"""Labels as one file to share: Parquet, CSV, Markdown, or JSON that loads again."""

import base64
import binascii
import dataclasses
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from invert_jax.explanations import arrow, on_disk
from invert_jax.explanations.record import Record

FORMAT = "invert_jax labels"
VERSION = 1
SCHEMA = "labels.schema.json"
SUFFIXES = (".parquet", ".csv", ".json", ".md")
# Key of the provenance in the metadata of a Parquet file.
METADATA = b"invert_jax"
# Of the table to read: column, heading, format.
COLUMNS = (
    ("neuron", "neuron", ""),
    ("name", "name", ""),
    ("rank", "rank", ""),
    ("formula", "formula", ""),
    ("score", "score", ".4f"),
    ("num_positives", "samples", ",d"),
    ("held_out_score", "held out", ".4f"),
    ("held_out_low", "from", ".3f"),
    ("held_out_high", "to", ".3f"),
    ("q_value", "q", ".2g"),
    ("status", "status", ""),
)
# What Markdown could take for markup.
MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+!|~&$-])")


def export(
    explanations: Record, path: str | os.PathLike, *, all_ranks: bool = False
) -> None:
    """Write the labels to one file, in the format that the name of the file ends in.

    Parquet and JSON hold where the labels come from as well: layer, settings, versions
    and content hashes, in the metadata `invert_jax` and in `run`. JSON holds all that
    there is, and `Explanations.load` gives the same explanations again without activations. CSV
    has all columns of `to_arrow`, Markdown those that a reader wants, rounded.
    `labels.schema.json`, in this package, says what is in the JSON.

    Args:
        explanations: Of one layer.
        path: To a .parquet, .csv, .json or .md; a file that is there is replaced.
        all_ranks: Whether to write the whole beam, not the best formula only.
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
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as draft:
        written = Path(draft) / "labels"
        if path.suffix == ".csv":
            pa.csv.write_csv(labels, written)
        elif path.suffix == ".md":
            written.write_text(_markdown(explanations, labels), encoding="utf-8")
        elif path.suffix == ".parquet":
            run = json.dumps(_saved(explanations, Path(draft) / "saved")[0])
            metadata = {**(labels.schema.metadata or {}), METADATA: run.encode()}
            pq.write_table(labels.replace_schema_metadata(metadata), written)
        else:
            text = _json(explanations, labels, Path(draft) / "saved")
            written.write_text(text, encoding="utf-8")
        os.replace(written, path)


def read(path: str | os.PathLike) -> dict[str, Any]:
    """The fields of a record, from a folder of `save`, or in a .json of `export`."""
    path = Path(path)
    if path.suffix == ".json" and not path.is_dir():
        return read_json(path)
    if path.is_file() or (path.suffix in SUFFIXES and not path.exists()):
        raise ValueError(
            "`path` must be a folder written by `Explanations.save` or a .json written "
            f"by `export`; got {str(path)!r}. Other files are to be read, and do not "
            "load again."
        )
    return on_disk.read(path)


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """The fields of a record, from a JSON file written by `export`; nothing is unpickled."""
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"`path` must hold JSON; {str(path)!r}: {error}.") from error
    known = isinstance(content, Mapping) and content.get("format") == FORMAT
    if not known or content.get("version") != VERSION:
        raise ValueError(
            f"`path` must be a JSON file of {FORMAT}, version {VERSION}; "
            f"{str(path)!r} is not."
        )
    missing = next(_missing(content, _schema(), ""), None)
    if missing is not None:
        raise ValueError(
            f"`path` must hold whole labels; {str(path)!r} has no {missing}, which "
            f"{SCHEMA} requires."
        )
    with tempfile.TemporaryDirectory() as folder:
        try:
            _unpack(content, Path(folder))
        except (KeyError, TypeError, AttributeError, binascii.Error) as error:
            raise ValueError(
                f"`path` must hold whole labels; {str(path)!r} is damaged: {error!r}."
            ) from error
        return on_disk.read(folder)


def _schema() -> dict:
    """What the JSON of labels holds."""
    return json.loads(
        resources.files("invert_jax.explanations").joinpath(SCHEMA).read_text("utf-8")
    )


def _missing(value: object, schema: Mapping, at: str) -> Iterator[str]:
    """The keys of nested objects that a schema requires and that are not there.

    >>> list(_missing({"run": {}}, _schema()["properties"]["labels"], ""))
    []
    >>> next(_missing({"format": FORMAT}, _schema(), ""))
    '`version`'
    """
    if not isinstance(value, Mapping):
        return
    for name in schema.get("required", ()):
        if name not in value:
            yield f"`{at}{name}`"
    for name, inner in schema.get("properties", {}).items():
        yield from _missing(value.get(name), inner, f"{at}{name}.")


def _without_folders(place: str) -> str:
    """A source as given; of a local path its end alone, which tells others enough.

    >>> _without_folders("/home/me/acts.npy"), _without_folders("imagenet:/home/me/val")
    ('acts.npy', 'imagenet:val')
    >>> _without_folders("tfds:cifar10:test"), _without_folders("gs://bucket/acts")
    ('tfds:cifar10:test', 'gs://bucket/acts')
    """
    scheme = next((s for s in ("imagenet:", "file://") if place.startswith(s)), "")
    path = PurePath(place.removeprefix(scheme))
    return scheme + path.name if path.is_absolute() else place


def _saved(explanations: Record, folder: Path) -> tuple[dict, dict[str, bytes]]:
    """What `save` writes, to share: the description, and Parquet files by name."""
    sources = {
        name: _without_folders(place) for name, place in explanations.sources.items()
    }
    on_disk.save(dataclasses.replace(explanations, sources=sources), folder)
    text = (folder / on_disk.DESCRIPTION).read_text(encoding="utf-8")
    files = {each.name: each.read_bytes() for each in folder.glob("*.parquet")}
    return json.loads(text), files


def _json(explanations: Record, labels: pa.Table, folder: Path) -> str:
    """The labels to read, the run, and the files of `save` in base64."""
    run, files = _saved(explanations, folder)
    content = {
        "format": FORMAT,
        "version": VERSION,
        "run": run,
        "labels": [
            {name: _known(value) for name, value in row.items()}
            for row in labels.to_pylist()
        ],
        "files": {
            name: base64.b64encode(each).decode("ascii")
            for name, each in sorted(files.items())
        },
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)


def _unpack(content: Mapping, folder: Path) -> None:
    """Write the folder that `save` would, of the files it knows only."""
    text = json.dumps(content["run"])
    (folder / on_disk.DESCRIPTION).write_text(text, encoding="utf-8")
    for name, text in content["files"].items():
        if name not in on_disk.OURS or not name.endswith(".parquet"):
            raise KeyError(f"no file of explanations is named {name!r}")
        (folder / name).write_bytes(base64.b64decode(text, validate=True))


def _known(value: object) -> object:
    """The value; None for what JSON has no number for."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _markdown(explanations: Record, labels: pa.Table) -> str:
    """A heading, the run in a line, and a table; names cannot become markup."""
    settings = explanations.settings
    heading = f"Labels of {explanations.layer or 'a layer'}"
    run = (
        f"{explanations.num_neurons} neurons, {explanations.num_samples} samples, "
        f"at most {settings.max_length} literals, beam of {settings.beam_size}, "
        f"{settings.min_fraction:g} to {settings.max_fraction:g} of the samples, "
        f"sign {settings.sign}."
    )
    rows = labels.to_pylist()
    named = any(row["name"] != str(row["neuron"]) for row in rows)
    columns = [
        (name, heading, form)
        for name, heading, form in COLUMNS
        if name in labels.column_names and (named or name != "name")
    ]
    lines = [f"# {_escaped(heading)}", "", run, ""]
    lines += [f"| {' | '.join(heading for _, heading, _ in columns)} |"]
    lines += [f"|{' --- |' * len(columns)}"]
    for row in rows:
        cells = (_escaped(_cell(row[name], form)) for name, _, form in columns)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _cell(value: object, form: str) -> str:
    """A value as text of a table."""
    return "" if _known(value) is None else format(value, form)


def _escaped(text: str) -> str:
    r"""Text that Markdown shows as it is.

    >>> print(_escaped("<b>|x_1|"))
    \<b\>\|x\_1\|
    """
    return MARKUP.sub(r"\\\1", " ".join(text.splitlines()))
