"""Whether inputs are those that were explained: the one place that tells.

Concepts are known by the hash of the whole table, where the very same table is needed,
or by the supports of the labels, where more columns or another order do no harm.
Activations are known by their shape and names, by their ties, and by the score that
they give a label.
"""

from dataclasses import asdict

import numpy as np

from invert_jax.activations.array import Activations
from invert_jax.concepts.formula_masks import FormulaMasks
from invert_jax.concepts.table import Concepts
from invert_jax.explanations.record import Record
from invert_jax.settings import SearchSettings

# Labels and names that are held against what they are said to be of.
CHECKED = 1_000
OTHER_RUN = "These are labels of another run."


def explained_table(concepts: Concepts, explanations: Record, *, of: str) -> Concepts:
    """The very table that was searched; an error if it is another one.

    Args:
        concepts: Of all samples, or already of those searched.
        explanations: What was explained by them.
        of: The argument that holds the explanations, for the message.
    """
    if not isinstance(concepts, Concepts):
        raise TypeError(
            "`concepts` must be the Concepts table that was explained by; got "
            f"{type(concepts).__name__}."
        )
    if not isinstance(explanations, Record):
        raise TypeError(
            f"`{of}` must be Explanations, from explain; got "
            f"{type(explanations).__name__}."
        )
    samples, table = explanations.samples, concepts
    if samples is not None and samples[-1] < table.num_samples != len(samples):
        table = table.take(samples)
    if table.fingerprint() != explanations.sources.get("concepts"):
        raise ValueError(
            f"`concepts` must be those that `{of}` was explained by, of the same "
            f"samples; got {concepts.num_concepts} concepts of {concepts.num_samples} "
            "samples that differ."
        )
    return table


def counted_concepts(concepts: Concepts, explanations: Record, whose: str) -> Concepts:
    """The concepts of the samples that counted; refused if the labels are not theirs.

    Each best formula must hold on as many samples as when it was found.

    Args:
        concepts: Of all samples, or of those that counted; maybe with more columns.
        explanations: The labels.
        whose: What a message calls them.
    """
    num_samples, counted = explanations.num_samples, explanations.samples
    if concepts.num_samples != num_samples and counted is not None:
        if concepts.num_samples <= counted.max():
            raise ValueError(
                f"`concepts` must describe the samples of {whose}; got "
                f"{concepts.num_samples} samples, and sample {counted.max()} counted."
            )
        concepts = concepts.take(counted)
    if concepts.num_samples != num_samples:
        raise ValueError(
            f"`concepts` must describe the {num_samples} samples of {whose}; got "
            f"{concepts.num_samples}."
        )
    concepts = concepts_in_order(concepts, explanations, whose)
    masks = FormulaMasks(concepts)
    for position in np.flatnonzero(explanations.has_formula)[:CHECKED]:
        formula = explanations.literals_at(int(position))
        num_true = int(concepts.row_counts @ masks.of(*formula))
        recorded = int(explanations.supports[position, -1, 0])
        if num_true != recorded:
            raise ValueError(
                f"`concepts` must be those of {whose}; "
                f"{explanations.formula(int(position))} holds on {num_true} samples "
                f"of these and on {recorded} of those that were explained. {OTHER_RUN}"
            )
    return concepts


def concepts_in_order(concepts: Concepts, explanations: Record, whose: str) -> Concepts:
    """The table with the columns of the explanations, in their order."""
    if concepts.names == explanations.concept_names:
        return concepts
    missing = set(explanations.concept_names) - set(concepts.names)
    if missing:
        raise ValueError(
            f"`concepts` must be those of {whose}; they have no concept "
            f"{min(missing)!r}. {OTHER_RUN}"
        )
    return concepts.select(explanations.concept_names)


def check_same_activations(
    activations: Activations, explanations: Record, of_layer: str = ""
) -> None:
    """Refuse activations of other samples or other neurons.

    Args:
        activations: Of all samples, or of those that counted.
        explanations: What was found in them.
        of_layer: " of layer 'name'" in a message, where there are several.
    """
    num_samples, counted = explanations.num_samples, explanations.samples
    fits = activations.num_samples == num_samples or (
        counted is not None and activations.num_samples > counted.max()
    )
    if not fits:
        raise ValueError(
            f"`activations`{of_layer} must be those that were explained, of "
            f"{num_samples} samples; got {activations.num_samples}."
        )
    last = int(explanations.neurons.max(initial=-1))
    if last >= activations.num_neurons:
        raise ValueError(
            f"`activations`{of_layer} must have the neurons that were explained, up to "
            f"{last}; got {activations.num_neurons} neurons."
        )
    for neuron, name in zip(
        explanations.neurons[:CHECKED], explanations.neuron_names, strict=False
    ):
        if activations.names[neuron] != name:
            raise ValueError(
                f"`activations`{of_layer} must have the neurons that were explained; "
                f"neuron {neuron} is {name!r} there and {activations.names[neuron]!r} "
                "here."
            )


def check_same_ties(explanations: Record, position: int, tie_sum: float) -> None:
    """Refuse activations that are not tied as those that were explained.

    It needs no concepts, and says nothing where no two activations are equal.

    Args:
        explanations: What was explained.
        position: Of the neuron.
        tie_sum: Sum of t**3 - t over its groups of t tied samples.
    """
    recorded = float(explanations.tie_sums[position])
    if np.isnan(recorded) or np.isclose(tie_sum, recorded, rtol=1e-9, atol=0.5):
        return
    raise ValueError(
        "`activations` must be those that were explained: other samples of neuron "
        f"{explanations.neuron_names[position]!r} are equal here (tie sum "
        f"{tie_sum:g}) than there ({recorded:g}). These are activations of another run."
    )


def check_same_score(explanations: Record, position: int, weight_sum: int) -> None:
    """Refuse activations on which the label scores otherwise than it did.

    Args:
        explanations: What was explained.
        position: Of the neuron.
        weight_sum: Sum of the objective's weights over the support of its best formula.
    """
    recorded = explanations.rank_sums[position, -1, 0]
    if not explanations.has_formula[position] or weight_sum == recorded:
        return
    score_here = explanations.settings.how_to_score.score(
        np.array(weight_sum),
        explanations.num_positives[position, :1],
        num_samples=explanations.num_samples,
    )
    raise ValueError(
        "`activations` must be those that were explained: the "
        f"{explanations.score_name} of neuron {explanations.neuron_names[position]!r} "
        f"for {explanations.formula(position)} is {score_here[0]:.6g} here and "
        f"{explanations.scores[position, 0]:.6g} there. These are activations of "
        "another run, or of samples in another order."
    )


def check_same_search(
    explanations: Record, *, concepts: str, settings: SearchSettings
) -> None:
    """Refuse a null of other concepts, or of other settings but for a larger length.

    Args:
        explanations: What the null is to judge.
        concepts: Content hash of the concepts of the null.
        settings: What was searched for.
    """
    if explanations.sources.get("concepts") != concepts:
        raise ValueError(
            "`null` must be of the concepts of the explanations; it is of others, "
            "or of other samples. Draw it with null_distribution(concepts, "
            "explanations, key=...)."
        )
    of_null, asked = asdict(settings), asdict(explanations.settings)
    if of_null["max_length"] > asked["max_length"]:
        of_null["max_length"] = asked["max_length"]
    for name, value in of_null.items():
        if value != asked[name]:
            raise ValueError(
                f"`null` must be of the settings of the explanations; it has {name}="
                f"{value!r} and they have {name}={asked[name]!r}."
            )
