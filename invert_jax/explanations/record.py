"""The arrays of a result, and what follows from them."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from invert_jax.checks import check_whole
from invert_jax.core.statistics.mannwhitney import log10_mannwhitney
from invert_jax.explanations.held_out import HeldOut
from invert_jax.explanations.panel import Panel
from invert_jax.explanations.significance import Significance
from invert_jax.formula.formula import Formula
from invert_jax.plain_arrays import plain_array
from invert_jax.settings import SearchSettings

R = TypeVar("R", bound="Record")

LABELED = "labeled"
CONSTANT = "constant"
NO_CANDIDATE = "no_candidate"
CHANCE = "chance"


@dataclass(frozen=True, eq=False, repr=False)
class Record:
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
        panel: Other metrics of the labels; None without `panel`.
        label_lengths: The step from which `simplest` took each label; None before. The
            arrays have one more step then, of the formulas that are shown.
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
    panel: Panel | None = None
    label_lengths: Int[np.ndarray, " neurons"] | None = None

    @property
    def num_neurons(self) -> int:
        """Number of neurons."""
        return len(self.neurons)

    @property
    def max_length(self) -> int:
        """Most literals of a formula."""
        return self.literals.shape[3]

    @property
    def beam_size(self) -> int:
        """Formulas kept per neuron."""
        return self.literals.shape[2]

    @property
    def has_formula(self) -> Bool[np.ndarray, " neurons"]:
        """Whether any formula was found for each neuron."""
        return self.lengths[:, -1, 0] > 0

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
    def scores_by_length(self) -> Float[np.ndarray, "neurons max_length"]:
        """Score of the best formula of at most 1, 2, ... literals, as searched."""
        best = self.rank_sums[:, : self.max_length, 0]
        return self.settings.how_to_score.score(
            best, self.supports[:, : self.max_length, 0], num_samples=self.num_samples
        )

    @property
    def score_name(self) -> str:
        """What people call the score, such as "AUROC"."""
        return self.settings.how_to_score.name

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
        found = np.where(self.has_formula, LABELED, NO_CANDIDATE)
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

    @property
    def formulas(self) -> "Formulas":
        """`formulas[neuron][rank]`, made when asked for; None in an empty slot."""
        return Formulas(self)

    def at_length(self: R, length: int) -> R:
        """The beam after step `length`: the best formulas of at most so many literals.

        It is what the search found; at `max_length` without what `simplest` chose.

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
            panel=self.panel and self.panel.at_length(length),
            label_lengths=None,
        )

    def take(self: R, positions: Sequence[int] | np.ndarray) -> R:
        """The same of some neurons, by position or by a truth value each."""
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
            panel=self.panel and self.panel.take(chosen),
            label_lengths=None
            if self.label_lengths is None
            else self.label_lengths[chosen],
            **{name: getattr(self, name)[chosen] for name in arrays},
        )

    def formula(self, position: int, rank: int = 0, step: int = -1) -> Formula | None:
        """One formula; None where there is none."""
        literals, operators = self.literals_at(position, rank, step)
        if not literals:
            return None
        return Formula.from_literals(
            [self.concept_names[literal // 2] for literal in literals],
            [bool(literal % 2) for literal in literals],
            ["or" if operator else "and" for operator in operators],
        )

    def longest(self, position: int) -> Formula | None:
        """The best formula of all lengths, where `simplest` took a shorter label.

        None where the label is that formula, and without `simplest`.

        Args:
            position: Of the neuron among those explained.
        """
        if self.label_lengths is None:
            return None
        found = self.formula(position, step=self.max_length - 1)
        return None if found == self.formula(position) else found

    def literals_at(
        self, position: int, rank: int = 0, step: int = -1
    ) -> tuple[list[int], list[int]]:
        """The numbers behind one formula, from left to right; empty without one.

        Returns:
            Literals, 2 * concept + negated, and the operators between them, 0 for AND
            and 1 for OR.
        """
        length = int(self.lengths[position, step, rank])
        bits = int(self.operators[position, step, rank])
        operators = [bits >> shift & 1 for shift in range(length - 2, -1, -1)]
        return self.literals[position, step, rank, :length].tolist(), operators

    def __len__(self) -> int:
        return self.num_neurons

    def __repr__(self) -> str:
        layer = f" of {self.layer!r}" if self.layer else ""
        labeled = int((self.status == LABELED).sum())
        return (
            f"{type(self).__name__}({self.num_neurons} neurons{layer}, {labeled} "
            f"labeled, max_length={self.max_length}, beam_size={self.beam_size})"
        )

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

    def __init__(self, record: Record):
        self._record = record

    def __len__(self) -> int:
        return self._record.num_neurons

    def __getitem__(self, position):
        if isinstance(position, tuple):
            return self[position[0]][position[1]]
        if isinstance(position, slice):
            return [self[each] for each in range(*position.indices(len(self)))]
        position = range(len(self))[position]
        of = self._record
        return [of.formula(position, rank) for rank in range(of.beam_size)]

    def __iter__(self) -> Iterator[list[Formula | None]]:
        return (self[position] for position in range(len(self)))

    def __repr__(self) -> str:
        return f"Formulas({len(self)} neurons)"


def checked_positions(
    positions: Sequence[int] | np.ndarray, num_neurons: int
) -> Int[np.ndarray, " chosen"]:
    """Positions of neurons, counted from the end where negative.

    Args:
        positions: Whole numbers, or a truth value for each neuron.
        num_neurons: How many there are.

    >>> checked_positions([0, -1], 5).tolist()
    [0, 4]
    """
    chosen = plain_array("positions", positions)
    if chosen.size == 0 and chosen.ndim == 1:
        return np.zeros(0, np.int64)
    if chosen.dtype == bool and chosen.shape == (num_neurons,):
        return np.flatnonzero(chosen)
    whole = chosen.ndim == 1 and chosen.dtype.kind in "iu"
    if not whole or (np.abs(2 * chosen.astype(np.int64) + 1) > 2 * num_neurons).any():
        raise ValueError(
            f"`positions` must be whole numbers of the {num_neurons} neurons, or a "
            f"truth value for each; got {positions!r}."
        )
    return chosen.astype(np.int64) % num_neurons
