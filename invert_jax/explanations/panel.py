"""What several metrics say of labels, besides the one that was searched for."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

# The shares of the samples that are called the top.
TOPS = (0.005, 0.01)
# Samples that are the highest, unless it is said otherwise.
PRECISION_AT = 20
METRICS = (
    "auroc", "average_precision", "precision_at_top", "r_precision",
    "pearson", "spearman", "cosine", "mad", "f1", "f1_threshold",
    *(f"{name}_{top:g}" for name in
      ("iou", "balanced_accuracy", "other_way_auc", "harmonic_auc") for top in TOPS),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Panel:
    """What several metrics say of the label of each neuron: `panel["f1"]`, by name.

    All are of the activation as it is, on held-out samples where there are any. For
    sign "negative" the top is where it is lowest, so that for a label that fits the
    metrics of the top are high, and "auroc" and the correlations are low. nan where
    there is no label, and where a metric is undefined.

    - auroc: that of the search, exact, in [0, 1]; undefined without both classes.
    - average_precision: scikit-learn's, in (0, 1]; undefined without positives.
    - precision_at_top: share of the `precision_at` highest samples where the label
      holds, in [0, 1]; expected over the order of tied samples.
    - r_precision: the same of as many samples as the label holds on.
    - pearson, spearman: correlation of activation and mask, in [-1, 1]; undefined where
      either is constant.
    - cosine: their cosine, in [-1, 1]; undefined where either is all 0.
    - mad: (mean inside - mean outside) / standard deviation outside; undefined where
      that is 0.
    - f1, f1_threshold: F1 of "the activation is at least the threshold" (for sign
      "negative" at most), in [0, 1]; undefined where the label holds nowhere and no
      activation reaches the threshold. The threshold, in units of the activation, is
      the one of the largest F1 on the samples searched.
    - iou_0.005, iou_0.01: intersection over union of label and top 0.5 % (1 %), in [0,
      1]; undefined where both are empty. A top is what lies strictly above the lowest
      threshold that leaves at most that share above it; where many samples tie it may
      be empty.
    - balanced_accuracy_...: mean of the shares of positives in that top and of
      negatives outside it, in [0, 1]; undefined without both classes.
    - other_way_auc_...: AUROC of the label for that top, in [0, 1]: the same mean with
      label and top in each other's place; undefined where the top is empty.
    - harmonic_auc_...: harmonic mean of that and of "auroc" (for sign "negative" 1
      minus it), in [0, 1]; undefined where either is, and where both are 0.

    See `invert_jax.core.statistics.metrics` for formulas and sources.

    Attributes:
        values: Of the best formula after each step of the search, by the order of the
            names; the label is that after the last.
        rarer_concepts: Of the same, a concept too rare to be searched that has a
            significantly higher score on held-out samples, as its column; -1 for none.
        precision_at: How many samples are the highest.
        num_samples: Samples that were judged on.
        is_held_out: Whether these had no part in the search.

    >>> import invert_jax as ij
    >>> concepts = ij.Concepts.from_labels([0, 1, 2] * 50, ["cat", "dog", "fish"])
    >>> activations = np.array([0.0, 2.0, 1.0] * 50)[:, None]
    >>> labels = ij.explain(activations, concepts, min_fraction=0.2, panel=True)
    >>> labels.panel["average_precision"], labels.panel["precision_at_top"]
    (array([1.]), array([1.]))
    """

    values: Float[np.ndarray, "neurons steps metrics"]
    rarer_concepts: Int[np.ndarray, "neurons steps"]
    precision_at: int
    num_samples: int
    is_held_out: bool

    def __getitem__(self, name: str) -> Float[np.ndarray, " neurons"]:
        return self.by_length(name)[:, -1]

    @property
    def num_highest(self) -> int:
        """Samples that are the highest: all, if there are fewer than asked for."""
        return min(self.precision_at, self.num_samples)

    def __iter__(self) -> Iterator[str]:
        return iter(METRICS)

    def __len__(self) -> int:
        return len(METRICS)

    def keys(self) -> tuple[str, ...]:
        """The names of the metrics, so that `dict(panel)` has all of them."""
        return METRICS

    def __repr__(self) -> str:
        samples = "held-out samples" if self.is_held_out else "samples"
        return f"Panel({len(self.values)} neurons, {self.num_samples} {samples})"

    def by_length(self, name: str) -> Float[np.ndarray, "neurons steps"]:
        """One metric of the best formula after each step."""
        if name not in METRICS:
            raise KeyError(f"`name` must be one of {', '.join(METRICS)}; got {name!r}.")
        return self.values[:, :, METRICS.index(name)]

    def take(self, positions: np.ndarray) -> "Panel":
        """That of some neurons."""
        return self._of(self.values[positions], self.rarer_concepts[positions])

    def at_length(self, length: int) -> "Panel":
        """That of the steps up to `length`."""
        return self._of(self.values[:, :length], self.rarer_concepts[:, :length])

    def with_labels(self, lengths: Int[np.ndarray, " neurons"]) -> "Panel":
        """The same with one more step, that of another step for each neuron."""
        at = np.arange(len(lengths)), lengths - 1
        return self._of(
            np.append(self.values, self.values[at][:, None], 1),
            np.append(self.rarer_concepts, self.rarer_concepts[at][:, None], 1),
        )

    def _of(self, values: np.ndarray, rarer_concepts: np.ndarray) -> "Panel":
        return dataclasses.replace(self, values=values, rarer_concepts=rarer_concepts)
