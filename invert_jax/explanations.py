"""The result: for each neuron the formulas that it detects best."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from invert_jax.checks import check_whole
from invert_jax.core.statistics.mannwhitney import log10_mannwhitney
from invert_jax.formula.formula import Formula
from invert_jax.held_out import HeldOut
from invert_jax.positions import checked_positions
from invert_jax.settings import SearchSettings
from invert_jax.significance import Significance

if TYPE_CHECKING:
    import pandas
    import pyarrow
    from rich.console import Group

    from invert_jax.concepts.table import Concepts
    from invert_jax.displays import Unit
    from invert_jax.lookups import Coverage
    from invert_jax.nulls import Null

LABELED = "labeled"
CONSTANT = "constant"
NO_CANDIDATE = "no_candidate"
CHANCE = "chance"


@dataclass(frozen=True, eq=False, repr=False)
class Explanations:
    """The best formulas of each neuron after each step of the search.

    What the properties show is the beam after the last step; `at_length` gives the
    one after an earlier step. Rank 0 is best. Slots without a formula are last.

    Attributes:
        neurons: Index of each neuron in its layer.
        neuron_names: Name of each neuron.
        concept_names: Name of each concept that was searched or left out.
        literals: 2 * concept + negated, from left to right; -1 past the length.
        operators: Bits, the first operator most significant; 0 is AND, 1 is OR.
        lengths: Number of literals; 0 in an empty slot.
        rank_sums: int64; sum of the centered doubled midranks over the support.
        supports: int64; number of samples where the formula holds.
        tie_sums: Sum of t**3 - t over the groups of t tied samples.
        is_constant: Whether all activations of the neuron are equal.
        tie_groups: Large groups of tied samples: samples below, samples in it; zeros
            past the last.
        num_samples: Samples that counted.
        settings: What was searched for.
        synonyms: For a concept, the others that hold on the same samples.
        left_out: Concepts that never or always hold, which no formula uses.
        layer: Where the neurons come from.
        sources: Content hashes of what was explained, for the record.
        samples: Indices of the samples that counted; None for all.
        significance: What `with_null` found; None before.
        held_out: Scores on held-out samples; None without `holdout`.
    """

    neurons: Int[np.ndarray, " neurons"]
    neuron_names: tuple[str, ...]
    concept_names: tuple[str, ...]
    literals: Int[np.ndarray, "neurons steps beam length"]
    operators: Int[np.ndarray, "neurons steps beam"]
    lengths: Int[np.ndarray, "neurons steps beam"]
    rank_sums: Int[np.ndarray, "neurons steps beam"]
    supports: Int[np.ndarray, "neurons steps beam"]
    tie_sums: Float[np.ndarray, " neurons"]
    is_constant: Bool[np.ndarray, " neurons"]
    tie_groups: Int[np.ndarray, "neurons groups 2"]
    num_samples: int
    settings: SearchSettings
    synonyms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    layer: str = ""
    sources: dict[str, str] = field(default_factory=dict)
    samples: Int[np.ndarray, " kept"] | None = None
    significance: Significance | None = None
    held_out: HeldOut | None = None

    @property
    def num_neurons(self) -> int:
        """Number of neurons."""
        return len(self.neurons)

    @property
    def max_length(self) -> int:
        """Most literals of a formula."""
        return self.literals.shape[1]

    @property
    def beam_size(self) -> int:
        """Formulas kept per neuron."""
        return self.literals.shape[2]

    @property
    def num_positives(self) -> Int[np.ndarray, "neurons beam"]:
        """Number of samples where each formula holds; 0 in an empty slot."""
        return self.supports[:, -1]

    @property
    def fractions(self) -> Float[np.ndarray, "neurons beam"]:
        """Share of the samples where each formula holds, in [0, 1]."""
        return self.num_positives / self.num_samples

    @cached_property
    def scores(self) -> Float[np.ndarray, "neurons beam"]:
        """AUROC of the activations for each formula, in [0, 1]; nan where empty.

        The exact fraction, rounded once to float64.
        """
        objective = self.settings.how_to_score
        return objective.score(
            self.rank_sums[:, -1], self.num_positives, num_samples=self.num_samples
        )

    @cached_property
    def log10_p(self) -> Float[np.ndarray, "neurons beam"]:
        """Decimal logarithm of the two-sided Mann-Whitney p-value; nan where empty.

        With tie and continuity correction. It is taken on the samples that chose the
        formula, and so overstates: see the null of the best score for what holds
        after a search.
        """
        return log10_mannwhitney(
            self.rank_sums[:, -1],
            self.num_positives,
            self.tie_sums[:, None],
            num_samples=self.num_samples,
        )

    @cached_property
    def status(self) -> np.ndarray:
        """Per neuron "labeled", "constant", "no_candidate" or, by a null, "chance".

        The formula of a neuron called "chance" stays readable; it is not to be used.
        """
        found = np.where(self.lengths[:, -1, 0] > 0, LABELED, NO_CANDIDATE)
        status = np.where(self.is_constant, CONSTANT, found)
        if self.significance is None:
            return status
        return np.where(self.q_value > self.significance.alpha, CHANCE, status)

    @property
    def p_search(self) -> Float[np.ndarray, " neurons"]:
        """P-value of the best score, valid after the search; nan without a formula.

        (1 + draws that reach the score) / (1 + draws), see `with_null`.
        """
        return self._significance("p_search").p_search[:, -1]

    @property
    def q_value(self) -> Float[np.ndarray, " neurons"]:
        """Smallest share of false labels at which the neuron's is one; nan without one.

        Benjamini and Hochberg's, over the neurons, of `p_search`.
        """
        return self._significance("q_value").q_value[:, -1]

    @property
    def log10_p_extrapolated(self) -> Float[np.ndarray, "neurons 3"]:
        """Decimal logarithm of a p-value beyond the draws, and its 95 % bounds.

        From the fitted tail of the null, for neurons whose score no draw reaches; nan
        elsewhere. It is an extrapolation: `p_search` is not.
        """
        name = "log10_p_extrapolated"
        return self._significance(name).log10_extrapolated[:, -1]

    @property
    def optimism(self) -> Float[np.ndarray, "neurons beam"]:
        """How much better a score is on the samples that chose the formula.

        The score minus that on the held-out samples, for sign "negative" the other way
        around; nan where either is.
        """
        if self.held_out is None:
            raise ValueError(
                "`optimism` needs held-out samples: explain(..., holdout=0.5, key=0)."
            )
        difference = self.scores - self.held_out.scores
        return -difference if self.settings.sign == "negative" else difference

    def with_null(self, null: "Null", alpha: float = 0.05) -> "Explanations":
        """The same with `p_search`, `q_value` and, above `alpha`, the status "chance".

        Args:
            null: From `null_distribution`, of the same concepts and settings.
            alpha: Share of false labels to accept among those that stay, in (0, 1).
        """
        if not hasattr(null, "significance"):
            raise TypeError(
                "`null` must come from null_distribution(concepts, explanations, "
                f"key=0); got {type(null).__name__}."
            )
        return dataclasses.replace(self, significance=null.significance(self, alpha))

    @property
    def formulas(self) -> "Formulas":
        """`formulas[neuron][rank]`, made when asked for; None in an empty slot."""
        return Formulas(self)

    def at_length(self, length: int) -> "Explanations":
        """The beam after step `length`: the best formulas of at most so many literals.

        Args:
            length: 1 to `max_length`.
        """
        check_whole("length", length)
        if not 1 <= length <= self.max_length:
            raise ValueError(
                f"`length` must be in [1, {self.max_length}], the lengths searched; "
                f"got {length}."
            )
        return dataclasses.replace(
            self,
            literals=self.literals[:, :length, :, :length],
            operators=self.operators[:, :length],
            lengths=self.lengths[:, :length],
            rank_sums=self.rank_sums[:, :length],
            supports=self.supports[:, :length],
            settings=dataclasses.replace(self.settings, max_length=length),
            significance=self.significance and self.significance.at_length(length),
            held_out=self.held_out and self.held_out.at_length(length),
        )

    def take(self, positions: Sequence[int] | np.ndarray) -> "Explanations":
        """The explanations of some neurons, by position or by a truth value each."""
        chosen = checked_positions(positions, self.num_neurons)
        arrays = (
            "neurons", "literals", "operators", "lengths", "rank_sums", "supports",
            "tie_sums", "is_constant", "tie_groups",
        )  # fmt: skip
        return dataclasses.replace(
            self,
            neuron_names=tuple(self.neuron_names[position] for position in chosen),
            significance=self.significance and self.significance.take(chosen),
            held_out=self.held_out and self.held_out.take(chosen),
            **{name: getattr(self, name)[chosen] for name in arrays},
        )

    def formula(self, position: int, rank: int = 0, step: int = -1) -> Formula | None:
        """One formula; None where there is none."""
        length = int(self.lengths[position, step, rank])
        if length == 0:
            return None
        literals = self.literals[position, step, rank, :length].tolist()
        bits = int(self.operators[position, step, rank])
        operators = [
            "or" if bits >> (length - 2 - place) & 1 else "and"
            for place in range(length - 1)
        ]
        return Formula.from_literals(
            [self.concept_names[literal // 2] for literal in literals],
            [bool(literal % 2) for literal in literals],
            operators,
        )

    def unit(self, neuron: int) -> "Unit":
        """One neuron, by its index in the layer; shows all formulas where printed."""
        from invert_jax.displays import unit_of

        return unit_of(self, neuron)

    def neurons_for(
        self,
        wanted: str | Formula,
        *,
        min_score: float | None = None,
        hypernyms: "bool | Concepts" = False,
    ) -> Int[np.ndarray, " found"]:
        """Neurons labeled by a concept or formula, best score first, as indices.

        Args:
            wanted: A concept, used as it is; "~dog" for one that is negated; or a
                formula that the label is to be equivalent to.
            min_score: Least AUROC; for sign "negative" of 1 minus the AUROC.
            hypernyms: Whether a kind of the concept, in WordNet, will do; the concepts
                themselves where their descriptions say what the names mean.
        """
        from invert_jax.lookups import neurons_for

        return neurons_for(self, wanted, min_score=min_score, hypernyms=hypernyms)

    def coverage(self, *, min_score: float | None = None) -> "Coverage":
        """Which concepts the labels name, how often, and which none does."""
        from invert_jax.lookups import coverage

        return coverage(self, min_score=min_score)

    def to_arrow(self, *, all_ranks: bool = False) -> "pyarrow.Table":
        """One row per neuron, or per neuron and rank, as a pyarrow table."""
        from invert_jax.tables import to_arrow

        return to_arrow(self, all_ranks=all_ranks)

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
        """Write a folder of Parquet and JSON; see `load`."""
        from invert_jax.tables import save

        save(self, path)

    def export(self, path, *, all_ranks: bool = False) -> None:
        """Write one .parquet, .csv, .json or .md to share; `load` reads the .json."""
        from invert_jax.exports import export

        export(self, path, all_ranks=all_ranks)

    @classmethod
    def load(cls, path) -> "Explanations":
        """Read a folder written by `save`, or a .json written by `export`."""
        from invert_jax.exports import load

        return load(path)

    def __len__(self) -> int:
        return self.num_neurons

    def __repr__(self) -> str:
        layer = f" of {self.layer!r}" if self.layer else ""
        labeled = int((self.status == LABELED).sum())
        return (
            f"Explanations({self.num_neurons} neurons{layer}, {labeled} labeled, "
            f"max_length={self.max_length}, beam_size={self.beam_size})"
        )

    def __str__(self) -> str:
        from invert_jax.displays import to_text

        return to_text(self)

    def __rich__(self) -> "Group":
        from invert_jax.displays import layer_table

        return layer_table(self)

    def _repr_html_(self) -> str:
        from invert_jax.displays import layer_html

        return layer_html(self)

    def _significance(self, name: str) -> Significance:
        """What `with_null` found; an error if it was not called."""
        if self.significance is None:
            raise ValueError(
                f"`{name}` needs a null: explanations.with_null(null_distribution("
                "concepts, explanations, key=0))."
            )
        return self.significance


class Formulas(Sequence):
    """A lazy view: `formulas[neuron][rank]` is a `Formula` or None."""

    def __init__(self, explanations: Explanations):
        self._explanations = explanations

    def __len__(self) -> int:
        return self._explanations.num_neurons

    def __getitem__(self, position):
        if isinstance(position, tuple):
            return self[position[0]][position[1]]
        if isinstance(position, slice):
            return [self[each] for each in range(*position.indices(len(self)))]
        position = range(len(self))[position]
        of = self._explanations
        return [of.formula(position, rank) for rank in range(of.beam_size)]

    def __iter__(self) -> Iterator[list[Formula | None]]:
        return (self[position] for position in range(len(self)))

    def __repr__(self) -> str:
        return f"Formulas({len(self)} neurons)"
