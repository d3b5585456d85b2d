"""A layer at a glance: how many units have labels, and what those name."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.lookups import literal_uses, searched_columns
from invert_jax.explanations.record import LABELED
from invert_jax.explanations.shares import have_kinds, shares_of

QUARTILES = (0.25, 0.5, 0.75)


class Summary(NamedTuple):
    """A layer at a glance.

    Attributes:
        num_by_status: Number of neurons of each status, most frequent first.
        uses: For each concept the labels that use it as it is, and negated.
        quartiles: Of the best score over labeled neurons, after each length; on
            held-out samples where there are any.
        mean_score: Its mean, after each length.
        num_by_length: Labels of 1 literal, of 2, ...
        num_by_kinds: Labels by the kinds of their concepts, such as "shape"; none
            where names tell no kinds.
        undetected: Concepts that were searched and that no label uses as they are.
    """

    num_by_status: dict[str, int]
    uses: Int[np.ndarray, "concepts 2"]
    quartiles: Float[np.ndarray, "steps 3"]
    mean_score: Float[np.ndarray, " steps"]
    num_by_length: Int[np.ndarray, " steps"]
    num_by_kinds: dict[str, int]
    undetected: tuple[str, ...]


def summary_of(explanations: Explanations) -> Summary:
    """What the labels of a layer say together.

    Chance and missing labels count in `num_by_status` alone.
    """
    labeled = explanations.status == LABELED
    names, counts = np.unique(explanations.status, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    lengths = explanations.lengths[labeled, -1, 0]
    uses = literal_uses(explanations, np.flatnonzero(labeled))
    searched = searched_columns(explanations)
    held_out = explanations.held_out
    by_length = explanations.scores_by_length
    if held_out is not None:
        by_length = held_out.scores_by_length
    scores = by_length[labeled].T
    return Summary(
        num_by_status={str(names[i]): int(counts[i]) for i in order},
        uses=uses,
        quartiles=np.array([_quantiles(each) for each in scores]),
        mean_score=np.array([_mean(each) for each in scores]),
        num_by_length=np.bincount(lengths, minlength=explanations.max_length + 1)[1:],
        num_by_kinds=shares_of(explanations).num_labels
        if have_kinds(explanations)
        else {},
        undetected=tuple(
            explanations.concept_names[column]
            for column in searched
            if uses[column, 0] == 0
        ),
    )


def _quantiles(values: Float[np.ndarray, " neurons"]) -> list[float]:
    found = values[~np.isnan(values)]
    return np.quantile(found, QUARTILES).tolist() if len(found) else [np.nan] * 3


def _mean(values: Float[np.ndarray, " neurons"]) -> float:
    found = values[~np.isnan(values)]
    return float(found.mean()) if len(found) else float("nan")
