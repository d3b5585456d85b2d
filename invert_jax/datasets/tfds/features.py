"""The features of a TFDS data set: which of them say what is true of an example."""

import enum
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from invert_jax.checks import listed
from invert_jax.datasets.tfds.source import Source


class Kind(enum.Enum):
    """What concepts a feature makes."""

    CLASSES = "class labels"
    FLAGS = "true or false"
    MAP = "a segmentation map"
    NUMBERS = "numbers"
    TEXT = "text"
    IMAGE = "an image"
    OTHER = "something else"


class Leaf(NamedTuple):
    """One feature that holds no others, and where it is.

    Attributes:
        path: Its keys from the outside in, joined by `/`.
        keys: The keys.
        feature: The TFDS feature.
        lengths: Length of each sequence around it, from the outside in; None if open.
        kind: What concepts it makes.
    """

    path: str
    keys: tuple[str, ...]
    feature: Any
    lengths: tuple[int | None, ...]
    kind: Kind

    @property
    def fixed_shape(self) -> tuple[int, ...]:
        """The innermost axes of known length: those whose places mean something."""
        fixed: list[int] = []
        for length in reversed((*self.lengths, *self.feature.shape)):
            if length is None:
                break
            fixed.append(length)
        return tuple(reversed(fixed))


def leaves(
    feature: Any,
    keys: tuple[str, ...] = (),
    lengths: tuple[int | None, ...] = (),
) -> Iterator[Leaf]:
    """Every feature that holds no others, by name: TFDS has them in no fixed order.

    >>> import tensorflow_datasets as tfds
    >>> features = tfds.features.FeaturesDict({
    ...     "objects": tfds.features.Sequence({"label": tfds.features.ClassLabel()})})
    >>> [(leaf.path, leaf.lengths, leaf.kind.value) for leaf in leaves(features)]
    [('objects/label', (None,), 'class labels')]
    """
    import tensorflow_datasets as tfds

    if isinstance(feature, tfds.features.FeaturesDict):
        for key, inner in sorted(feature.items()):
            yield from leaves(inner, (*keys, key), lengths)
    elif isinstance(feature, tfds.features.Sequence):
        length = feature._length
        yield from leaves(feature.feature, keys, (*lengths, length))
    else:
        yield Leaf("/".join(keys), keys, feature, lengths, _kind(feature))


def _kind(feature: Any) -> Kind:
    """What concepts a feature makes, by its class and dtype."""
    from tensorflow_datasets import features as tf

    if isinstance(feature, tf.ClassLabel):
        return Kind.CLASSES
    if isinstance(feature, tf.LabeledImage):
        return Kind.MAP
    if isinstance(feature, tf.Image):
        return Kind.MAP if feature.use_colormap else Kind.IMAGE
    if isinstance(feature, tf.Text):
        return Kind.TEXT
    if isinstance(feature, tf.BBoxFeature | tf.Audio) or not _is_tensor(feature):
        return Kind.OTHER
    dtype = np.dtype(feature.np_dtype)
    if dtype.kind == "b":
        return Kind.FLAGS
    if dtype.kind in "iuf":
        return Kind.NUMBERS
    return Kind.TEXT if dtype.kind in "OSU" else Kind.OTHER


def _is_tensor(feature: Any) -> bool:
    """Whether the feature is one array of plain values."""
    from tensorflow_datasets import features as tf

    return isinstance(feature, tf.Tensor | tf.Scalar)


def class_names(leaf: Leaf) -> tuple[str, ...] | None:
    """The names of the classes of a feature; None if it does not say how many it has.

    >>> import tensorflow_datasets as tfds
    >>> (leaf,) = leaves(tfds.features.ClassLabel(names=["cat", "dog"]), ("label",))
    >>> class_names(leaf)
    ('cat', 'dog')
    """
    num_classes = leaf.feature.num_classes
    if not num_classes:
        return None
    names = tuple(leaf.feature.names)
    if len(names) != num_classes:
        file = f"{leaf.path.replace('/', '-')}.labels.txt"
        raise ValueError(
            f"the feature {leaf.path!r} must have names for its {num_classes} classes; "
            f"got {len(names)}: {file} beside features.json is truncated or of another "
            "data set; copy it again."
        )
    return names


def leaf_named(source: Source, name: str, argument: str) -> Leaf:
    """The feature of a path."""
    known = {leaf.path: leaf for leaf in leaves(source.features)}
    if name not in known:
        raise ValueError(
            f"`{argument}` must name a feature of the data set; got {name!r}; it has "
            f"{listed(known, 20)}."
        )
    return known[name]
