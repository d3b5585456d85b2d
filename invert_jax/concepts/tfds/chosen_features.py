"""Which features of a TFDS data set become concepts."""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import partial
from typing import Any

import numpy as np

from invert_jax.checks import listed
from invert_jax.datasets.tfds.features import Kind, Leaf, leaves


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
        chosen = [
            leaf
            for leaf in known
            if leaf.kind in kinds and _is_small(leaf) and not says_absence(leaf)
        ]
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


def says_absence(leaf: Leaf) -> bool:
    """Whether a feature lists classes that are not there, or may be, as LVIS has it.

    `neg_category_ids` are verified to be absent, and of `not_exhaustive_category_ids`
    not all objects are annotated.
    """
    return verifies_absence(leaf) or _is_list(leaf, {"not", "exhaustive"})


def verifies_absence(leaf: Leaf) -> bool:
    """Whether a feature lists classes that were verified to be absent."""
    return any(map(partial(_is_list, leaf), ({"neg"}, {"negative"}, {"negatives"},
                                             {"absent"})))  # fmt: skip


def _is_list(leaf: Leaf, words: set[str]) -> bool:
    """Whether a feature is a list of classes that has such words in its path."""
    of_path = {word for key in leaf.keys for word in key.lower().split("_")}
    return leaf.kind is Kind.CLASSES and bool(leaf.lengths) and words <= of_path


def confidence_of(leaf: Leaf, known: Iterable[Leaf]) -> Leaf | None:
    """The feature beside a list that says how sure each item is, if any does."""
    others = [each for each in known if each.path != leaf.path]
    for each in others if leaf.lengths else ():
        is_beside = each.keys[:-1] == leaf.keys[:-1] and each.lengths == leaf.lengths
        is_plain = each.kind is Kind.NUMBERS and not each.feature.shape
        if (
            is_beside
            and is_plain
            and each.path != leaf.path
            and each.keys[-1] in ("confidence", "score")
        ):
            return each
    return None


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
        found = exact or [
            leaf for leaf in inside if leaf.kind in labels and not says_absence(leaf)
        ]
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
    if says_absence(leaf):
        raise ValueError(
            f"`features` names {leaf.path!r}, which lists classes that are absent or "
            "not fully annotated; of what is not there no concepts are made."
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
