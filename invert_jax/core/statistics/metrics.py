"""How well an activation agrees with a label, by all that the field measures.

Most of it follows from where the positives stand among the samples, the highest first:
how many samples lie before each, and how many through the last that ties with it. The
samples are sorted once for all labels; a label costs as much as it has positives.

Sources: average precision and F1 as scikit-learn defines them; precision at the top and
R-precision with ties as expectations over their order [1]; IoU at a top quantile as
Network Dissection [2]; the AUC in which the binarized neuron is the label, and the
harmonic mean of both, from [3]; MAD from [4].

[1] McSherry and Najork, "Computing information retrieval performance measures
efficiently in the presence of tied scores", ECIR 2008. [2] Bau et al., "Network
dissection", CVPR 2017. [3] Oikarinen, Yan and Weng, "Evaluating neuron explanations: a
unified framework with sanity checks", ICML 2025. [4] Kopf et al., "CoSy: evaluating
textual explanations of neurons", NeurIPS 2024.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt

from invert_jax.core import ranking


class Order(NamedTuple):
    """How the samples of a neuron compare.

    Attributes:
        keys: Of each sample; the first one's is smallest, tied ones have the same.
        ordered: The same, sorted.
    """

    keys: UInt[np.ndarray, " samples"]
    ordered: UInt[np.ndarray, " samples"]


def order_of(
    activations: Shaped[np.ndarray, " samples"], *, lowest_first: bool = False
) -> Order:
    """The order of the samples by falling activation, or by rising.

    >>> order_of(np.array([1.0, 3.0], np.float16)).keys.argsort().tolist()
    [1, 0]
    """
    keys = ranking.sort_keys(activations)
    keys = keys if lowest_first else ~keys
    return Order(keys, np.sort(keys))


class Places(NamedTuple):
    """Where the positives of a label stand, the first one first.

    Attributes:
        keys: As in the order.
        before: How many samples come before each, of those not tied with it.
        through: How many there are through the last that is tied with it.
        num_samples: Samples in all.
    """

    keys: UInt[np.ndarray, " positives"]
    before: Int[np.ndarray, " positives"]
    through: Int[np.ndarray, " positives"]
    num_samples: int

    @property
    def midranks(self) -> Int[np.ndarray, " positives"]:
        """Centered doubled midranks, of which the first sample has the least.

        >>> places_of(order_of(np.array([3.0, 2.0, 1.0])), np.array([2])).midranks
        array([2])
        """
        return self.before + self.through - self.num_samples


def places_of(order: Order, positives: Int[np.ndarray, " positives"]) -> Places:
    """Where some samples stand.

    >>> order = order_of(np.array([5.0, 2.0, 2.0]))
    >>> places = places_of(order, np.array([1, 0]))
    >>> places.before.tolist(), places.through.tolist()
    ([0, 1], [1, 3])
    """
    keys = np.sort(order.keys[positives])
    return Places(keys, *_bounds(order, keys), len(order.keys))


def midranks_of(
    order: Order, samples: Int[np.ndarray, " some"]
) -> Int[np.ndarray, " some"]:
    """Centered doubled midranks of some samples, of which the first has the least.

    >>> midranks_of(order_of(np.array([3.0, 2.0, 1.0])), np.array([2, 0]))
    array([ 2, -2])
    """
    before, through = _bounds(order, order.keys[samples])
    return before + through - len(order.keys)


def average_precision(places: Places) -> float:
    """Mean over the positives of the precision down to each; tied ones at once.

    That of `sklearn.metrics.average_precision_score`, in (0, 1]; nan without positives.

    >>> average_precision(places_of(order_of(np.array([3.0, 2.0])), np.array([1])))
    0.5
    """
    if not len(places.keys):
        return np.nan
    return float((_found(places) / places.through).mean())


def precision_at(places: Places, count: int) -> float:
    """Share of the first samples on which the label holds, expected over ties.

    All samples before the tie at the cut count, and of the tied ones their share.

    Args:
        places: Of the positives.
        count: How many samples are first; of fewer samples all.

    Returns:
        In [0, 1]; nan where the count is 0.

    >>> tied = order_of(np.array([2.0, 1.0, 1.0]))
    >>> precision_at(places_of(tied, np.array([0, 1])), 2)
    0.75
    """
    count = min(count, places.num_samples)
    tied = places.through - places.before
    shares = ((count - places.before) / tied).clip(0, 1)
    return _quotient(float(shares.sum()), count)


def spearman(places: Places, tie_sum: float) -> float:
    """Spearman's correlation of the label with coming first; nan if constant.

    Args:
        places: Of the positives.
        tie_sum: Sum of t**3 - t over the groups of t tied samples, from `tie_sum_of`.

    >>> order = order_of(np.array([3.0, 1.0, 0.0]))
    >>> round(spearman(places_of(order, np.array([0])), tie_sum_of(order)), 3)
    0.866
    """
    positives, num_samples = len(places.keys), places.num_samples
    squares = (float(num_samples) ** 3 - num_samples - tie_sum) / 3
    of_mask = positives * (num_samples - positives) / num_samples
    found = _quotient(-float(places.midranks.sum()), float(np.sqrt(squares * of_mask)))
    return float(np.clip(found, -1, 1))


def tie_sum_of(order: Order) -> float:
    """Sum of t**3 - t over the groups of t tied samples.

    >>> tie_sum_of(order_of(np.array([3.0, 3.0, 0.0])))
    6.0
    """
    differs = order.ordered[1:] != order.ordered[:-1]
    if differs.all():
        return 0.0
    ends = np.append(np.flatnonzero(differs) + 1, len(order.ordered))
    return ranking.tie_sum(np.diff(ends, prepend=0))


class Moments(NamedTuple):
    """What means and squares say of an activation and a label.

    Attributes:
        pearson: Pearson's correlation; nan where either is constant.
        cosine: Cosine of the angle between activation and mask, not centered; nan
            where either is all zero.
        mad: (mean inside - mean outside) / standard deviation outside, as of a
            population; nan where that is 0 and where a class is empty.
    """

    pearson: float
    cosine: float
    mad: float


def moments(
    values: Float[np.ndarray, " samples"], mask: Bool[np.ndarray, " samples"]
) -> Moments:
    """Pearson's correlation, the cosine, and the distance of the means.

    Args:
        values: The activation; whatever its scale, squares stay finite.
        mask: Where the label holds.

    >>> found = moments(np.array([3.0, 1.0, 0.0]), np.array([True, False, False]))
    >>> [round(value, 3) for value in found]
    [0.945, 0.949, 5.0]
    """
    # None of these depends on the scale.
    values = values / (max(-values.min(), values.max()) or 1.0)
    inside, outside = values[mask], values[~mask]
    norm = np.sqrt(np.square(values).sum() * len(inside))
    cosine = float(np.clip(_quotient(inside.sum(), norm), -1, 1))
    if not (len(inside) and len(outside)):
        return Moments(np.nan, cosine, np.nan)
    apart = inside.mean() - outside.mean()
    balance = np.sqrt(len(inside) * len(outside)) / len(values)
    pearson = _quotient(apart * balance, _deviation(values))
    return Moments(
        float(np.clip(pearson, -1, 1)),
        cosine,
        _quotient(apart, _deviation(outside)),
    )


def best_f1_place(places: Places) -> int:
    """The positive down to which "the label holds" has the largest F1; the first such.

    >>> order = order_of(np.array([3.0, 2.0, 1.0]))
    >>> best_f1_place(places_of(order, np.array([0, 1])))
    1
    """
    return int(np.argmax(_found(places) / (places.through + len(places.keys))))


class TopSet(NamedTuple):
    """What a set of the first samples has in common with a label.

    Attributes:
        f1: 2 |both| / (|set| + |label|); nan where both are empty.
        iou: |both| / |either|; nan where both are empty.
        balanced_accuracy: Mean of the shares of positives in the set and of negatives
            outside it; nan where a class is empty.
        other_way_auc: AUROC of the mask for the set: the same mean with set and label
            in each other's place; nan where the set is empty or everything.
    """

    f1: float
    iou: float
    balanced_accuracy: float
    other_way_auc: float


def top_set(places: Places, size: int) -> TopSet:
    """How the set of the first samples agrees with a label.

    Args:
        places: Of the positives.
        size: Samples in the set, which no tie crosses.

    >>> order = order_of(np.array([3.0, 2.0, 1.0]))
    >>> [round(value, 3) for value in top_set(places_of(order, np.array([0, 1])), 1)]
    [0.667, 0.5, 0.75, 0.75]
    """
    positives, num_samples = len(places.keys), places.num_samples
    both = int(np.searchsorted(places.before, size))
    neither = num_samples - size - positives + both
    return TopSet(
        f1=_quotient(2 * both, size + positives),
        iou=_quotient(both, size + positives - both),
        balanced_accuracy=_quotient(both, positives) / 2
        + _quotient(neither, num_samples - positives) / 2,
        other_way_auc=_quotient(both, size) / 2
        + _quotient(neither, num_samples - size) / 2,
    )


def size_of_top(order: Order, share: float) -> int:
    """How many samples lie strictly above the lowest threshold that leaves so few.

    Args:
        order: Of the samples.
        share: Largest share of the samples above the threshold, below 1.

    >>> size_of_top(order_of(np.array([3.0, 2.0, 2.0])), 0.5)
    1
    """
    num_samples = len(order.ordered)
    most = int(share * num_samples) + 1
    while most / num_samples > share:
        most -= 1
    return int(np.searchsorted(order.ordered, order.ordered[most]))


def harmonic_mean(one: float, other: float) -> float:
    """2 a b / (a + b); nan where both are 0."""
    return _quotient(2 * one * other, one + other)


def _bounds(
    order: Order, keys: UInt[np.ndarray, " some"]
) -> tuple[Int[np.ndarray, " some"], Int[np.ndarray, " some"]]:
    """How many samples come before the ties of each, and how many through them."""
    before = np.searchsorted(order.ordered, keys)
    # Most are tied with nothing: to look there is cheaper than to search again.
    through = before + 1
    is_tied = order.ordered.take(through, mode="clip") == keys
    is_tied &= through < len(order.ordered)
    through[is_tied] = np.searchsorted(order.ordered, keys[is_tied], "right")
    return before, through


def _found(places: Places) -> Int[np.ndarray, " positives"]:
    """How many positives there are through the last that is tied with each."""
    return np.searchsorted(places.through, places.through, "right")


def _deviation(values: Float[np.ndarray, " samples"]) -> float:
    """Standard deviation, as of a population; 0 exactly where all are the same."""
    return 0.0 if values.min() == values.max() else float(values.std())


def _quotient(numerator: float | int, denominator: float | int) -> float:
    """A quotient; nan where the denominator is 0."""
    return float(numerator / denominator) if denominator != 0 else np.nan
