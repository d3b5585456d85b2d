"""What held-out samples say of explanations that were searched for on others."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from invert_jax.core.objectives.auroc import auroc_score
from invert_jax.core.statistics.delong import QUANTILE, logit_interval
from invert_jax.core.statistics.mannwhitney import (
    log10_mannwhitney,
    log10_mannwhitney_greater,
)

# Below so many samples of a kind an interval covers less than it says.
FEW = 10
OF_SLOTS = ("sums", "supports", "variances")
OF_NEURONS = ("tie_sums", "sums_without", "supports_without", "num_active")
# Of these, what has a row for each step and a column for each literal.
OF_STEPS = ("sums_without", "supports_without")


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The formulas of a search on samples that had no part in it.

    What the properties show is the beam after the last step.

    Attributes:
        samples: Indices of the held-out samples.
        sums: int64; sum of the objective's weights over each support.
        supports: int64; number of held-out samples where each formula holds.
        variances: DeLong's variance of each score; nan below 2 positives or negatives.
        differences: The same of the score minus that of the best formula after each
            step up to its own; nan after later ones.
        tie_sums: Sum of t**3 - t over the groups of t tied samples.
        sums_without: Sums of the best formula without each of its literals.
        supports_without: Supports of the same; 0 where there is no such formula.
        num_active: int64; held-out samples above the lowest activation there.
        sign: "positive" or "negative", as searched for.
    """

    samples: Int[np.ndarray, " reported"]
    sums: Int[np.ndarray, "neurons steps beam"]
    supports: Int[np.ndarray, "neurons steps beam"]
    variances: Float[np.ndarray, "neurons steps beam"]
    differences: Float[np.ndarray, "neurons steps beam steps"]
    tie_sums: Float[np.ndarray, " neurons"]
    sums_without: Int[np.ndarray, "neurons steps length"]
    supports_without: Int[np.ndarray, "neurons steps length"]
    num_active: Int[np.ndarray, " neurons"]
    sign: str = "positive"

    @property
    def num_samples(self) -> int:
        """Number of held-out samples."""
        return len(self.samples)

    @property
    def num_positives(self) -> Int[np.ndarray, "neurons beam"]:
        """Number of held-out samples where each formula holds."""
        return self.supports[:, -1]

    @cached_property
    def scores(self) -> Float[np.ndarray, "neurons beam"]:
        """AUROC on the held-out samples; nan where empty or without both classes."""
        return auroc_score(
            self.sums[:, -1], self.num_positives, num_samples=self.num_samples
        )

    @cached_property
    def scores_by_length(self) -> Float[np.ndarray, "neurons max_length"]:
        """The same of the best formula of at most 1, 2, ... literals, as searched."""
        max_length = self.sums_without.shape[2]
        best = self.sums[:, :max_length, 0], self.supports[:, :max_length, 0]
        return auroc_score(*best, num_samples=self.num_samples)

    @cached_property
    def intervals(self) -> Float[np.ndarray, "neurons beam 2"]:
        """95 % interval of each score: DeLong's, symmetric on the logit scale.

        nan below 2 positives or negatives, at scores of 0 and 1, and where the
        activations are all tied. On few samples it covers less often; see `notes`.
        """
        return logit_interval(self.scores, self.variances[:, -1])

    @cached_property
    def log10_p(self) -> Float[np.ndarray, "neurons beam"]:
        """Decimal logarithm of the two-sided Mann-Whitney p-value; nan as the scores.

        Valid as it is for a formula chosen without these samples.
        """
        return log10_mannwhitney(
            self.sums[:, -1],
            self.num_positives,
            self.tie_sums[:, None],
            num_samples=self.num_samples,
        )

    @cached_property
    def log10_p_one_sided(self) -> Float[np.ndarray, "neurons beam"]:
        """The same of the one-sided p-value, towards what was searched for.

        That positives are higher; for sign "negative", lower.
        """
        sums = self.sums[:, -1]
        return log10_mannwhitney_greater(
            -sums if self.sign == "negative" else sums,
            self.num_positives,
            self.tie_sums[:, None],
            num_samples=self.num_samples,
        )

    @cached_property
    def is_alternative(self) -> Bool[np.ndarray, "neurons beam"]:
        """Formulas other than the best that are not shown to be worse than it.

        Those whose score is below that of rank 0 by no more than the 95 % interval of
        the paired difference. None where the activations are all tied, nor where the
        difference has no variance though the supports differ: nothing is shown there.
        """
        worse = self.scores[:, :1] - self.scores
        worse = -worse if self.sign == "negative" else worse
        differences, supports = self.differences[:, -1, :, -1], self.num_positives
        within = worse <= QUANTILE * np.sqrt(differences)
        within &= (differences > 0) | (supports == supports[:, :1])
        within &= self.num_active[:, None] > 0
        return within & (np.arange(supports.shape[1]) > 0)

    @cached_property
    def scores_without(self) -> Float[np.ndarray, "neurons length"]:
        """Score of the best formula without each of its literals.

        nan past its length, if it has but one, and without both classes.
        """
        return auroc_score(
            self.sums_without[:, -1],
            self.supports_without[:, -1],
            num_samples=self.num_samples,
        )

    @cached_property
    def notes(self) -> np.ndarray:
        """Per neuron what keeps its best formula from being judged well: "" if nothing.

        "no positives" or "no negatives" where there is no score, and "all tied" where
        all activations are equal. Where an interval covers less often than it says,
        "few positives" or "few negatives", below 10 of them (below 2 there is no
        interval), and "few active", below 10 samples above the lowest activation; both,
        as "few positives, few active", if both are few.
        """
        positives = self.num_positives[:, 0]
        negatives = self.num_samples - positives
        few = np.select(
            [positives < FEW, negatives < FEW], ["few positives", "few negatives"], ""
        )
        inactive = np.where(self.num_active < FEW, "few active", "")
        both = np.where((few != "") & (inactive != ""), ", ", "")
        return np.select(
            [positives == 0, negatives == 0, self.num_active == 0],
            ["no positives", "no negatives", "all tied"],
            np.char.add(np.char.add(few, both), inactive),
        )

    def take(self, positions: np.ndarray) -> "HeldOut":
        """That of some neurons."""
        names = (*OF_SLOTS, "differences", *OF_NEURONS)
        return dataclasses.replace(
            self, **{name: getattr(self, name)[positions] for name in names}
        )

    def with_labels(
        self,
        lengths: Int[np.ndarray, " neurons"],
        steps: Int[np.ndarray, "neurons beam"],
        ranks: Int[np.ndarray, "neurons beam"],
    ) -> "HeldOut":
        """The same with one more step, of formulas of other steps.

        Args:
            lengths: The step whose best formula is the label, from 1.
            steps: Where each formula of the beam comes from, as an index.
            ranks: Its rank there.
        """
        neurons, label = np.arange(len(lengths)), lengths - 1
        slots = neurons[:, None], steps, ranks
        arrays = {name: getattr(self, name) for name in OF_SLOTS}
        arrays |= {
            name: np.append(array, array[slots][:, None], 1)
            for name, array in arrays.items()
        }
        without = {name: getattr(self, name) for name in OF_STEPS}
        arrays |= {
            name: np.append(array, array[neurons, label][:, None], 1)
            for name, array in without.items()
        }
        room = ((0, 0), (0, 1), (0, 0), (0, 1))
        differences = np.pad(self.differences, room, constant_values=np.nan)
        differences[:, -1, :, :-1] = self.differences[slots]
        # Each against the label.
        differences[:, -1, :, -1] = self.differences[(*slots, label[:, None])]
        return dataclasses.replace(self, **arrays, differences=differences)

    def at_length(self, length: int) -> "HeldOut":
        """That of the steps up to `length`."""
        arrays = {name: getattr(self, name)[:, :length] for name in OF_SLOTS}
        return dataclasses.replace(
            self,
            **arrays,
            differences=self.differences[:, :length, :, :length],
            **{name: getattr(self, name)[:, :length, :length] for name in OF_STEPS},
        )
