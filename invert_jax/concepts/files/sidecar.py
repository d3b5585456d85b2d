"""Names of concepts that are kept in a file of their own."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from invert_jax.concepts.table_checks import object_of_pairs


class Names(NamedTuple):
    """Names of concepts and, if there are any, a description of each."""

    names: tuple[str, ...]
    descriptions: tuple[str, ...] | None = None


def named_by(names: Iterable[str] | str | os.PathLike) -> Names:
    """The names as given, or as in the file that is given.

    >>> named_by(["cat", "dog"])
    Names(names=('cat', 'dog'), descriptions=None)
    """
    if not isinstance(names, str | os.PathLike):
        return Names(tuple(names))
    path = Path(names)
    if not path.is_file():
        raise FileNotFoundError(
            f"`names` must be a list of names or a file that exists; got {path}."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() != ".json":
            return _from_lines(text)
        return _from_json(json.loads(text, object_pairs_hook=object_of_pairs))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as names: {error}") from error


def sidecar_of(path: Path) -> Path | None:
    """The file of names beside a file of masks, if there is one."""
    beside = (path.with_suffix(suffix) for suffix in (".json", ".txt"))
    return next((sidecar for sidecar in beside if sidecar.is_file()), None)


def _from_lines(text: str) -> Names:
    """One name a line, blanks around it left out; the end may have empty lines."""
    return Names(tuple(line.strip() for line in text.rstrip().splitlines()))


def _from_json(parsed: object) -> Names:
    """A list of names, or the reference's description of each column."""
    if isinstance(parsed, list) and all(isinstance(name, str) for name in parsed):
        return Names(tuple(parsed))
    if isinstance(parsed, dict) and parsed:
        return _from_description(parsed)
    raise ValueError(
        "a list of names, or an object with an entry for each column that has an "
        "`offset`, is expected."
    )


def _from_description(entries: dict[str, object]) -> Names:
    """The reference's description: column -> {offset, name, definition}."""
    offsets, descriptions = [], []
    for column, (key, entry) in enumerate(entries.items()):
        if key.isdecimal() and int(key) != column:
            raise ValueError(
                f"the entries must be in the order of the columns; got {key!r} as "
                f"number {column}."
            )
        offset = entry.get("offset") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(offset, str):
            raise ValueError(f"entry {key!r} must have an `offset` that is text.")
        texts = [str(entry[part]) for part in ("name", "definition") if part in entry]
        offsets.append(offset)
        descriptions.append(": ".join(texts))
    return Names(tuple(offsets), tuple(descriptions))
