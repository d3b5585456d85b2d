"""The features of a TFDS data set: which of them say what is true of an example."""

import enum
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np

from invert_jax.checks import listed


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


def chosen_leaves(
    features: Any, wanted: Any, *, with_numbers: bool, positions: bool
) -> list[Leaf]:
    """The features to make concepts of: the wanted ones, or all that are labels.

    Without `wanted` these are class labels, flags and segmentation maps, numbers if
    they are to be cut, and with `positions` the segmentation maps alone.
    """
    known = list(leaves(features))
    if wanted is None:
        kinds = {Kind.MAP} if positions else {Kind.CLASSES, Kind.FLAGS, Kind.MAP}
        kinds |= {Kind.NUMBERS} if with_numbers and not positions else set()
        chosen = [leaf for leaf in known if leaf.kind in kinds and _is_small(leaf)]
        if not chosen:
            what = "segmentation map" if positions else "label"
            raise ValueError(
                f"the data set must have a {what} to make concepts of; it has "
                f"{_described(known)}; name those to use by `features=[...]`: an image "
                "that is named is a map of classes, text becomes classes."
            )
        return chosen
    wanted = [wanted] if isinstance(wanted, str) else wanted
    wanted = list(wanted) if isinstance(wanted, Iterable) else [wanted]
    if not all(isinstance(name, str) for name in wanted):
        raise TypeError(
            "`features` must be paths of features, such as ['label']; got "
            f"{listed(wanted)}; there are {_described(known)}."
        )
    if not wanted:
        raise ValueError(
            "`features` must name at least one feature, or be left out for all labels; "
            f"got none; there are {_described(known)}."
        )
    return _named_leaves(known, wanted, with_numbers)


def _is_small(leaf: Leaf) -> bool:
    """Whether an array of numbers is a value rather than a signal."""
    return leaf.kind is not Kind.NUMBERS or not leaf.fixed_shape


def _named_leaves(
    known: list[Leaf], wanted: list[str], with_numbers: bool
) -> list[Leaf]:
    """The features of the names; the name of a dict stands for all labels in it."""
    chosen: dict[str, Leaf] = {}
    for name in wanted:
        exact = [leaf for leaf in known if leaf.path == name]
        inside = [leaf for leaf in known if leaf.path.startswith(f"{name}/")]
        labels = {Kind.CLASSES, Kind.FLAGS, Kind.MAP}
        labels |= {Kind.NUMBERS} if with_numbers else set()
        found = exact or [leaf for leaf in inside if leaf.kind in labels]
        if not found:
            alike = get_close_matches(name, [leaf.path for leaf in known], n=3)
            cure = f"; did you mean {listed(alike)}?" if alike else "."
            raise ValueError(
                f"`features` must name features of the data set; got {name!r}; it has "
                f"{_described(known)}{cure}"
            )
        chosen.update((leaf.path, _usable(leaf, with_numbers)) for leaf in found)
    return list(chosen.values())


def _usable(leaf: Leaf, with_numbers: bool) -> Leaf:
    """A feature named by the user, as what it can be; an error if it can be nothing."""
    if leaf.kind is Kind.IMAGE and np.dtype(leaf.feature.np_dtype).kind in "iu":
        return leaf._replace(kind=Kind.MAP)
    if leaf.kind is Kind.NUMBERS and not with_numbers:
        raise ValueError(
            f"`features` names {leaf.path!r}, which holds numbers: give `quantiles`, "
            "such as quantiles=4, to cut them."
        )
    if leaf.kind in (Kind.OTHER, Kind.IMAGE):
        raise ValueError(
            f"`features` names {leaf.path!r}, a {type(leaf.feature).__name__}, of "
            "which no concepts can be made."
        )
    return leaf


def _described(known: list[Leaf]) -> str:
    """The features and their kinds, for a message."""
    shown = [f"{leaf.path!r} ({leaf.kind.value})" for leaf in known[:20]]
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    return (", ".join(shown) or "no features") + more
