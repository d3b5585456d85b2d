"""The classes of ImageNet-2012, and the concepts above them."""

import dataclasses
import functools
import importlib.util
from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Integer
from numpy.typing import ArrayLike

from invert_jax.checks import listed
from invert_jax.concepts.table import Concepts
from invert_jax.concepts.wordnet.hypernyms import (
    columns_beside,
    columns_under,
    unions_of,
    unique_names,
)
from invert_jax.concepts.wordnet.synsets import synset
from invert_jax.plain_arrays import plain_array

# "contestant" covers one class, ballplayer, but by two paths, and the paper's table
# counts it twice.
_COUNTED_TWICE = "n09613191"


@functools.cache
def imagenet_wnids() -> tuple[str, ...]:
    """The wnids of ImageNet 2012's 1,000 classes, in the order of the class indices.

    >>> imagenet_wnids()[:2], synset(imagenet_wnids()[478]).name
    (('n01440764', 'n01443537'), 'carton')
    """
    file = resources.files("invert_jax.concepts.wordnet").joinpath("imagenet_wnids.txt")
    return tuple(file.read_text(encoding="ascii").split())


def imagenet_validation_labels() -> np.ndarray:
    """The wnids of ImageNet 2012's 50,000 validation images, in order of file names.

    They come with tensorflow_datasets, which is not imported; image i, from 0, is the
    file `ILSVRC2012_val_{i + 1:08d}.JPEG`.

    >>> imagenet_validation_labels()[:2].tolist()
    ['n01751748', 'n09193705']
    """
    package = importlib.util.find_spec("tensorflow_datasets")
    where = Path(package.origin or "").parent if package else Path()
    path = where / "datasets" / "imagenet2012" / "validation_labels.txt"
    if not path.is_file():
        raise ImportError(
            "the labels of ImageNet's validation images come with tensorflow-datasets "
            f"4.9.9 or later; there is no {path}; install or update it."
        )
    return np.array(path.read_text(encoding="ascii").split())


def imagenet(
    labels: ArrayLike, *, ids: ArrayLike | None = None, reference: bool = False
) -> Concepts:
    """The 1,000 classes of ImageNet and the 472 hypernyms that cover more than one.

    Args:
        labels: Of each sample its class, as index in [0, 1000) or as wnid.
        ids: Id of each sample.
        reference: Whether to add the one hypernym more that the paper's table has,
            `contestant`, which covers one class.

    >>> concepts = imagenet([949, 950])
    >>> concepts.num_concepts, concepts.num_rows, concepts.names[949]
    (1472, 2, 'strawberry')
    >>> concepts.masks(["strawberry", "citrus", "edible_fruit"]).astype(int).tolist()
    [[1, 0, 1], [0, 1, 1]]
    """
    classes = imagenet_wnids()
    concepts = Concepts.from_labels(_class_indices(labels), classes, ids=ids)
    hypernyms = {
        wnid: columns
        for wnid, columns in columns_under(classes).items()
        if len(columns) > 1 or (reference and wnid == _COUNTED_TWICE)
    }
    unions = unions_of(concepts.rows, list(hypernyms.values()))
    wnids = (*classes, *hypernyms)
    return dataclasses.replace(
        concepts,
        names=unique_names(wnids),
        rows=columns_beside(concepts.rows, unions),
        descriptions=tuple(synset(wnid).description for wnid in wnids),
    )


def _class_indices(labels: ArrayLike) -> Integer[np.ndarray, " samples"]:
    """The class index of each sample, from indices or wnids."""
    labels = plain_array("labels", labels)
    if labels.dtype.kind in "SO":
        labels = np.array([_text(label) for label in labels.ravel()]).reshape(
            labels.shape
        )
    if labels.ndim != 1 or labels.dtype.kind not in "iuU":
        kind = TypeError if labels.ndim == 1 else ValueError
        raise kind(
            "`labels` must be one class index (an integer) or wnid (text) per sample; "
            f"got shape {labels.shape} and dtype {labels.dtype}."
        )
    if labels.dtype.kind != "U":
        _check_indices(labels)
        return labels.astype(np.int64)
    index_of = {wnid: index for index, wnid in enumerate(imagenet_wnids())}
    unknown = sorted(set(labels.tolist()) - index_of.keys())
    if unknown:
        raise ValueError(
            "`labels` must be wnids of the 1,000 classes of ImageNet 2012; got "
            f"{listed(unknown)}; for other synsets use `with_hypernyms`."
        )
    return np.array([index_of[wnid] for wnid in labels.tolist()], np.int64)


def _check_indices(labels: Integer[np.ndarray, " samples"]) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels > 999))
    if len(wrong):
        raise ValueError(
            "`labels` must be class indices in [0, 1000), in the order of the sorted "
            f"wnids; got {labels[wrong[0]]} for sample {wrong[0]}. (The ids 1 to 1,000 "
            "of ILSVRC's development kit have another order: give wnids.)"
        )


def _text(label: object) -> object:
    return label.decode("ascii", "replace") if isinstance(label, bytes) else label
