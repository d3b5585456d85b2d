"""Labels for people: one line per neuron, as a table to read."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from rich.table import Table
from rich.text import Text

from invert_jax.explanations import Explanations
from invert_jax.formula import Formula

VERDICTS = (
    (0.99, "near perfect"),
    (0.95, "very good"),
    (0.85, "good"),
    (0.75, "fair"),
    (0.0, "weak"),
)
CHANCE = "chance"
NO_LABEL = {
    "constant": "always the same",
    "no_candidate": "no formula fits",
}


class Label(NamedTuple):
    """The best formula of one neuron.

    Attributes:
        layer: Layer of the neuron.
        neuron: Its number in the layer, from 0.
        formula: What it responds to; None if it has no label.
        auroc: How often it is higher on an image of the formula than on another.
        num_positives: Images on which the formula holds.
        share: The same over all images.
        chance: The AUROC that the search reaches on the neuron, shuffled.
        log10_p: Of the two-sided Mann-Whitney test, not corrected for the search.
        status: As in `Explanations`.
        verdict: What the number says, in words.
    """

    layer: str
    neuron: int
    formula: Formula | None
    auroc: float
    num_positives: int
    share: float
    chance: float
    log10_p: float
    status: str
    verdict: str


def verdict(status: str, auroc: float, *, chance: float) -> str:
    """How well a formula describes a neuron, in words.

    Args:
        status: As in `Explanations`.
        auroc: Of the best formula.
        chance: The AUROC that the search reaches on the neuron, shuffled.

    >>> verdict("labeled", 0.97, chance=0.7)
    'very good'
    >>> verdict("labeled", 0.69, chance=0.7)
    'chance'
    """
    if status in NO_LABEL:
        return NO_LABEL[status]
    if auroc <= chance:
        return CHANCE
    return next(words for bound, words in VERDICTS if auroc >= bound)


def labels_of(
    explanations: Explanations, layer: str, *, chance: Float[np.ndarray, " neurons"]
) -> list[Label]:
    """The best formula of each neuron of a layer, in the order of the neurons.

    Args:
        explanations: Of the layer.
        layer: Its name.
        chance: The AUROC that the search reaches on each neuron, shuffled.
    """
    return [
        Label(
            layer=layer,
            neuron=neuron,
            formula=formulas[0],
            auroc=float(auroc),
            num_positives=int(count),
            share=int(count) / explanations.num_samples,
            chance=float(by_chance),
            log10_p=float(log10_p),
            status=str(status),
            verdict=verdict(str(status), float(auroc), chance=float(by_chance)),
        )
        for neuron, (formulas, auroc, count, log10_p, status, by_chance) in enumerate(
            zip(
                explanations.formulas,
                explanations.scores[:, 0],
                explanations.num_positives[:, 0],
                explanations.log10_p[:, 0],
                explanations.status,
                chance,
                strict=True,
            )
        )
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
    result.add_column("AUROC", justify="right", no_wrap=True)
    result.add_column("chance", justify="right", no_wrap=True)
    result.add_column("share", justify="right", no_wrap=True)
    result.add_column("how well", no_wrap=True)
    for label in labels:
        result.add_row(
            str(label.neuron),
            Text(in_words(label.formula)),
            "" if label.formula is None else f"{label.auroc:.4f}",
            "" if label.formula is None else f"{label.chance:.2f}",
            "" if label.formula is None else f"{label.share:.0%}",
            label.verdict,
        )
    return result


def best_first(labels: Iterable[Label]) -> list[Label]:
    """The labels by falling AUROC, those without a formula last."""
    return sorted(labels, key=lambda label: (label.formula is None, -label.auroc))
