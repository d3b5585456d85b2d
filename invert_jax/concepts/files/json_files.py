"""Concepts from a JSON file: records, names with values, names per sample, or COCO."""

import gzip
import json
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from invert_jax.concepts.files import coco
from invert_jax.concepts.files.tabular import Roles, from_table
from invert_jax.concepts.table import Concepts
from invert_jax.concepts.table_checks import RepeatedKeyError, object_of_pairs

# COCO's largest file, of 2017, has half as many.
_MOST_BYTES = 1 << 30
_MAKERS = {
    "masks": Concepts.from_masks,
    "labels": Concepts.from_labels,
    "indices": Concepts.from_indices,
}


def from_json(path: Path, roles: Roles, **of_coco: Any) -> Concepts:
    """Concepts from a JSON file; what it is, its outermost keys say."""
    content = _read(path)
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        _check_no_columns(roles)
        return coco.from_coco(content, ids=roles.ids, **of_coco)
    for name, value in of_coco.items():
        if value is not None and (name, value) != ("unknown", "error"):
            raise ValueError(f"`{name}` is for COCO annotations; leave it out.")
    if isinstance(content, list):
        return _from_records(content, roles)
    _check_no_columns(roles)
    if isinstance(content, dict) and "names" in content:
        return _from_names(content, roles.ids)
    if isinstance(content, dict) and all(map(_are_texts, content.values())):
        return _from_tags(content, roles.ids)
    raise ValueError(
        "a JSON file of concepts must hold a list of records; or `names` with `masks`, "
        "`labels` or `indices`; or, for each sample id, a list of names; or COCO's "
        "`images`, `annotations` and `categories`."
    )


def _check_no_columns(roles: Roles) -> None:
    if roles.classes or roles.ignore:
        raise ValueError("`classes` and `ignore` are for tables; leave them out.")


def _read(path: Path) -> Any:
    try:
        with (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"it holds more than {_MOST_BYTES:,} bytes of text")
        return json.loads(
            content.decode("utf-8-sig"), object_pairs_hook=object_of_pairs
        )
    except RepeatedKeyError:
        raise
    except Exception as error:  # gzip, zlib, UTF-8, JSON and its depth of nesting
        raise ValueError(
            f"{path} cannot be read as JSON: {error}. It is cut short, damaged or of "
            "another kind; make it again."
        ) from error


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(text, str) for text in values)


def _from_records(records: list[Any], roles: Roles) -> Concepts:
    """Concepts from one object per sample, with the same keys in each."""
    import pyarrow as pa

    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise ValueError(f"record {number} must be an object; got {record!r:.80}.")
        if record.keys() != records[0].keys():
            different = sorted(record.keys() ^ records[0].keys())
            raise ValueError(
                f"all records must have the same keys; record {number} and the first "
                f"differ in {', '.join(map(repr, different[:5]))}."
            )
    try:
        table = pa.Table.from_pylist(records)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"a key must have values of one type; {error}.") from error
    return from_table(table, roles)


def _from_names(content: dict[str, Any], ids: ArrayLike | None) -> Concepts:
    """Concepts from an object with `names` and one of masks, labels and indices."""
    given = [kind for kind in _MAKERS if kind in content]
    if len(given) != 1:
        raise ValueError(
            f"beside `names`, one of `masks`, `labels`, `indices` is needed; got "
            f"{', '.join(given) or 'none'}."
        )
    for key in ("names", given[0], "descriptions"):
        if not isinstance(content.get(key) or [], list):
            raise ValueError(f"`{key}` must be a list; got {content[key]!r:.80}.")
    if given[0] == "masks":
        _check_rows(content["masks"])
    return _MAKERS[given[0]](
        content[given[0]],
        iter(content["names"]),
        descriptions=content.get("descriptions"),
        ids=content.get("ids") if ids is None else ids,
    )


def _check_rows(masks: list[Any]) -> None:
    """Refuse masks that are no rows of one length."""
    lengths = [len(row) if isinstance(row, list) else None for row in masks]
    for number, length in enumerate(lengths):
        if length is None or length != lengths[0]:
            raise ValueError(
                "`masks` must be a list of rows of one length, one value per concept; "
                f"got {masks[number]!r:.80} as row {number}, and {lengths[0]} values "
                "in the first."
            )


def _from_tags(content: dict[str, list[str]], ids: ArrayLike | None) -> Concepts:
    """Concepts from, per sample id, the names of what is true of it."""
    if ids is not None:
        raise ValueError("`ids` are the keys of the file; leave them out.")
    names = sorted({name for tags in content.values() for name in tags})
    column = {name: number for number, name in enumerate(names)}
    indices = [[column[name] for name in tags] for tags in content.values()]
    return Concepts.from_indices(indices, names, ids=list(content))
