"""The demo's self-check: what it finds where the right answer is known."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from invert_jax.activations import Activations
from invert_jax.concepts.table import Concepts
from invert_jax.demo.digits import NUMERALS
from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.record import LABELED
from invert_jax.formula.formula import Formula

MIN_ACCURACY = 0.97
MIN_OWN_DIGITS = 9
MAX_ERROR = 1e-12


class Check(NamedTuple):
    """A fact and whether it is as it should be.

    Attributes:
        name: Short name.
        value: The number that was found.
        passed: Whether it is within the limits.
        description: The fact, for people.
    """

    name: str
    value: float
    passed: bool
    description: str


def check_accuracy(accuracy: float, num_samples: int) -> Check:
    """The network reads at least 97 % of the digits that it has not seen."""
    return Check(
        "accuracy",
        accuracy,
        accuracy >= MIN_ACCURACY,
        f"the network reads {accuracy:.1%} of {num_samples} digits it has not seen",
    )


def check_own_digits(logits: Explanations) -> Check:
    """Of the ten logits at least nine have their own digit as best single concept."""
    best = [formulas[0] for formulas in logits.at_length(1).formulas]
    own = [Formula.concept(numeral) for numeral in NUMERALS]
    count = sum(found == wanted for found, wanted in zip(best, own, strict=True))
    return Check(
        "own_digits",
        count,
        count >= MIN_OWN_DIGITS,
        f"{count} of 10 logits have their own digit as the best single concept",
    )


def check_scores(
    explanations: Mapping[str, Explanations],
    activations: Mapping[str, Activations],
    concepts: Concepts,
) -> Check:
    """Every AUROC is what scikit-learn's `roc_auc_score` gives for the formula.

    Of the images that were searched and of those held out.
    """
    errors = [
        abs(float(score) - reference_auroc(values, formula, concepts, samples))
        for layer, found in explanations.items()
        for samples, scored in scored_parts(found)
        for values, formulas, scores in zip(
            np.asarray(activations[layer]).T, found.formulas, scored, strict=True
        )
        for formula, score in zip(formulas, scores, strict=True)
        if formula is not None and not np.isnan(score)
    ]
    return Check(
        "largest_error",
        max(errors),
        max(errors) <= MAX_ERROR,
        f"{len(errors)} AUROCs are those of scikit-learn (they differ by "
        f"{max(errors):.0e} at most)",
    )


def check_shuffled(meaningless: Mapping[str, Explanations], *, alpha: float) -> Check:
    """Of neurons whose values are shuffled no more than `alpha` are called labeled."""
    status = np.concatenate([found.status for found in meaningless.values()])
    count = int((status == LABELED).sum())
    return Check(
        "shuffled",
        count,
        count <= alpha * len(status),
        f"{count} of {len(status)} units are labeled once their values are shuffled",
    )


def scored_parts(
    found: Explanations,
) -> list[tuple[np.ndarray, Float[np.ndarray, "neurons beam"]]]:
    """Samples, and the scores of all formulas on them."""
    every = np.arange(found.num_samples) if found.samples is None else found.samples
    held_out = found.held_out
    parts = [(every, found.scores)]
    return parts if held_out is None else [*parts, (held_out.samples, held_out.scores)]


def reference_auroc(
    values: np.ndarray, formula: Formula, concepts: Concepts, samples: np.ndarray
) -> float:
    """AUROC by scikit-learn, of a formula evaluated on some images."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(formula.evaluate(concepts)[samples], values[samples]))
