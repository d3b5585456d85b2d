"""The demo's self-check: what it finds where the right answer is known."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from invert_jax import Activations, Concepts, Explanations, Formula
from invert_jax.demo.digits import NUMERALS


class Check(NamedTuple):
    """A fact and whether it is as it should be.

    Attributes:
        fact: What was found, for people.
        value: The number in it.
        passed: Whether it is within the limits.
    """

    fact: str
    value: float
    passed: bool


def check_accuracy(accuracy: float, num_samples: int) -> Check:
    """The network reads at least 97 % of the digits that it has not seen."""
    fact = f"the network reads {accuracy:.1%} of {num_samples} digits it has not seen"
    return Check(fact, accuracy, accuracy >= 0.97)


def check_own_digits(logits: Explanations) -> Check:
    """Of the ten logits at least nine have their own digit as best single concept."""
    best = [formulas[0] for formulas in logits.at_length(1).formulas]
    own = [Formula.concept(numeral) for numeral in NUMERALS]
    count = sum(found == wanted for found, wanted in zip(best, own, strict=True))
    fact = f"{count} of 10 logits have their own digit as the best single concept"
    return Check(fact, count, count >= 9)


def check_scores(
    explanations: Mapping[str, Explanations],
    activations: Mapping[str, Activations],
    concepts: Concepts,
) -> Check:
    """Every AUROC is within 1e-12 of scikit-learn's `roc_auc_score`."""
    errors = [
        error
        for layer, found in explanations.items()
        for error in score_errors(found, np.asarray(activations[layer]), concepts)
    ]
    worst = max(errors)
    fact = (
        f"{len(errors)} AUROCs are scikit-learn's (they differ by {worst:.0e} at most)"
    )
    return Check(fact, worst, worst <= 1e-12)


def score_errors(
    explanations: Explanations, activations: np.ndarray, concepts: Concepts
) -> Iterator[float]:
    """How far each AUROC is from scikit-learn's, on samples searched and held out."""
    from sklearn.metrics import roc_auc_score

    held_out = explanations.held_out
    for part in (explanations,) if held_out is None else (explanations, held_out):
        for (neuron, rank), score in np.ndenumerate(part.scores):
            formula = explanations.formula(neuron, rank)
            if formula is not None and not np.isnan(score):
                truth = formula.evaluate(concepts)[part.samples]
                values = activations[part.samples, neuron]
                yield abs(float(score) - roc_auc_score(truth, values))


def check_shuffled(shuffled: Mapping[str, Explanations], *, alpha: float) -> Check:
    """Of neurons whose values are shuffled no more than `alpha` are called labeled."""
    status = np.concatenate([found.status for found in shuffled.values()])
    count = int((status == "labeled").sum())
    fact = (
        f"{count} of {len(status)} neurons are labeled once their values are shuffled"
    )
    return Check(fact, count, count <= alpha * len(status))
