"""`Explanations`: the result as its users see it."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from invert_jax.concepts.table import Concepts
from invert_jax.explanations import lookups, on_disk, printing
from invert_jax.explanations.null import Null
from invert_jax.explanations.record import Record
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
        return dataclasses.replace(self, significance=null.significance(self, alpha))

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
