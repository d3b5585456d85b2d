"""What a null says of explanations: p-values valid after the search, and q-values."""

import dataclasses
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

ARRAYS = ("p_search", "q_value", "log10_extrapolated")


@dataclass(frozen=True, eq=False)
class Significance:
    """How likely the best formula of each neuron is by chance, after each step.

    Attributes:
        p_search: (1 + draws that reach the score) / (1 + draws); nan without a formula.
        q_value: The same by Benjamini and Hochberg over the neurons [1].
        log10_extrapolated: Where no draw reaches the score, the decimal logarithm of a
            p-value from the fitted tail of the draws, and the bounds of its 95 %
            interval; nan elsewhere, and where no tail can be fitted.
        alpha: Share of false labels accepted among those not called chance.
        num_draws: Meaningless neurons per tie pattern.
        num_neurons: Neurons over which the q-values are.

    References:
        [1] Benjamini and Hochberg, "Controlling the false discovery rate", Journal of
        the Royal Statistical Society B 57, 1995.
    """

    p_search: Float[np.ndarray, "neurons steps"]
    q_value: Float[np.ndarray, "neurons steps"]
    log10_extrapolated: Float[np.ndarray, "neurons steps 3"]
    alpha: float
    num_draws: int
    num_neurons: int

    def take(self, positions: np.ndarray) -> "Significance":
        """That of some neurons; q-values stay those over all."""
        return self._map(lambda values: values[positions])

    def at_length(self, length: int) -> "Significance":
        """That of the steps up to `length`."""
        return self._map(lambda values: values[:, :length])

    def with_labels(self, lengths: Int[np.ndarray, " neurons"]) -> "Significance":
        """The same with one more step, that of another step for each neuron.

        Raises:
            ValueError: Some of the neurons that were tested are not here.
        """
        if len(lengths) != self.num_neurons:
            raise ValueError(
                "`simplest` must come before `take` where there is a null: q-values "
                f"are over all {self.num_neurons} neurons, and {len(lengths)} are "
                "left. labels.simplest().take(...) is right."
            )
        at = np.arange(len(lengths)), lengths - 1
        found = self._map(lambda values: np.append(values, values[at][:, None], 1))
        found.q_value[:, -1] = q_values(found.p_search[:, -1])
        return found

    def _map(self, change) -> "Significance":
        changed = {name: change(getattr(self, name)) for name in ARRAYS}
        return dataclasses.replace(self, **changed)


def q_values(p_values: Float[np.ndarray, " neurons"]) -> Float[np.ndarray, " neurons"]:
    """Benjamini-Hochberg q-values of those that are not nan; nan elsewhere.

    >>> q_values(np.array([0.01, np.nan, 0.04])).tolist()
    [0.02, nan, 0.04]
    """
    from scipy import stats

    found = ~np.isnan(p_values)
    result = np.full(len(p_values), np.nan)
    if found.any():
        result[found] = stats.false_discovery_control(p_values[found])
    return result
