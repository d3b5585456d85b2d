"""Whether inputs are those that were explained: one test for all that ask."""

import numpy as np
from jaxtyping import Int

from invert_jax.activations.array import Activations
from invert_jax.concepts.formula_masks import FormulaMasks
from invert_jax.concepts.table import Concepts
from invert_jax.explanations.record import Record


def check_same_ranks(
    explanations: Record,
    position: int,
    formula: tuple[list[int], list[int]],
    row_sums: Int[np.ndarray, " rows"],
    columns: "FormulaMasks",
) -> None:
    """Refuse activations with which the formula would not have its score."""
    if not formula[0]:
        return
    if row_sums[columns.of(*formula)].sum() != explanations.rank_sums[position, -1, 0]:
        raise ValueError(
            "`activations` must be those that were explained; with these the formula "
            f"of neuron {explanations.neurons[position]} has another score."
        )


def check_same_activations(
    activations: Activations,
    explanations: Record,
    samples: Int[np.ndarray, " samples"],
    counted: np.ndarray | None,
    label: str,
) -> None:
    """Refuse activations of other samples or other neurons."""
    num_samples = explanations.num_samples
    fits = activations.num_samples == num_samples or (
        counted is not None and activations.num_samples > samples.max()
    )
    if not fits:
        raise ValueError(
            f"`activations`{label} must be those that were explained, of {num_samples} "
            f"samples; got {activations.num_samples}."
        )
    last = int(explanations.neurons.max(initial=-1))
    if last >= activations.num_neurons:
        raise ValueError(
            f"`activations`{label} must have the neurons that were explained, up to "
            f"{last}; got {activations.num_neurons} neurons."
        )
    for neuron, name in zip(
        explanations.neurons[:CHECKED], explanations.neuron_names, strict=False
    ):
        if activations.names[neuron] != name:
            raise ValueError(
                f"`activations`{label} must have the neurons that were explained; "
                f"neuron {neuron} is {name!r} there and {activations.names[neuron]!r} "
                "here."
            )


def explained_table(concepts: Concepts, explanations: Record, *, of: str) -> Concepts:
    """The concepts of the samples that were searched; an error if they are others.

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


# Labels that are held against the concepts they are said to be of.
CHECKED = 1_000


def counted_concepts(concepts: Concepts, explanations: Record, whose: str) -> Concepts:
    """The concepts of the samples that counted; refused if the labels are not theirs.

    Each best formula must hold on as many samples as when it was found.

    Args:
        concepts: Of all samples, or of those that counted.
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
    for position in np.flatnonzero(explanations.lengths[:, -1, 0] > 0)[:CHECKED]:
        formula = explanations.literals_at(int(position))
        num_true = int(concepts.row_counts @ masks.of(*formula))
        recorded = int(explanations.supports[position, -1, 0])
        if num_true != recorded:
            raise ValueError(
                f"`concepts` must be those of {whose}; "
                f"{explanations.formula(int(position))} holds on {num_true} samples "
                f"of these and on {recorded} of those that were explained. These are "
                "labels of another run."
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
            f"{min(missing)!r}. These are labels of another run."
        )
    return concepts.select(explanations.concept_names)
