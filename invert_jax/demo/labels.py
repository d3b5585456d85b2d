"""Labels for people: one line per neuron, as a table to read."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.record import LABELED
from invert_jax.formula.formula import Formula

# What is said of a unit without a formula, which has no numbers either.
NO_LABEL = {
    "constant": "always the same",
    "no_candidate": "no formula fits",
}


class Label(NamedTuple):
    """The best formula of one neuron.

    Attributes:
        layer: Layer of the neuron.
        neuron: Its number in the layer, from 0.
        formula: What it responds to; None if there is no formula.
        auroc: How often it is higher on an image of the formula than on another, among
            the images that were searched.
        num_positives: Of them, those on which the formula holds.
        share: The same over all that were searched.
        held_out: AUROC on the images that had no part in the search.
        held_out_low: Lower bound of its 95 % interval.
        held_out_high: Upper bound.
        log10_p: Of the two-sided Mann-Whitney test, not corrected for the search.
        p_search: How often the search finds one as good in a unit without a meaning.
        q_value: Share of false labels among the units that are as good or better.
        status: As in `Explanations`.
    """

    layer: str
    neuron: int
    formula: Formula | None
    auroc: float
    num_positives: int
    share: float
    held_out: float
    held_out_low: float
    held_out_high: float
    log10_p: float
    p_search: float
    q_value: float
    status: str


def labels_of(explanations: Explanations, layer: str) -> list[Label]:
    """The best formula of each neuron of a layer, in the order of the neurons.

    Args:
        explanations: Of the layer, with held-out scores and a null.
        layer: Its name.
    """
    held_out = explanations.held_out
    if held_out is None:
        raise ValueError("`explanations` must have held-out scores; got none.")
    columns = (
        explanations.scores[:, 0],
        explanations.num_positives[:, 0],
        explanations.fractions[:, 0],
        held_out.scores[:, 0],
        *held_out.intervals[:, 0].T,
        explanations.log10_p[:, 0],
        explanations.p_search,
        explanations.q_value,
        explanations.status,
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        Label(layer, neuron, explanations.formula(neuron), *row)
        for neuron, row in enumerate(rows)
    ]


def in_words(formula: Formula | None) -> str:
    """A formula with words for signs and blanks for underscores; "" for none.

    >>> in_words(Formula.parse("has_loop & ~wide"))
    'has loop AND NOT wide'
    """
    if formula is None:
        return ""
    return formula.fold(lambda name: Formula.concept(name.replace("_", " "))).to_words()


def table(labels: Sequence[Label], *, title: str, width: int | None = None) -> Table:
    """The labels as a table, in the order given."""
    result = Table(title=Text(title), title_justify="left", width=width)
    result.add_column("unit", justify="right", no_wrap=True)
    result.add_column("responds to", ratio=1)
    for heading in ("AUROC", "held out", "q", "share"):
        result.add_column(heading, justify="right", no_wrap=True)
    result.add_column("status", no_wrap=True)
    for label in labels:
        result.add_row(
            str(label.neuron),
            Text(in_words(label.formula)),
            *numbers(label),
            NO_LABEL.get(label.status, label.status),
        )
    return result


def numbers(label: Label) -> tuple[str, str, str, str]:
    """The score, that on the images held out, the q-value and the share, as text.

    Empty without a formula, and where the images held out leave it without a score.
    """
    if label.formula is None:
        return "", "", "", ""
    held_out = "" if math.isnan(label.held_out) else f"{label.held_out:.4f}"
    return f"{label.auroc:.4f}", held_out, f"{label.q_value:.3f}", f"{label.share:.0%}"


def best_first(labels: Iterable[Label]) -> list[Label]:
    """By falling held-out AUROC; then those called chance, then without a formula."""

    def place(label: Label) -> tuple[bool, bool, float]:
        score = label.auroc if math.isnan(label.held_out) else label.held_out
        return label.formula is None, label.status != LABELED, -score

    return sorted(labels, key=place)
