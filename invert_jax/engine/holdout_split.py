"""Which samples to search on, and which to hold out for judging what was found."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import ArrayLike

from invert_jax.checks import check_share
from invert_jax.concepts.table import Concepts
from invert_jax.core.randomness import Key, draw_generator, seed_of
from invert_jax.core.statistics import delong
from invert_jax.plain_arrays import plain_array
from invert_jax.settings import SearchSettings

FEWEST = delong.FEWEST
# Keeps the split apart from what other random choices make of the same key.
PURPOSE = 1


@dataclass(frozen=True)
class Split:
    """The samples to search on and those to report on.

    Attributes:
        searched: Indices of the samples to search on, increasing.
        reported: Indices of the others that count, increasing.
        concepts: The concepts of those to report on.
    """

    searched: Int[np.ndarray, " searched"]
    reported: Int[np.ndarray, " reported"]
    concepts: Concepts


def split_samples(
    concepts: Concepts,
    samples: Int[np.ndarray, " kept"] | None,
    *,
    holdout: float | None,
    key: Key | None,
    groups: ArrayLike | None,
) -> Split | None:
    """Which samples to search on and which to report on; None if all are searched.

    Args:
        concepts: Of all samples.
        samples: Those that count; None for all.
        holdout: Share of them to report on, in (0, 1); None for none.
        key: What decides, from `jax.random.key`, or a whole number.
        groups: [samples]; samples of one group stay together. None for none.
    """
    if holdout is None:
        for name, value in (("key", key), ("groups", groups)):
            if value is not None:
                raise ValueError(f"`{name}` is for `holdout`, which was not given.")
        return None
    check_share("holdout", holdout)
    if key is None:
        raise ValueError("`holdout` needs a `key` to draw samples; key=0 will do.")
    kept = np.arange(concepts.num_samples) if samples is None else samples
    group = _checked_groups(groups, concepts.num_samples, concepts.ids)[kept]
    _, group = np.unique(group, return_inverse=True)
    is_reported = _drawn_groups(group, float(holdout), seed_of(key))[group]
    reported = kept[is_reported]
    return Split(kept[~is_reported], reported, concepts.take(reported))


def check_enough(
    searched: Concepts, split: Split, settings: SearchSettings, counted: Concepts
) -> None:
    """Refuse a split after which no concept could be both searched and judged.

    Args:
        searched: The concepts of the samples to search on.
        split: The samples.
        settings: With the bounds.
        counted: The concepts of all samples that count.
    """
    num_searched, num_held_out = searched.num_samples, len(split.reported)
    of_all = f"of the {num_searched + num_held_out} samples"
    if num_searched < FEWEST:
        raise ValueError(
            f"`holdout` must leave at least {FEWEST} samples to search on; it leaves "
            f"{num_searched} {of_all}. Hold out fewer."
        )
    within = _within_bounds(searched, settings)
    if not within.any() and _within_bounds(counted, settings).any():
        raise ValueError(
            "`holdout` must leave samples to search on in which some concept is within "
            f"the bounds; in the {num_searched} that it leaves {of_all} none is, while "
            "in all of them some is. Hold out fewer, or widen `min_fraction` and "
            "`max_fraction`."
        )
    held_out = split.concepts.num_positives
    fewer = np.minimum(held_out, split.concepts.num_samples - held_out)
    if (within & (fewer >= FEWEST)).any() or not within.any():
        return
    raise ValueError(
        f"`holdout` must leave at least {FEWEST} positives of some concept; the "
        f"{num_held_out} held out {of_all} have at most {fewer[within].max()} of any "
        "that can be searched. Hold out more, or ask for larger supports by "
        "`min_fraction`."
    )


def _within_bounds(
    concepts: Concepts, settings: SearchSettings
) -> Bool[np.ndarray, " concepts"]:
    """Whether each concept or its negation can be answered."""
    smallest, largest = settings.bounds(concepts.num_samples)
    within = np.zeros(concepts.num_concepts, bool)
    counts = concepts.num_positives
    for count in (counts, concepts.num_samples - counts):
        within |= (count >= smallest) & (count <= largest)
    return within


def _drawn_groups(
    group: Int[np.ndarray, " kept"], share: float, seed: tuple[int, ...]
) -> Bool[np.ndarray, " groups"]:
    """Which groups to hold out: in random order, until they come nearest the share."""
    sizes = np.bincount(group)
    if len(sizes) < 2:
        raise ValueError(
            "`groups` must have at least 2 groups among the samples that count, one "
            f"for each side of `holdout`; got {len(sizes)}."
        )
    order = draw_generator((*seed, PURPOSE), 0).permutation(len(sizes))
    filled = np.cumsum(sizes[order])[:-1]
    count = 1 + int(np.argmin(np.abs(filled - share * len(group))))
    is_drawn = np.zeros(len(sizes), bool)
    is_drawn[order[:count]] = True
    return is_drawn


def _checked_groups(
    groups: ArrayLike | None, num_samples: int, ids: np.ndarray | None
) -> np.ndarray:
    """The group of each sample; each its own if there are none."""
    if groups is None:
        return np.arange(num_samples)
    values = plain_array("groups", groups, ids=ids)
    if values.dtype.kind in "OT":
        values = _checked_objects(values.astype(object))
    if values.dtype.kind not in "iuUSb":
        raise TypeError(
            f"`groups` must be whole numbers or strings; got dtype {values.dtype}."
        )
    if values.shape != (num_samples,):
        raise ValueError(
            f"`groups` must hold one group for each of the {num_samples} samples; got "
            f"shape {values.shape}."
        )
    return values


def _checked_objects(values: np.ndarray) -> np.ndarray:
    """Objects, as of a pandas column, that are all strings or all whole numbers."""
    kinds = {type(value) for value in values.ravel().tolist()}
    if kinds and all(issubclass(kind, str) for kind in kinds):
        return values.astype(str)
    if kinds and all(issubclass(kind, int | np.integer) for kind in kinds):
        return values.astype(np.int64)
    others = ", ".join(sorted(kind.__name__ for kind in kinds)) or "nothing"
    raise TypeError(
        "`groups` must be whole numbers or strings, all of one kind and none missing; "
        f"got objects of type {others}."
    )
