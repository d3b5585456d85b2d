"""A layer at a glance: how many units have labels, and how far those can be trusted."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.lookups import literal_uses, searched_columns
from invert_jax.explanations.record import LABELED

QUARTILES = (0.25, 0.5, 0.75)


class Summary(NamedTuple):
    """A layer at a glance.

    Attributes:
        num_by_status: Number of neurons of each status, most frequent first.
        uses: For each concept the labels that use it as it is, and negated.
        quartiles: Of the best score over labeled neurons, after each length.
        mean_score: Its mean, after each length.
        num_by_length: Labels of 1 literal, of 2, ...
        undetected: Concepts that were searched and that no label uses as they are.
    """

    num_by_status: dict[str, int]
    uses: Int[np.ndarray, "concepts 2"]
    quartiles: Float[np.ndarray, "steps 3"]
    mean_score: Float[np.ndarray, " steps"]
    num_by_length: Int[np.ndarray, " steps"]
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
    steps = range(1, explanations.max_length + 1)
    scores = [explanations.at_length(step).scores[labeled, 0] for step in steps]
    return Summary(
        num_by_status={str(names[i]): int(counts[i]) for i in order},
        uses=uses,
        quartiles=np.array([_quantiles(each) for each in scores]),
        mean_score=np.array([_mean(each) for each in scores]),
        num_by_length=np.bincount(lengths, minlength=explanations.max_length + 1)[1:],
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


class Evidence(NamedTuple):
    """Significance and held-out scores of the best formula of each neuron.

    Attributes:
        q_value: Share of false labels among those that are at least as good.
        alpha: Largest q-value of a label.
        num_draws: Meaningless neurons that the null was drawn from.
        held_out: Score on samples that the search has not seen.
        interval: Its 95 % interval.
        num_held_out: Samples held out.
        support: Held-out samples where the formula holds.
        is_alternative: Which formulas of the beam are no worse on those samples.
        without: Held-out score of the best formula without each literal.
    """

    q_value: Float[np.ndarray, " neurons"] | None = None
    alpha: float | None = None
    num_draws: int | None = None
    held_out: Float[np.ndarray, " neurons"] | None = None
    interval: Float[np.ndarray, "neurons 2"] | None = None
    num_held_out: int | None = None
    support: Int[np.ndarray, " neurons"] | None = None
    is_alternative: Bool[np.ndarray, "neurons beam"] | None = None
    without: Float[np.ndarray, "neurons length"] | None = None


def evidence_of(explanations: Explanations) -> Evidence:
    """What `with_null` and held-out samples say of the best formulas."""
    evidence = Evidence()
    significance, held_out = explanations.significance, explanations.held_out
    if significance is not None:
        evidence = evidence._replace(
            q_value=explanations.q_value,
            alpha=significance.alpha,
            num_draws=significance.num_draws,
        )
    if held_out is not None:
        evidence = evidence._replace(
            held_out=held_out.scores[:, 0],
            interval=held_out.intervals[:, 0],
            num_held_out=held_out.num_samples,
            support=held_out.num_positives[:, 0],
            is_alternative=held_out.is_alternative,
            without=held_out.scores_without,
        )
    return evidence
