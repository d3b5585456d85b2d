"""The result: for each neuron the formulas that it detects best."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from invert_jax.core.significance import log10_mannwhitney
from invert_jax.formula import Formula
from invert_jax.settings import SearchSettings

if TYPE_CHECKING:
    import pandas
    import pyarrow

LABELED = "labeled"
CONSTANT = "constant"
NO_CANDIDATE = "no_candidate"


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
        num_samples: Samples that counted.
        settings: What was searched for.
        synonyms: For a concept, the others that hold on the same samples.
        left_out: Concepts that never or always hold, which no formula uses.
        layer: Where the neurons come from.
        sources: Content hashes of what was explained, for the record.
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
    num_samples: int
    settings: SearchSettings
    synonyms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    layer: str = ""
    sources: dict[str, str] = field(default_factory=dict)

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
        """Per neuron "labeled", "constant" or "no_candidate"."""
        found = np.where(self.lengths[:, -1, 0] > 0, LABELED, NO_CANDIDATE)
        return np.where(self.is_constant, CONSTANT, found)

    @property
    def formulas(self) -> "Formulas":
        """`formulas[neuron][rank]`, made when asked for; None in an empty slot."""
        return Formulas(self)

    def at_length(self, length: int) -> "Explanations":
        """The beam after step `length`: the best formulas of at most so many literals.

        Args:
            length: 1 to `max_length`.
        """
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
        )

    def take(self, positions: Sequence[int] | np.ndarray) -> "Explanations":
        """The explanations of some neurons, by position."""
        chosen = np.asarray(positions)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        arrays = (
            "neurons", "literals", "operators", "lengths", "rank_sums", "supports",
            "tie_sums", "is_constant",
        )  # fmt: skip
        return dataclasses.replace(
            self,
            neuron_names=tuple(self.neuron_names[position] for position in chosen),
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

    def neurons_for(self, concept: str) -> Int[np.ndarray, " found"]:
        """Neurons whose best formula uses a concept as it is, best score first.

        Args:
            concept: A name; a synonym finds the concept that stood for it.

        Returns:
            Their indices in the layer.
        """
        column = self._column_of(concept)
        uses = (self.literals[:, -1, 0] == 2 * column).any(-1)
        found = np.flatnonzero(uses)
        best = self.scores[found, 0]
        best = -best if self.settings.sign == "positive" else best
        return self.neurons[found[np.argsort(best, kind="stable")]]

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

    @classmethod
    def load(cls, path) -> "Explanations":
        """Read a folder written by `save`."""
        from invert_jax.tables import load

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
        from invert_jax.tables import to_text

        return to_text(self)

    def _column_of(self, concept: str) -> int:
        """The column that stands for a concept; an error names those alike."""
        if concept in self.concept_names:
            return self.concept_names.index(self._representative(concept))
        from difflib import get_close_matches

        near = get_close_matches(concept, self.concept_names, 3)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            f"`concept` must be one of the concepts searched; got {concept!r}.{hint}"
        )

    def _representative(self, concept: str) -> str:
        """The concept of the same samples that was searched."""
        for name, others in self.synonyms.items():
            if concept in others:
                return name
        return concept


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
