"""Concepts from COCO's `instances_*.json`: which objects an image, or a cell, shows.

Concepts are the categories, by name, then their supercategories as `supercategory=NAME`
(one category and one supercategory are called `person`). Crowds count as presence.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike

from invert_jax.checks import check_choice, checked_sizes, listed
from invert_jax.concepts.table import Concepts
from invert_jax.concepts.unknown import (
    UNKNOWN_CHOICES,
    check_unknown,
    checked_confidence,
)
from invert_jax.core.exact import MAX_SAMPLES
from invert_jax.sample_ids import position_ids

# What is verified to be absent from an image, and what is not annotated in all of it.
_ABSENT, _IN_PART = "neg_category_ids", "not_exhaustive_category_ids"


class _Vocabulary(NamedTuple):
    """The concepts of a file.

    Attributes:
        names: Categories, then supercategories.
        descriptions: What each is or covers.
        column: Column of each category id.
        above: Column of the supercategory of each category, -1 if it has none.
    """

    names: list[str]
    descriptions: list[str]
    column: dict[object, int]
    above: Int[np.ndarray, " categories"]


def from_coco(
    content: dict[str, object],
    *,
    ids: ArrayLike | None = None,
    boxes: tuple[int, int] | None = None,
    unknown: str = "error",
    min_confidence: float | None = None,
) -> Concepts:
    """Concepts of the images, or with `boxes=(rows, columns)` of the cells of a grid.

    See `from_file` for `unknown` and `min_confidence`. Categories for which not all
    objects of an image are annotated, LVIS's `not_exhaustive_category_ids`, are present
    if one is.

    >>> coco = {
    ...     "images": [{"id": 7, "file_name": "a"}, {"id": 8, "file_name": "b"}],
    ...     "annotations": [{"id": 1, "image_id": 8, "category_id": 18}],
    ...     "categories": [{"id": 18, "name": "dog", "supercategory": "animal"}],
    ... }
    >>> concepts = from_coco(coco)
    >>> concepts.names, concepts.ids.tolist()
    (('dog', 'supercategory=animal'), ['a', 'b'])
    >>> concepts.masks().tolist()
    [[False, False], [True, True]]
    """
    images = _records(content, "images")
    annotations = _records(content, "annotations")
    vocabulary = _vocabulary(_records(content, "categories"))
    annotations = _confident(annotations, checked_confidence(min_confidence))
    image_of, category_of = _links(images, annotations, vocabulary)
    _check_unknown(
        unknown, images, (image_of, category_of), vocabulary, of_cells=boxes is not None
    )
    samples, columns = image_of, category_of
    sample_ids = _ids_of(images, ids)
    if boxes is not None:
        boxes = checked_sizes("boxes", "the rows and columns of a grid", boxes)
        _check_cells(len(images), boxes)
        samples, repeats = _cells(images, annotations, image_of, boxes)
        columns = np.repeat(category_of, repeats)
        sample_ids = position_ids(sample_ids, boxes)
    matrix = _presence(samples, columns, vocabulary, len(sample_ids))
    return Concepts.from_masks(
        matrix,
        vocabulary.names,
        descriptions=vocabulary.descriptions,
        ids=sample_ids,
    )


def _confident(
    annotations: list[dict[str, object]], least: float
) -> list[dict[str, object]]:
    """The annotations without those that a detector was too little confident of."""
    for key in ("score", "confidence"):
        scored = [each for each in annotations if key in each]
        values = _column(scored, "annotations", key, _is_number)
        pairs = zip(scored, values, strict=True)
        unsure = {id(each) for each, value in pairs if not value >= least}
        annotations = [each for each in annotations if id(each) not in unsure]
    return annotations


def _check_unknown(
    unknown: str,
    images: Sequence[dict[str, object]],
    annotated: tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]],
    vocabulary: _Vocabulary,
    *,
    of_cells: bool,
) -> None:
    """Refuse what is not annotated where files say what was verified to be absent.

    A category that is annotated in an image, but not all of it, is present there; of
    the cells without a box of it that says nothing.
    """
    check_choice("unknown", unknown, UNKNOWN_CHOICES)
    if not any(key in image for image in images for key in (_ABSENT, _IN_PART)):
        return
    shape = (len(images), len(vocabulary.column))
    present = _truths(*annotated, shape)
    if of_cells:
        in_part = _listed(images, _IN_PART, vocabulary, shape)
        present = sp.csr_array(present > present.multiply(in_part))
    check_unknown(
        unknown,
        present,
        _listed(images, _ABSENT, vocabulary, shape),
        vocabulary.names[: shape[1]],
        stacklevel=5,
    )


def _listed(
    images: Sequence[dict[str, object]],
    key: str,
    vocabulary: _Vocabulary,
    shape: tuple[int, int],
) -> sp.csr_array:
    """Which categories the images list under a key."""
    pairs = [
        (place, vocabulary.column.get(category, -1))
        for place, image in enumerate(images)
        for category in _listed_keys(image, key)
    ]
    rows, columns = np.reshape(pairs, (-1, 2)).astype(np.int64).T
    is_known = columns >= 0
    return _truths(rows[is_known], columns[is_known], shape)


def _listed_keys(image: dict[str, object], key: str) -> list:
    """Ids of the categories that an image lists under a key."""
    keys = image.get(key) or []
    if not isinstance(keys, list) or not all(map(_is_key, keys)):
        raise ValueError(
            f"`images` {image.get('id')!r} must have a list of category ids as "
            f"`{key}`; got {keys!r:.80}."
        )
    return keys


def _truths(
    rows: Int[np.ndarray, " entries"],
    columns: Int[np.ndarray, " entries"],
    shape: tuple[int, int],
) -> sp.csr_array:
    """True at the places, which may repeat."""
    entries = (np.ones(len(rows), bool), (rows, columns))
    return sp.csr_array(sp.coo_array(entries, shape=shape))


def _records(content: dict[str, object], key: str) -> list[dict[str, object]]:
    """The records of one part of the file; all are objects."""
    if key not in content:
        raise ValueError(
            f"COCO annotations must have `{key}`; got {listed(content, 10)}. Presence "
            "of objects is in the files named instances_*.json."
        )
    records = content[key]
    if not isinstance(records, list) or not records:
        if key == "annotations" and records == []:
            return []
        raise ValueError(f"`{key}` must be a list with at least one record.")
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise ValueError(f"`{key}` {number} must be an object; got {record!r:.80}.")
    return records


def _column(
    records: Sequence[dict[str, object]],
    what: str,
    key: str,
    fits: Callable[[object], bool],
) -> list:
    """One value of every record, checked."""
    values = [record.get(key) for record in records]
    for record, value in zip(records, values, strict=True):
        if not fits(value):
            raise ValueError(
                f"`{what}` {record.get('id')!r} must have a proper `{key}`; got "
                f"{value!r:.80}."
            )
    return values


def _is_key(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_size(value: object) -> bool:
    return _is_number(value) and 0 < value < 2**31  # type: ignore[operator]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_box(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 4:
        return False
    return all(_is_number(v) and abs(v) < 2**31 for v in value) and min(value[2:]) >= 0


def _vocabulary(categories: Sequence[dict[str, object]]) -> _Vocabulary:
    """The concepts of the categories and of what is above them."""
    keys = _column(categories, "categories", "id", _is_key)
    names = _column(categories, "categories", "name", _is_text)
    if len(set(keys)) < len(keys):
        raise ValueError("`categories` must have different ids.")
    above = [category.get("supercategory") for category in categories]
    supercategories = list(dict.fromkeys(name for name in above if _is_text(name)))
    place = {name: len(names) + n for n, name in enumerate(supercategories)}
    pairs = list(zip(names, above, strict=True))
    covered = {
        name: [category for category, higher in pairs if higher == name]
        for name in supercategories
    }
    return _Vocabulary(
        names + [f"supercategory={name}" for name in supercategories],
        [f"{name} ({higher})" for name, higher in pairs]
        + [", ".join(covered[name]) for name in supercategories],
        {key: number for number, key in enumerate(keys)},
        np.array([place.get(name, -1) if _is_text(name) else -1 for name in above]),
    )


def _links(
    images: Sequence[dict[str, object]],
    annotations: Sequence[dict[str, object]],
    vocabulary: _Vocabulary,
) -> tuple[Int[np.ndarray, " annotations"], Int[np.ndarray, " annotations"]]:
    """The image and the category of each annotation, as their places in the file."""
    keys = _column(images, "images", "id", _is_key)
    place = {key: number for number, key in enumerate(keys)}
    if len(place) < len(keys):
        raise ValueError("`images` must have different ids.")
    image_of = _places(annotations, "image_id", place, "images")
    return image_of, _places(
        annotations, "category_id", vocabulary.column, "categories"
    )


def _places(
    annotations: Sequence[dict[str, object]],
    key: str,
    place: dict[object, int],
    what: str,
) -> Int[np.ndarray, " annotations"]:
    """Where in the file is what each annotation names; it must be there."""
    wanted = _column(annotations, "annotations", key, _is_key)
    places = np.array([place.get(name, -1) for name in wanted], np.int64)
    missing = np.flatnonzero(places < 0)
    if len(missing):
        first = annotations[missing[0]].get("id")
        raise ValueError(
            f"annotations name {what} that are missing: {len(missing)} of "
            f"{len(annotations)}; the first is annotation {first!r} with {key} "
            f"{wanted[missing[0]]!r}. Take the annotations that belong to these {what}."
        )
    return places


def _presence(
    samples: Int[np.ndarray, " entries"],
    columns: Int[np.ndarray, " entries"],
    vocabulary: _Vocabulary,
    num_samples: int,
) -> sp.csr_array:
    """True where a sample shows a category, and what is above that category."""
    above = vocabulary.above[columns]
    samples = np.concatenate([samples, samples[above >= 0]])
    columns = np.concatenate([columns, above[above >= 0]])
    return _truths(samples, columns, (num_samples, len(vocabulary.names)))


def _ids_of(
    images: Sequence[dict[str, object]], ids: ArrayLike | None
) -> Shaped[np.ndarray, " images"]:
    """The ids of the images: their file names, or their COCO ids."""
    if ids is not None and not (isinstance(ids, str) and ids in ("file_name", "id")):
        raise ValueError(
            f'`ids` must be "file_name" or "id" for COCO; got {ids!r:.80}.'
        )
    if ids is None and not any("file_name" in image for image in images):
        ids = "id"
    key = "id" if ids == "id" else "file_name"
    fits = _is_key if key == "id" else _is_text
    values = _column(images, "images", key, fits)
    if len({type(value) for value in values}) > 1:
        values = [str(value) for value in values]
    return np.array(values)


def _check_cells(num_images: int, grid: tuple[int, int]) -> None:
    """Refuse more cells than a search takes samples, before room is made for them."""
    num_cells = num_images * grid[0] * grid[1]
    if num_cells > MAX_SAMPLES:
        raise ValueError(
            f"`boxes` must give at most {MAX_SAMPLES:,} cells of all images; got "
            f"{num_cells:,}, of {num_images} images. Ask for a coarser grid."
        )


def _cells(
    images: Sequence[dict[str, object]],
    annotations: Sequence[dict[str, object]],
    image_of: Int[np.ndarray, " annotations"],
    grid: tuple[int, int],
) -> tuple[Int[np.ndarray, " entries"], Int[np.ndarray, " annotations"]]:
    """The cells that each box overlaps, one after the other, and how many they are."""
    heights = np.array(_column(images, "images", "height", _is_size), np.float64)
    widths = np.array(_column(images, "images", "width", _is_size), np.float64)
    box = np.array(_column(annotations, "annotations", "bbox", _is_box), np.float64)
    left, top, width, height = box.reshape(-1, 4).T
    first_row, num_rows = _span(top, height, heights[image_of], grid[0])
    first_column, num_columns = _span(left, width, widths[image_of], grid[1])
    counts = num_rows * num_columns
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    nth = np.arange(counts.sum()) - starts
    across = np.repeat(num_columns, counts)
    row = np.repeat(first_row, counts) + nth // across
    column = np.repeat(first_column, counts) + nth % across
    return (np.repeat(image_of, counts) * grid[0] + row) * grid[1] + column, counts


def _span(
    start: Float[np.ndarray, " annotations"],
    length: Float[np.ndarray, " annotations"],
    size: Float[np.ndarray, " annotations"],
    num_cells: int,
) -> tuple[Int[np.ndarray, " annotations"], Int[np.ndarray, " annotations"]]:
    """The first cell that an interval overlaps, and how many.

    They are one or more, unless the interval is outside the image.

    >>> _span(np.array([32.0, 300.0]), np.array([33.0, 9.0]), np.array([224.0] * 2), 7)
    (array([1, 6]), array([2, 0]))
    """
    # Multiplied first: whole pixels on the border of a cell stay exact.
    first = np.floor(start * num_cells / size).clip(0, num_cells - 1).astype(np.int64)
    last = np.ceil((start + length) * num_cells / size).astype(np.int64) - 1
    is_inside = (start < size) & ((start + length > 0) | (start >= 0))
    return first, (last.clip(first, num_cells - 1) - first + 1) * is_inside
