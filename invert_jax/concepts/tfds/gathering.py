"""TFDS data sets: what is true of each example, and a model's inputs beside it.

TensorFlow is neither needed nor imported. The data sets are read as they are on disk,
in array_record, parquet or tfrecord files; concepts and inputs come in the same order
and with the same ids.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from jaxtyping import Shaped

from invert_jax.checks import check_choice, check_fraction, checked_sizes, listed
from invert_jax.concepts.table import Concepts
from invert_jax.concepts.tfds.chosen_features import (
    chosen_leaves,
    confidence_of,
    verifies_absence,
)
from invert_jax.concepts.tfds.coders import ClassCoder, Confidence, coder_of
from invert_jax.concepts.tfds.columns import Columns, Gathered, Grid
from invert_jax.concepts.unknown import (
    UNKNOWN_CHOICES,
    check_unknown,
    checked_confidence,
)
from invert_jax.datasets.images import map_of
from invert_jax.datasets.tfds.features import (
    Kind,
    Leaf,
    class_names,
    leaf_named,
    leaves,
)
from invert_jax.datasets.tfds.source import Located, Source, open_source
from invert_jax.datasets.tfds.values import id_of, items, parsed
from invert_jax.progress import progress_bar

_ADVANCE = 256


def from_tfds(
    builder_or_directory: Any,
    split: Any,
    *,
    features: str | Sequence[str] | None = None,
    quantiles: int | Sequence[float] | None = None,
    positions: bool | tuple[int, int] = False,
    min_area: float = 0.01,
    min_confidence: float | None = None,
    unknown: str = "warn",
    ids: str | None = None,
    data_dir: str | None = None,
    progress: bool = True,
) -> Concepts:
    """Concepts from the labels of a TFDS data set.

    Of a feature become

        class label                    `label=cat`; none of them for -1
        classes in a sequence          `objects/label=person`: one or more of the class
        true or false                  `attributes/Smiling`; in a sequence: any of them
        vector of true or false        `flags[2]`
        segmentation map               `segmentation=sky`: at least `min_area` of it
        number, if `quantiles`         `age>34`; in a sequence: the largest of them
        text, if named in `features`   `breed=siamese`

    The id of a sample is its split and its number there, `test-17`, the same in slices,
    sums of splits and file formats; or the value of the feature `ids`.

    Args:
        builder_or_directory: A TFDS builder, a directory with a prepared data set, or a
            name such as `"cifar10"` or `"voc/2012"`. What is not prepared yet is
            downloaded and prepared as array_record.
        split: As in TFDS: `"test"`, `"test[:10%]"`, `"train+test"`.
        features: Paths of the features to use, such as `"label"` or `"objects/color"`;
            that of a dict means all labels in it. By default every class label, truth
            value and segmentation map, and with `quantiles` every number. An image
            that is named here is taken for a segmentation map.
        quantiles: Number of equal parts to cut numbers into, or the probabilities to
            cut at; each cut is a concept, so that two make an interval.
        positions: Whether the samples are the pixels of the segmentation maps; or rows
            and columns of cells, such as those of a layer. Ids are `test-17@row,column`
            as `collect(..., pool="positions")` has them. Other features, if they are
            named in `features`, are repeated for each position.
        min_area: Part of the pixels of an image, or of a cell, that a class must have.
        min_confidence: Items of a sequence with a `confidence` or `score` beside them
            that is below this do not count; without it those of confidence 0.
        unknown: Where a feature lists classes that were verified to be absent, as LVIS
            has it, what is neither listed nor annotated is unknown: "warn" says how
            many pairs of an example and a class are and reads them as absent, "absent"
            does so without a word, "error" refuses. Such lists make no concepts.
        ids: Path of a feature with a unique number or text.
        data_dir: Where TFDS keeps the data sets that it knows by name.
        progress: Whether to show a bar.

    Raises:
        ValueError: Also for data; the message then names the file and the record that
            is damaged or has a label outside the names.
        ImportError: The data set is not prepared yet, and preparing it needs a package
            that the message names.

    >>> import tensorflow_datasets as tfds
    >>> with tfds.testing.mock_data(num_examples=4):
    ...     concepts = from_tfds("voc", "train", features="objects", progress=False)
    >>> concepts.names[:2], concepts.ids.tolist()[:2]
    (('objects/is_difficult', 'objects/is_truncated'), ['train-0', 'train-1'])
    """
    source = open_source(builder_or_directory, split, data_dir)
    probabilities = _probabilities(quantiles)
    check_fraction("min_area", min_area)
    if not isinstance(positions, bool):
        positions = checked_sizes("positions", "rows and columns", positions)
    chosen = chosen_leaves(
        source.features,
        features,
        with_numbers=bool(probabilities),
        positions=positions is not False,
    )
    grid = _grid(source, chosen, positions)
    known = list(leaves(source.features))
    sure = _confidences(chosen, known, min_confidence)
    coders = [
        coder_of(
            leaf,
            probabilities=probabilities,
            grid=grid,
            min_area=min_area,
            confidence=sure[leaf.path],
        )
        for leaf in chosen
    ]
    gathered = [Gathered.by(coder) for coder in coders]
    denied = [
        Gathered.by(ClassCoder(leaf, class_names(leaf)))
        for leaf in known
        if verifies_absence(leaf)
    ]
    id_leaf = None if ids is None else leaf_named(source, ids, "ids")
    example_ids = _gather(source, [*gathered, *denied], id_leaf, progress)
    _check_unknown(unknown, gathered, denied)
    table = _joined([codes.columns(grid) for codes in gathered], chosen)
    return Concepts.from_masks(table.masks, table.names, ids=grid.ids(example_ids))


def _confidences(
    chosen: Sequence[Leaf], known: Sequence[Leaf], min_confidence: float | None
) -> dict[str, Confidence | None]:
    """Which classes of the lists count, by the path of each feature."""
    least = checked_confidence(min_confidence)
    beside = {leaf.path: confidence_of(leaf, known) for leaf in chosen}
    if min_confidence is not None and not any(beside.values()):
        raise ValueError(
            "`min_confidence` needs a list of objects with a `confidence` or `score` "
            f"beside it; got the features {listed(beside)}."
        )
    return {
        path: None if leaf is None else Confidence(leaf, least)
        for path, leaf in beside.items()
    }


def _check_unknown(
    unknown: str, gathered: Sequence[Gathered], denied: Sequence[Gathered]
) -> None:
    """Refuse classes that are neither annotated nor verified to be absent."""
    check_choice("unknown", unknown, UNKNOWN_CHOICES)
    for absent in denied:
        names = class_names(absent.coder.leaf) or ()
        denial = absent.columns(Grid()).masks
        for present in gathered:
            leaf = present.coder.leaf
            classes = class_names(leaf) if leaf.kind is Kind.CLASSES else None
            if classes and set(classes) == set(names):
                in_order = denial[:, [names.index(name) for name in classes]]
                found = present.columns(Grid()).masks
                check_unknown(unknown, found, in_order, classes, stacklevel=4)


def _gather(
    source: Source, gathered: Sequence[Gathered], id_leaf: Leaf | None, progress: bool
) -> Shaped[np.ndarray, " samples"]:
    """Read every example once; returns the ids."""
    feature_ids: list[int | str] = []
    for located in _shown(source, progress):
        try:
            example = parsed(located.stored)
            for codes in gathered:
                codes.add(example)
            if id_leaf is not None:
                feature_ids.append(id_of(example, id_leaf))
        except Exception as error:
            raise located.error(error) from error
    return source.ids() if id_leaf is None else np.array(feature_ids)


def _shown(source: Source, progress: bool) -> Iterator[Located]:
    """The examples, with a bar."""
    title = f"reading {source.name}"
    with progress_bar(
        title, source.num_examples, things="samples", show=progress, stays=True
    ) as advance:
        for index, located in enumerate(source.examples()):
            yield located
            if index % _ADVANCE == _ADVANCE - 1:
                advance(_ADVANCE)
        advance(source.num_examples % _ADVANCE)


def _probabilities(quantiles: Any) -> list[float]:
    """Where to cut; nowhere if numbers are not asked for."""
    if quantiles is None:
        return []
    probabilities: list[float] = []
    if isinstance(quantiles, int | np.integer):
        probabilities = [part / quantiles for part in range(1, quantiles)]
    elif isinstance(quantiles, Iterable):
        are_numbers = all(isinstance(share, float | int) for share in quantiles)
        probabilities = list(map(float, quantiles)) if are_numbers else []
    if not probabilities or not all(0 < share < 1 for share in probabilities):
        raise ValueError(
            "`quantiles` must be a number of parts, at least 2, or probabilities "
            f"between 0 and 1; got {quantiles!r}."
        )
    return probabilities


def _grid(
    source: Source, chosen: Sequence[Leaf], positions: bool | tuple[int, int]
) -> Grid:
    """The cells of an example that are samples."""
    if positions is False:
        return Grid()
    found = [leaf for leaf in chosen if leaf.kind is Kind.MAP]
    if not found:
        raise ValueError(
            "`positions` needs a segmentation map; got the features "
            f"{listed([leaf.path for leaf in chosen])}."
        )
    if positions is True:
        located = next(source.examples())
        try:
            height, width = map_of(items(parsed(located.stored), found[0])[0]).shape
        except Exception as error:
            raise located.error(error) from error
        return Grid(height, width, of_pixels=True)
    return Grid(*positions)


def _joined(tables: Sequence[Columns], chosen: Sequence[Leaf]) -> Columns:
    """All columns side by side."""
    names = [name for table in tables for name in table.names]
    if not names:
        raise ValueError(
            "no concept came of the features "
            f"{listed([leaf.path for leaf in chosen])}: no class occurs, or all "
            "numbers are equal."
        )
    masks = sp.hstack([table.masks for table in tables], format="csr")
    return Columns(names, sp.csr_array(masks))
