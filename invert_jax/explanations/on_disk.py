"""Explanations in a folder: written whole or not at all, read again."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invert_jax.explanations import columns
from invert_jax.explanations.record import Record

FORMAT = "invert_jax explanations"
VERSION = 2
DESCRIPTION = "explanations.json"
NEURONS = "neurons.parquet"
FORMULAS = "formulas.parquet"
LABELS = "labels.csv"
SAMPLES = "samples.parquet"
HELD_OUT = "held_out_samples.parquet"
OURS = {DESCRIPTION, NEURONS, FORMULAS, LABELS, SAMPLES, HELD_OUT}


def save(explanations: Record, path: str | os.PathLike) -> None:
    """Write the folder `path`: Parquet for the arrays, JSON for all else.

    The folder is written beside and renamed, so that none is ever half-written. An
    older result of the same name is replaced, once the new one is whole; anything else
    in the way is an error.
    """
    path = Path(path).resolve()
    check_target(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as draft:
        written = Path(draft) / "new"
        written.mkdir()
        _write(explanations, written)
        if path.exists():
            path.rename(Path(draft) / "old")
        written.rename(path)


def check_target(path: Path) -> None:
    """Refuse to replace anything but an older result or an empty folder."""
    path = path.resolve()
    if path == Path.cwd():
        raise ValueError("`path` must not be the current folder; name a new one.")
    if not path.exists():
        return
    names = {each.name for each in path.iterdir()} if path.is_dir() else {path.name}
    if names and (DESCRIPTION not in names or names - OURS):
        foreign = sorted(names - OURS)[0] if names - OURS else f"no {DESCRIPTION}"
        raise ValueError(
            "`path` must be new, or a folder of explanations to replace; "
            f"{str(path)!r} is something else: it has {foreign}."
        )


def read(path: str | os.PathLike) -> dict[str, Any]:
    """The fields of a record, from a folder written by `save`.

    Raises:
        FileNotFoundError: It has no description.
        ValueError: It is of something else, of another version, or damaged.
    """
    import pyarrow as pa

    path = Path(path)
    description = _read_description(path)
    try:
        files = {
            name: _read_whole(path / name, digest)
            for name, digest in description["digests"].items()
        }
        return columns.fields_of(
            description,
            files[NEURONS],
            files[FORMULAS],
            files[SAMPLES]["sample"] if SAMPLES in files else None,
            files[HELD_OUT]["sample"] if HELD_OUT in files else None,
        )
    except (
        OSError, LookupError, AttributeError, TypeError, ValueError, OverflowError,
        pa.ArrowException,
    ) as error:  # fmt: skip
        raise ValueError(
            f"`path` must hold whole explanations; {str(path)!r} is damaged: {error}"
        ) from error


def _read_whole(path: Path, digest: str) -> dict[str, Any]:
    """The columns of a file; the bytes that are hashed are those that are read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from invert_jax.explanations import arrow

    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{path.name} is not the file that was written with it")
    return arrow.columns_of(pq.read_table(pa.BufferReader(content)))


def _write(explanations: Record, folder: Path) -> None:
    import pyarrow.csv
    import pyarrow.parquet as pq

    from invert_jax.explanations import arrow

    tables = {
        NEURONS: columns.neuron_columns(explanations),
        FORMULAS: columns.formula_columns(explanations),
    }
    if explanations.samples is not None:
        tables[SAMPLES] = {"sample": explanations.samples}
    if explanations.held_out is not None:
        tables[HELD_OUT] = {"sample": explanations.held_out.samples}
    for name, table in tables.items():
        pq.write_table(arrow.table_of(table), folder / name)
    pyarrow.csv.write_csv(arrow.to_arrow(explanations), folder / LABELS)
    description = {
        "format": FORMAT,
        "version": VERSION,
        **columns.description_of(explanations),
        "digests": {name: _digest(folder / name) for name in tables},
    }
    text = json.dumps(sealed(description), indent=1, ensure_ascii=False, default=float)
    (folder / DESCRIPTION).write_text(text, encoding="utf-8")


def _digest(path: Path) -> str:
    """Content hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be JSON, with a digest by which a change of any value shows.

    It is the SHA-256 of all else, with keys in order: line breaks do not matter.

    >>> sealed({"b": 1, "a": [2]})["digest"] == sealed({"a": (2,), "b": 1})["digest"]
    True
    """
    text = json.dumps(content, sort_keys=True, default=float)
    return {**content, "digest": hashlib.sha256(text.encode()).hexdigest()}


def _read_description(path: Path) -> dict[str, Any]:
    """The JSON of a folder, refused if it is none of ours."""
    try:
        text = (path / DESCRIPTION).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(
            "`path` must be a folder written by `Explanations.save`; "
            f"{str(path)!r} has no {DESCRIPTION}."
        ) from None
    except (OSError, ValueError) as error:
        raise ValueError(
            f"`path` must hold whole explanations; {str(path)!r} is damaged: {error}"
        ) from error
    return known_description(text, path, FORMAT, VERSION)


def known_description(
    text: str, path: str | os.PathLike, format: str, version: int
) -> dict[str, Any]:
    """The JSON of a file of this format and version, as it was written.

    Anything else is refused.

    Args:
        text: Its content.
        path: Where it is, for the message.
        format: What it must be.
        version: The one version that is read.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"`path` must hold JSON; {str(path)!r}: {error}.") from error
    if not isinstance(content, dict) or content.get("format") != format:
        raise ValueError(f"`path` must hold {format}; {str(path)!r} does not.")
    if content.get("version") != version:
        raise ValueError(
            f"`path` must hold {format} of version {version}; {str(path)!r} is of "
            f"version {content.get('version')!r}. Explain again, or read it with the "
            "release of invert_jax that wrote it."
        )
    digest = content.pop("digest", None)
    if sealed(content)["digest"] != digest:
        raise ValueError(
            f"`path` must hold whole {format}; {str(path)!r} is damaged or was changed "
            "since it was written: it is not what its digest says. Write it again."
        )
    return content
