"""What is known of how far labels can be trusted, as arrays; None where it is not."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from invert_jax.explanations import Explanations


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
