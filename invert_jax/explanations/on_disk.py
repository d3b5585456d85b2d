"""Explanations in a folder: replaced in one step, read again whole or not at all.

The tables lie in files that are named by what is in them, as neurons.0123456789abcdef
.parquet; the description names those that belong to it, and is replaced last. So there
is one result or the other at any time, and what no description names is not there.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from invert_jax import disk
from invert_jax.concepts.table_checks import object_of_pairs
from invert_jax.core.exact import MAX_SAMPLES
from invert_jax.explanations import columns
from invert_jax.explanations.record import Record

FORMAT = "invert_jax explanations"
VERSION = 3
DESCRIPTION = "explanations.json"
LABELS = "labels.csv"
NEURONS = "neurons"
FORMULAS = "formulas"
SAMPLES = "samples"
HELD_OUT = "held_out_samples"
# The file of a table; 0.1 named it without a digest.
TABLE = re.compile(
    rf"({NEURONS}|{FORMULAS}|{SAMPLES}|{HELD_OUT})(?P<digest>\.[0-9a-f]{{16}})?\.parquet"
)
# How often a result is read that is replaced meanwhile.
MOST_TRIES = 1000


def save(explanations: Record, path: str | os.PathLike) -> None:
    """Write the folder `path`: Parquet for the arrays, JSON for all else.

    An older result of the same name is replaced in one step: whoever reads it, and
    whatever stops the writer, there is the older one or the new one. Anything else in
    the way is an error.
    """
    path = Path(path).resolve()
    check_target(path)
    files = _files_of(explanations)
    is_new = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    try:
        with disk.locked_folder(path):
            try:
                _write(files, path)
            finally:
                _remove_unnamed(path)
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise
    disk.sync_folder(path.parent)
    _remove_older_drafts(path)


def check_target(path: Path) -> None:
    """Refuse to replace anything but an older result or an empty folder."""
    path = path.resolve()
    if path == Path.cwd():
        raise ValueError("`path` must not be the current folder; name a new one.")
    if not path.exists():
        return
    foreign = _foreign(path) if path.is_dir() else path.name
    if foreign:
        raise ValueError(
            "`path` must be new, or a folder of explanations to replace; "
            f"{str(path)!r} is something else: it has {foreign}."
        )


def _foreign(folder: Path) -> str:
    """What tells that a folder is no result of ours; nothing if it is one.

    One whose first writer was killed has no description yet.
    """
    names = sorted(each.name for each in folder.iterdir())
    others = [name for name in names if not disk.is_draft(name)]
    strange = [name for name in others if not _is_ours(name)]
    if strange:
        return strange[0]
    is_begun = all(map(_has_digest, others))
    return "" if is_begun or DESCRIPTION in others else f"no {DESCRIPTION}"


def _is_ours(name: str) -> bool:
    return name in (DESCRIPTION, LABELS) or TABLE.fullmatch(name) is not None


def _has_digest(name: str) -> bool:
    found = TABLE.fullmatch(name)
    return found is not None and found["digest"] is not None


def read(path: str | os.PathLike) -> dict[str, Any]:
    """The fields of a record, from a folder written by `save`.

    Every file is read once, and what is parsed is what was hashed. A folder that is
    replaced meanwhile is read again.

    Raises:
        FileNotFoundError: It has no description.
        ValueError: It is of something else, of another version, or damaged.
    """
    import pyarrow as pa

    path = Path(path)
    description, contents = _read_together(path)
    try:
        files = {
            name: _columns_of(content, _most_rows(name, description))
            for name, content in contents.items()
        }
        return columns.fields_of(
            description,
            files[NEURONS],
            files[FORMULAS],
            files[SAMPLES]["sample"] if SAMPLES in files else None,
            files[HELD_OUT]["sample"] if HELD_OUT in files else None,
        )
    except (
        LookupError, AttributeError, TypeError, ValueError, OverflowError,
        pa.ArrowException,
    ) as error:  # fmt: skip
        raise _damaged(path, error) from error


def _read_together(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A description and the files that it names, all of one result."""
    for left in reversed(range(MOST_TRIES)):
        version = _version_of(path)
        description = _read_description(path)
        try:
            return description, _read_named(path, description)
        except (OSError, LookupError, AttributeError, TypeError, ValueError) as error:
            if left == 0 or _version_of(path) == version:
                raise _damaged(path, error) from error
    raise AssertionError


def _version_of(path: Path) -> tuple[int, int]:
    """What changes whenever the description is replaced."""
    with contextlib.suppress(OSError):
        about = (path / DESCRIPTION).stat()
        return about.st_ino, about.st_mtime_ns
    return 0, 0


def _read_named(path: Path, description: Mapping[str, Any]) -> dict[str, bytes]:
    """The content of each table, by its name."""
    contents = {}
    for name, digest in description["digests"].items():
        named = TABLE.fullmatch(name)
        if named is None:
            raise ValueError(f"{name} is no table of a result")
        contents[named[1]] = disk.read_file(path / name)
        if hashlib.sha256(contents[named[1]]).hexdigest() != digest:
            raise ValueError(f"{name} is not the file that was written with it")
    return contents


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"`path` must hold whole explanations; {str(path)!r} is damaged: {error}"
    )


def _most_rows(name: str, description: Mapping[str, Any]) -> int:
    """Rows that a table of this name may have, by what the description says."""
    if name in (SAMPLES, HELD_OUT):
        return MAX_SAMPLES
    settings, num_neurons = description["settings"], description["num_neurons"]
    # One more step of the formulas that `simplest` shows.
    beam = (settings["max_length"] + 1) * settings["beam_size"]
    return num_neurons if name == NEURONS else num_neurons * beam


def _columns_of(content: bytes, most_rows: int) -> dict[str, Any]:
    """The columns of a table that is no longer than it may be."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from invert_jax.explanations import arrow

    num_rows = pq.read_metadata(pa.BufferReader(content)).num_rows
    if num_rows > most_rows:
        raise ValueError(f"a table has {num_rows:,} rows, where {most_rows:,} may be")
    return arrow.columns_of(pq.read_table(pa.BufferReader(content)))


def _files_of(explanations: Record) -> dict[str, bytes]:
    """The content of all files by name, in the order in which they are written."""
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
    files, digests = {}, {}
    for name, table in tables.items():
        content = _written(pq.write_table, arrow.table_of(table))
        digest = hashlib.sha256(content).hexdigest()
        file = f"{name}.{digest[:16]}.parquet"
        files[file], digests[file] = content, digest
    description = {
        "format": FORMAT,
        "version": VERSION,
        **columns.description_of(explanations),
        "digests": digests,
    }
    text = json.dumps(
        disk.sealed(description), indent=1, ensure_ascii=False, default=float
    )
    labels = _written(pyarrow.csv.write_csv, arrow.to_arrow(explanations))
    return {**files, DESCRIPTION: text.encode("utf-8"), LABELS: labels}


def _written(write: Callable[[Any, Any], object], table: Any) -> bytes:
    """What a writer of Arrow tables writes."""
    content = io.BytesIO()
    write(table, content)
    return content.getvalue()


def _write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write each file whole; with the description the folder is the new result."""
    for name, content in files.items():
        if name == DESCRIPTION:  # no older labels beside a newer result
            (folder / LABELS).unlink(missing_ok=True)
        with disk.whole_file(folder / name) as draft:
            draft.write_bytes(content)


def _remove_unnamed(folder: Path) -> None:
    """Remove the tables that the description does not name, and what was left half."""
    disk.remove_drafts(folder)
    try:
        named = _read_description(folder)["digests"]
    except FileNotFoundError:
        named = {}
    except (ValueError, KeyError):
        return
    for file in folder.iterdir():
        is_table = TABLE.fullmatch(file.name) is not None
        if is_table and file.name not in named:
            with contextlib.suppress(OSError):
                file.unlink()


def _remove_older_drafts(path: Path) -> None:
    """Remove the folders beside that earlier releases left when they were killed.

    They hold the new result, the older one, or both, or nothing, and nothing else.
    """
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}")
    with contextlib.suppress(OSError):
        for folder in path.parent.iterdir():
            if pattern.fullmatch(folder.name) and _is_older_draft(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_older_draft(folder: Path) -> bool:
    return folder.is_dir() and all(
        part.name in ("new", "old")
        and part.is_dir()
        and all(_is_ours(each.name) for each in part.iterdir())
        for part in folder.iterdir()
    )


def _read_description(path: Path) -> dict[str, Any]:
    """The JSON of a folder, refused if it is none of ours."""
    try:
        text = disk.read_file(path / DESCRIPTION).decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(
            "`path` must be a folder written by `Explanations.save`; "
            f"{str(path)!r} has no {DESCRIPTION}."
        ) from None
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
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
        content = json.loads(text, object_pairs_hook=object_of_pairs)
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
    if _digest_of(content, path) != digest:
        raise ValueError(
            f"`path` must hold whole {format}; {str(path)!r} is damaged or was changed "
            "since it was written: it is not what its digest says. Write it again."
        )
    return content


def _digest_of(content: Mapping[str, Any], path: str | os.PathLike) -> str:
    try:
        return disk.sealed(content)["digest"]
    except (RecursionError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(
            f"`path` must hold JSON; {str(path)!r}: {error or type(error).__name__}."
        ) from error
