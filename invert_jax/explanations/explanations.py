"""`Explanations`: the result as its users see it."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from invert_jax.activations.array import Activations
from invert_jax.concepts.table import Concepts
from invert_jax.explanations import (
    label_notes,
    lookups,
    on_disk,
    panel_scores,
    printing,
    shares,
    simplest,
)
from invert_jax.explanations.null import Null
from invert_jax.explanations.panel import PRECISION_AT
from invert_jax.explanations.record import Record
from invert_jax.explanations.simplest import TOLERANCE
from invert_jax.explanations.unit import Unit, unit_of
from invert_jax.formula.formula import Formula

if TYPE_CHECKING:
    import pandas
    import pyarrow
    import rich.console


class Explanations(Record):
    """The best formulas of each neuron after each step of the search.

    What the properties show is the beam after the last step; `at_length` gives the
    one after an earlier step. Rank 0 is best. Slots without a formula are last. The
    fields are those of `Record`, and so is all that follows from them.
    """

    def with_null(self, null: Null, alpha: float = 0.05) -> "Explanations":
        """The same with `p_search`, `q_value` and, above `alpha`, the status "chance".

        Args:
            null: From `null_distribution`, of the same concepts and settings.
            alpha: Share of false labels to accept among those that stay, in (0, 1).
        """
        if not isinstance(null, Null):
            raise TypeError(
                "`null` must come from null_distribution(concepts, explanations, "
                f"key=0); got {type(null).__name__}."
            )
        searched = self.at_length(self.max_length)
        found = null.significance(searched, alpha)
        if self.label_lengths is not None:
            tested = simplest.tested_lengths(self, self.label_lengths)
            found = found.with_labels(tested)
        return dataclasses.replace(self, significance=found)

    def simplest(
        self, tolerance: float = TOLERANCE, *, metric: str = "auroc"
    ) -> "Explanations":
        """The same with the simplest formula that is as good as each neuron's label.

        Of the best formulas of 1, 2, ... literals, as the search found them, the label
        is the shortest whose score on held-out samples is at most `tolerance` below
        that of the longest, or not shown to be below it by a paired test (one-sided,
        5 %). It becomes rank 0; the others follow. Only the length is chosen on the
        held-out samples, so that `p_search` is that of its own length, and scores on
        them stay nearly honest. Without held-out samples the same rule takes the scores
        of the search, and `p_search` is that of the full length.

        With another `metric` the label is the shortest whose metric, on the samples of
        the panel, is at most `tolerance` below that of the best length. By
        "harmonic_auc_0.005" it is more often true where the neuron is highest, for
        about the same AUROC.

        `at_length(max_length)` undoes it.

        Args:
            tolerance: Largest loss that a shorter label may cost, in [0, 1].
            metric: "auroc", or one of the panel of which larger is better.

        Raises:
            ValueError: The tolerance is not in [0, 1], there is no such metric, or no
                panel to take it from; or neurons were taken from a result with a
                null, whose q-values are over all of them.

        >>> import invert_jax as ij
        >>> masks = np.random.default_rng(0).random((1000, 3)) < [0.3, 0.3, 0.04]
        >>> concepts = Concepts.from_masks(masks, ["cat", "dog", "wet"])
        >>> _, dog, wet = masks.T
        >>> noise = np.random.default_rng(1).normal(size=1000)
        >>> activations = (3 * dog - 2 * (dog & wet) + noise)[:, None]
        >>> labels = ij.explain(
        ...     activations, concepts, min_fraction=0.05, holdout=0.5, key=0)
        >>> str(labels.formulas[0][0]), str(labels.simplest().formulas[0][0])
        ('dog & ~wet', 'dog')
        """
        return simplest.with_simplest(self, tolerance, metric)

    def with_panel(
        self,
        activations: Activations | ArrayLike,
        concepts: Concepts,
        *,
        precision_at: int = PRECISION_AT,
        progress: bool = False,
    ) -> "Explanations":
        """The same with `panel`: several other metrics of each label.

        They are measured on the held-out samples where there are any, as by
        `explain(..., panel=True)`.

        Args:
            activations: [samples, neurons] of the layer, as they were explained.
            concepts: Those it was explained by, of the same samples.
            precision_at: How many samples are the highest, at least 1.
            progress: Show how far it is.

        Raises:
            ValueError: They are not those that were explained.

        >>> import invert_jax as ij
        >>> concepts = Concepts.from_labels([0, 1, 2] * 50, ["cat", "dog", "fish"])
        >>> activations = np.array([0.0, 2.0, 1.0] * 50)[:, None]
        >>> labels = ij.explain(activations, concepts, min_fraction=0.2)
        >>> labels.with_panel(activations, concepts).panel["r_precision"].tolist()
        [1.0]
        """
        return panel_scores.with_panel(
            self, activations, concepts, precision_at=precision_at, progress=progress
        )

    @property
    def label_notes(self) -> tuple[tuple[str, ...], ...]:
        """Per neuron what to know of its label before it is believed; see the README.

        - "at_bound": it holds on hardly more samples than a formula must (less than
          1.2 times as many): with a lower `min_fraction` it might be another.
        - "idle_literal: NAME": the literal is worth less than .005 of the score on the
          held-out samples.
        - "rarer_concept: NAME": a single concept that is too rare for `min_fraction`
          fits significantly better on the held-out samples.
        - "misses_top": it holds on at most one of the 20 highest samples (one in twenty
          of `precision_at`), held out where there are any; of sign "negative" lowest.

        The second needs held-out samples, the third these and the panel, the last the
        panel.
        """
        return label_notes.notes_of(self)

    def shares(self, by: str = "=") -> "shares.Shares":
        """How many labels name which kinds of concepts.

        The kind is what stands before `by` in a concept's name, such as "texture" of
        "texture=fur"; labels that name several kinds count by themselves.

        Args:
            by: What ends a kind.

        >>> import invert_jax as ij
        >>> names = ["shape=cat", "shape=dog", "size=large"]
        >>> masks = np.random.default_rng(0).random((300, 3)) < 0.4
        >>> concepts = Concepts.from_masks(masks, names)
        >>> activations = masks.astype(np.float32)
        >>> labels = ij.explain(activations, concepts, max_length=1, min_fraction=0.1)
        >>> labels.shares()
        Shares(3 labels: shape 2 (66.7%), size 1 (33.3%))
        """
        return shares.shares_of(self, by)

    def unit(self, neuron: int | np.integer) -> Unit:
        """One neuron, by its index in the layer; shows all formulas where printed."""
        return unit_of(self, neuron)

    def neurons_for(
        self,
        wanted: str | Formula,
        *,
        min_score: float | None = None,
        hypernyms: bool | Concepts = False,
    ) -> Int[np.ndarray, " found"]:
        """Neurons labeled by a concept or formula, best score first, as indices.

        Args:
            wanted: A concept, used as it is; "~dog" for one that is negated; or a
                formula that the label is to be equivalent to.
            min_score: Least AUROC; for sign "negative" of 1 minus the AUROC.
            hypernyms: Whether a kind of the concept, in WordNet, will do; the concepts
                themselves where their descriptions say what the names mean.
        """
        return lookups.neurons_for(
            self, wanted, min_score=min_score, hypernyms=hypernyms
        )

    def coverage(self, *, min_score: float | None = None) -> lookups.Coverage:
        """Which concepts the labels name, how often, and which none does."""
        return lookups.coverage(self, min_score=min_score)

    def to_arrow(self, *, all_ranks: bool = False) -> "pyarrow.Table":
        """One row per neuron, or per neuron and rank, as a pyarrow table."""
        from invert_jax.explanations import arrow

        return arrow.to_arrow(self, all_ranks=all_ranks)

    def to_pandas(self, *, all_ranks: bool = False) -> "pandas.DataFrame":
        """One row per neuron, or per neuron and rank; needs the extra `pandas`."""
        try:
            import pandas  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "`to_pandas` needs pandas: pip install 'invert_jax[pandas]'."
            ) from error
        return self.to_arrow(all_ranks=all_ranks).to_pandas()

    def save(self, path) -> None:
        """Write a folder of Parquet and JSON; see `load`.

        An older result there is replaced in one step: whoever reads it meanwhile, and
        whatever stops the writing, there is the older one or the new one.
        `labels.csv` is a table to read; the files of the arrays are named by what is
        in them, and `explanations.json` names those that count.
        """
        on_disk.save(self, path)

    def export(self, path, *, all_ranks: bool = False) -> None:
        """Write one .parquet, .csv, .json or .md to share; `load` reads the .json.

        The JSON is plain rows: `labels` (as `to_arrow`), `neurons` and `formulas`, with
        settings, concepts, versions and hashes of the run; see
        `invert_jax.explanations.label_files.export` for every key.
        """
        from invert_jax.explanations import label_files

        label_files.export(self, path, all_ranks=all_ranks)

    @classmethod
    def load(cls, path) -> "Explanations":
        """Read a folder written by `save`, or a .json written by `export`.

        What is damaged, was changed since, or makes no sense is a ValueError.
        """
        from invert_jax.explanations import label_files

        return cls(**label_files.read(path))

    def __str__(self) -> str:
        return str(printing.listing_of(self))

    def __rich__(self) -> "rich.console.Group":
        return printing.listing_of(self).__rich__()

    def _repr_html_(self) -> str:
        return printing.listing_of(self).to_html()
