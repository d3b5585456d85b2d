"""`compare`: which labels two layers, checkpoints, models or tables share."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from invert_jax.analyses.overlaps import Supports
from invert_jax.analyses.pairs import (
    CHANGED,
    GAINED,
    KEPT,
    LOST,
    ONLY_A,
    ONLY_B,
    OUTCOMES,
    check_signs,
    outcomes_of,
    pairs_by_neuron,
    pairs_by_overlap,
)
from invert_jax.concepts.table import Concepts
from invert_jax.explanations.axes import COLORS, GRAY, MARKERS, axes_of
from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.printing import (
    FORMULA,
    ROWS_SHOWN,
    Listing,
    Table,
    cells_of,
)

if TYPE_CHECKING:
    import pandas
    import pyarrow
    import rich.console
    from matplotlib.axes import Axes

MATCHES = ("neuron", "overlap")
# What a reader wants to see first.
ORDER = {CHANGED: 0, LOST: 1, GAINED: 2, KEPT: 3}


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """The labels of two sets of neurons, side by side.

    Attributes:
        a: One set.
        b: The other.
        first: Position in `a` of each pair; -1 where there is none.
        second: Position in `b`.
        overlap: Samples where both labels hold over those where either does; nan where
            one is missing, and without concepts.
        outcome: Of each pair: "kept" if both labels hold on the same samples (without
            concepts, if the formulas are equivalent by the names in them), "changed" if
            not; "lost" or "gained" where one label is not to be used, "unlabeled" where
            neither is, "only in a" or "only in b".
        match: How pairs were made.
        names: What the two sets are called where they are shown.
    """

    a: Explanations
    b: Explanations
    first: Int[np.ndarray, " pairs"]
    second: Int[np.ndarray, " pairs"]
    overlap: Float[np.ndarray, " pairs"]
    outcome: np.ndarray = field(repr=False)
    match: str = "neuron"
    names: tuple[str, str] = ("a", "b")

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of pairs of each outcome that occurs."""
        found = {each: int((self.outcome == each).sum()) for each in OUTCOMES}
        return {outcome: count for outcome, count in found.items() if count}

    def to_arrow(self) -> "pyarrow.Table":
        """One row per pair: neurons, outcome, overlap, and of both labels all scores.

        Held-out scores come with their intervals, where samples were held out.
        """
        import pyarrow as pa

        of_a = _columns(self.a, self.first, "a")
        of_b = _columns(self.b, self.second, "b")
        columns = {
            "neuron_a": of_a.pop("neuron_a"),
            "neuron_b": of_b.pop("neuron_b"),
            "outcome": pa.array(self.outcome.tolist(), pa.string()),
            "overlap": pa.array(self.overlap, mask=np.isnan(self.overlap)),
        }
        return pa.table(columns | of_a | of_b)

    def to_pandas(self) -> "pandas.DataFrame":
        """The same as a data frame; needs the extra `pandas`."""
        try:
            import pandas  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "`to_pandas` needs pandas: pip install 'invert_jax[pandas]'."
            ) from error
        return self.to_arrow().to_pandas()

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Scores of both labels of each pair against each other, by outcome."""
        return plot_comparison(self, ax=ax)

    @property
    def summary(self) -> str:
        """The counts in a sentence."""
        counts = self.counts.items()
        parts = [f"{count} {self.said(outcome)}" for outcome, count in counts]
        return f"{len(self)} pairs by {self.match}: {', '.join(parts) or 'none'}"

    @property
    def headings(self) -> tuple[str, ...]:
        """What the columns of `rows` are."""
        of_sides = (
            f"{kind} {name}"
            for side, name in zip((self.a, self.b), self.names, strict=True)
            for kind in ("label", "held out" if self._judged else side.score_name)
        )
        units = ("neuron",) if self.match == "neuron" else self.names
        return (*units, "outcome", "overlap", *of_sides)

    @property
    def _judged(self) -> bool:
        """Whether samples were held out on either side."""
        return any(each.held_out is not None for each in (self.a, self.b))

    @property
    def order(self) -> Int[np.ndarray, " pairs"]:
        """The pairs, those that differ most first."""
        place = np.array([ORDER.get(str(each), len(ORDER)) for each in self.outcome])
        nearest = np.where(np.isnan(self.overlap), 2.0, self.overlap)
        return np.lexsort((np.arange(len(self)), nearest, place))

    def said(self, outcome: str) -> str:
        """An outcome in words, with the names of the two sets for "a" and "b"."""
        a, b = self.names
        return {ONLY_A: f"only in {a}", ONLY_B: f"only in {b}"}.get(outcome, outcome)

    def rows(self, most: int | None = None) -> list[tuple[str, ...]]:
        """Pairs as text, under `headings`; what differs most first.

        Args:
            most: How many of them; all if None.
        """
        return [self._row(pair) for pair in self.order[:most].tolist()]

    def _row(self, pair: int) -> tuple[str, ...]:
        overlap = self.overlap[pair]
        first, second = int(self.first[pair]), int(self.second[pair])
        units = _neuron(self.a, first), _neuron(self.b, second)
        return (
            *((units[0] or units[1],) if self.match == "neuron" else units),
            self.said(str(self.outcome[pair])),
            "" if np.isnan(overlap) else f"{overlap:.2f}",
            *_label(self.a, first, judged=self._judged),
            *_label(self.b, second, judged=self._judged),
        )

    def __len__(self) -> int:
        return len(self.outcome)

    def __repr__(self) -> str:
        return f"Comparison({self.summary})"

    def __str__(self) -> str:
        return str(self._listing)

    def __rich__(self) -> "rich.console.Group":
        return self._listing.__rich__()

    def _repr_html_(self) -> str:
        return self._listing.to_html()

    @property
    def _listing(self) -> Listing:
        table = Table(self.headings, self.rows(ROWS_SHOWN))
        return Listing(repr(self), table, total=len(self))


def compare(
    a: Explanations,
    b: Explanations,
    *,
    match: str = "neuron",
    concepts: Concepts | tuple[Concepts, Concepts] | None = None,
    names: tuple[str, str] | None = None,
) -> Comparison:
    """Hold the labels of two layers, checkpoints or models against each other.

    Args:
        a: One set of labels.
        b: Another, from the same or from another table of concepts.
        match: "neuron" for neurons of the same index; "overlap" for each label of `a`
            the label of `b` that holds on the most similar samples (Jaccard index), and
            for each label of `b` left over that of `a`; of equal ones the neuron of the
            same index.
        concepts: The table of both, or one for each, of the same samples. Needed for
            overlaps, and to see that different formulas hold on the same samples.
        names: What to call the two where they are shown, such as "epoch 1" and "epoch
            9"; if None their layers if these differ, else "a" and "b".

    >>> import invert_jax as ij
    >>> concepts = Concepts.from_labels([0, 1, 2] * 50, ["cat", "dog", "fish"])
    >>> values = concepts.masks().astype(np.float32)
    >>> quiet = ij.Options(progress=False)
    >>> a = ij.explain(values, concepts, min_fraction=0.2, options=quiet)
    >>> b = ij.explain(values[:, [0, 2, 1]], concepts, min_fraction=0.2, options=quiet)
    >>> compare(a, b, concepts=concepts)
    Comparison(3 pairs by neuron: 1 kept, 2 changed)
    >>> compare(a, b, match="overlap", concepts=concepts)
    Comparison(3 pairs by overlap: 3 kept)
    """
    for name, each in (("a", a), ("b", b)):
        if not isinstance(each, Explanations):
            raise TypeError(
                f"`{name}` must be Explanations; got {type(each).__name__}. Compare "
                "one layer at a time."
            )
    if match not in MATCHES:
        raise ValueError(f"`match` must be {' or '.join(MATCHES)}; got {match!r}.")
    check_signs(a, b)
    names = _checked_names(a, b, names)
    supports = None if concepts is None else Supports.of(a, b, concepts)
    if match == "overlap":
        if supports is None:
            raise ValueError(
                '`match="overlap"` needs `concepts`, to see where formulas hold.'
            )
        first, second = pairs_by_overlap(a, b, supports)
    else:
        first, second = pairs_by_neuron(a, b)
    overlap = np.full(len(first), np.nan)
    both = (first >= 0) & (second >= 0)
    if supports is not None:
        overlap[both] = supports.overlap_of_pairs(first[both], second[both])
    outcome = outcomes_of(a, b, first, second, overlap)
    return Comparison(a, b, first, second, overlap, outcome, match, names)


def _checked_names(
    a: Explanations, b: Explanations, names: tuple[str, str] | None
) -> tuple[str, str]:
    """Two names that tell the two sets apart."""
    if names is None:
        layers = (a.layer, b.layer)
        return layers if all(layers) and a.layer != b.layer else ("a", "b")
    if not isinstance(names, tuple | list):
        raise TypeError(f"`names` must be two names; got {type(names).__name__}.")
    if len(names) != 2 or names[0] == names[1]:
        raise ValueError(f"`names` must be two names that differ; got {names!r}.")
    return str(names[0]), str(names[1])


def _columns(
    explanations: Explanations, positions: Int[np.ndarray, " pairs"], side: str
) -> "dict[str, pyarrow.ChunkedArray]":
    """The table of one side, in the order of the pairs; nulls where it has none."""
    import pyarrow as pa

    chosen = pa.array(positions, mask=positions < 0)
    table = explanations.to_arrow().take(chosen)
    return {f"{name}_{side}": table[name] for name in table.column_names}


def _neuron(explanations: Explanations, position: int) -> str:
    return explanations.neuron_names[position] if position >= 0 else ""


def _label(
    explanations: Explanations, position: int, *, judged: bool
) -> tuple[str, str]:
    """Formula in words, and its score: the held-out one with its interval if judged.

    A side without held-out samples, beside one with them, shows its score as such.
    """
    if position < 0:
        return "", ""
    cells = cells_of(explanations, position)
    score_name = explanations.score_name
    score = cells.get(score_name, "")
    if not judged:
        return cells[FORMULA], score
    if explanations.held_out is None:
        return cells[FORMULA], f"{score} ({score_name})" if score else ""
    held_out, interval = cells.get("held out", ""), cells.get("95 %", "")
    beside = f" ({interval})" if interval else ""
    return cells[FORMULA], held_out + beside


def plot_comparison(comparison, *, ax: "Axes | None" = None) -> "Axes":
    """Scores of the two labels of each pair against each other, by outcome.

    Args:
        comparison: From `compare`.
        ax: Where to draw; a new figure if None.
    """
    ax = axes_of(ax)
    both = (comparison.first >= 0) & (comparison.second >= 0)
    for at, outcome in enumerate(comparison.counts):
        chosen = both & (comparison.outcome == outcome)
        if chosen.any():
            ax.plot(
                comparison.a.scores[comparison.first[chosen], 0],
                comparison.b.scores[comparison.second[chosen], 0],
                MARKERS[at % len(MARKERS)], color=COLORS[at % len(COLORS)], alpha=0.7,
                label=f"{comparison.said(outcome)} ({comparison.counts[outcome]})",
            )  # fmt: skip
    ax.axline((0.5, 0.5), slope=1, color=GRAY, lw=1, ls="--")
    names = (comparison.a.score_name, comparison.b.score_name)
    ax.set_xlabel(f"{names[0]}, {comparison.names[0]}", parse_math=False)
    ax.set_ylabel(f"{names[1]}, {comparison.names[1]}", parse_math=False)
    ax.legend()
    return ax
