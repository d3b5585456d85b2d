"""Which labels of two sets belong together, and what became of each."""

import numpy as np
from jaxtyping import Float, Int

from invert_jax.analyses.overlaps import Supports
from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.lookups import are_equivalent, is_label

KEPT, CHANGED, LOST, GAINED = "kept", "changed", "lost", "gained"
UNLABELED, ONLY_A, ONLY_B = "unlabeled", "only in a", "only in b"
OUTCOMES = (KEPT, CHANGED, LOST, GAINED, UNLABELED, ONLY_A, ONLY_B)


def check_signs(a: Explanations, b: Explanations) -> None:
    """Refuse labels of what neurons are high for beside those of what for low."""
    signs = a.settings.sign, b.settings.sign
    if signs[0] != signs[1]:
        raise ValueError(
            "`a` and `b` must be explained with the same `sign`, since equal labels of "
            f"different signs say opposite things; got {signs[0]} and {signs[1]}. "
            f'Explain one of them again: explain(..., sign="{signs[0]}").'
        )


def pairs_by_neuron(
    a: Explanations, b: Explanations
) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]:
    """Positions of the neurons of the same index; -1 where one side has none."""
    neurons = np.union1d(a.neurons, b.neurons)
    if len(neurons) and len(neurons) == len(a) + len(b):
        raise ValueError(
            '`match="neuron"` needs neurons that both have, by index; got none. '
            '`match="overlap"` matches neurons of different layers.'
        )
    sides = []
    for each in (a, b):
        positions = np.full(len(neurons), -1)
        positions[np.searchsorted(neurons, each.neurons)] = np.arange(len(each))
        sides.append(positions)
    return sides[0], sides[1]


def pairs_by_overlap(
    a: Explanations, b: Explanations, supports: Supports
) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]:
    """For each label of `a` the most similar of `b`, and for those of `b` left of `a`.

    -1 where every overlap is 0.
    """
    first, others = np.flatnonzero(is_label(a)), np.flatnonzero(is_label(b))
    second = _most_similar(supports, first, others)
    left = np.setdiff1d(others, second)
    of_left = _most_similar(supports.turned, left, first)
    return np.append(first, of_left), np.append(second, left)


def _most_similar(
    supports: Supports,
    first: Int[np.ndarray, " labels"],
    others: Int[np.ndarray, " others"],
) -> Int[np.ndarray, " labels"]:
    """For each of `first` that of `others` of largest overlap; -1 where all are 0."""
    if not len(first) or not len(others):
        return np.full(len(first), -1)
    places, overlap = supports.best_of_second(first, others)
    return np.where(overlap > 0, others[places], -1)


def outcomes_of(
    a: Explanations,
    b: Explanations,
    first: Int[np.ndarray, " pairs"],
    second: Int[np.ndarray, " pairs"],
    overlap: Float[np.ndarray, " pairs"],
) -> np.ndarray:
    """What became of each label."""
    labeled_a = np.append(is_label(a), False)[first]
    labeled_b = np.append(is_label(b), False)[second]
    outcome = np.select(
        [labeled_a & labeled_b, labeled_a & (second >= 0), labeled_b & (first >= 0)],
        [CHANGED, LOST, GAINED],
        UNLABELED,
    ).astype(object)
    outcome[second < 0] = ONLY_A
    outcome[first < 0] = ONLY_B
    outcome[(outcome == CHANGED) & (overlap == 1)] = KEPT
    # Names can mean other things in another table: they count where nothing else does.
    for pair in np.flatnonzero((outcome == CHANGED) & np.isnan(overlap)):
        one = a.formula(int(first[pair]))
        other = b.formula(int(second[pair]))
        assert one is not None and other is not None
        if are_equivalent(one, other):
            outcome[pair] = KEPT
    return outcome.astype(str)
