"""What is known of how far labels can be trusted, as arrays; None where it is not."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from invert_jax.explanations import Explanations


class Evidence(NamedTuple):
    """Significance and held-out scores of the best formula of each neuron.

    Attributes:
        q_value: Share of false labels among those that are at least as good.
        p_search: P-value of the best score, valid after the search.
        alpha: Largest q-value of a label.
        num_draws: Meaningless neurons that the null was drawn from.
        held_out: Score on samples that the search has not seen.
        interval: Its 95 % interval.
        num_held_out: Samples held out.
        is_alternative: Which formulas of the beam are no worse on those samples.
        worth: Held-out score of the best formula without each literal.
    """

    q_value: Float[np.ndarray, " neurons"] | None = None
    p_search: Float[np.ndarray, " neurons"] | None = None
    alpha: float | None = None
    num_draws: int | None = None
    held_out: Float[np.ndarray, " neurons"] | None = None
    interval: Float[np.ndarray, "neurons 2"] | None = None
    num_held_out: int | None = None
    is_alternative: Bool[np.ndarray, "neurons beam"] | None = None
    worth: Float[np.ndarray, "neurons length"] | None = None
    num_positives: Int[np.ndarray, " neurons"] | None = None


def evidence_of(explanations: Explanations) -> Evidence:
    """What `with_null` and a held-out part say of the best formulas."""
    significance = getattr(explanations, "significance", None)
    if significance is None:
        return Evidence()
    return Evidence(
        q_value=significance.q_value[:, -1],
        p_search=significance.p_search[:, -1],
        alpha=significance.alpha,
        num_draws=significance.num_draws,
    )
