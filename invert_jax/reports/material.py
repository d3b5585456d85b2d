"""What a report is made of, checked to be of one run before anything is drawn."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from invert_jax.activations.array import Activations, as_activations
from invert_jax.concepts.table import Concepts
from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.same_run import (
    check_same_activations,
    counted_concepts,
)
from invert_jax.sample_ids import check_same_samples


class LayerInputs(NamedTuple):
    """One layer and what is known of it.

    Attributes:
        name: Name of the layer, as the page shows it.
        explanations: Its labels.
        activations: Of all samples; None if not given.
        concepts: Of the samples that counted; None if not given.
        samples: Indices of the samples that counted, among all.
        num_all: Samples in all, whether they counted or not.
        ids: Ids of all samples; None where there are none.
    """

    name: str
    explanations: Explanations
    activations: Activations | None
    concepts: Concepts | None
    samples: Int[np.ndarray, " samples"]
    num_all: int
    ids: np.ndarray | None


def sample_indices(
    layer: LayerInputs, positions: Int[np.ndarray, "units few"]
) -> Int[np.ndarray, "units few"]:
    """Indices among all samples, of positions among those that counted; -1 stays."""
    return np.where(positions < 0, -1, layer.samples[np.maximum(positions, 0)])


def shared_ids(layers: Iterable[LayerInputs]) -> np.ndarray | None:
    """Ids of the samples that all layers share; None where there are none."""
    return next((each.ids for each in layers if each.ids is not None), None)


def checked_layers(explanations, activations, concepts) -> list[LayerInputs]:
    """The layers with their activations and concepts, refused if they do not match.

    Args:
        explanations: An `Explanations`, or a dict of them by layer.
        activations: A matrix, or a dict by layer; None if there are none.
        concepts: A `Concepts` table; None if there is none.
    """
    layers = named_layers(explanations)
    if concepts is not None and not isinstance(concepts, Concepts):
        raise TypeError(
            f"`concepts` must be a Concepts table; got {type(concepts).__name__}."
        )
    checked = [
        _checked_layer(name, each, _of_layer(activations, name, each, layers), concepts)
        for name, each in layers.items()
    ]
    sizes = {each.num_all for each in checked if each.activations is not None}
    if len(sizes) > 1:
        raise ValueError(
            "`explanations` in one page must be of the same samples; the layers have "
            f"{' and '.join(map(str, sorted(sizes)))} samples. Write a page for each."
        )
    _check_ids_of_layers(checked)
    return checked


def _check_ids_of_layers(layers: list[LayerInputs]) -> None:
    """Refuse layers of other samples: the page names each sample once for all."""
    known = [(each.name, each.ids) for each in layers if each.ids is not None]
    for name, ids in known[1:]:
        if not np.array_equal(known[0][1], ids):
            raise ValueError(
                "`explanations` in one page must be of the same samples, in the same "
                f"order; the ids of layer {name!r} differ from those of layer "
                f"{known[0][0]!r}. Write a page for each."
            )


def named_layers(explanations) -> dict[str, Explanations]:
    """The layers by name; one that stands alone by its own name."""
    if isinstance(explanations, Explanations):
        return {explanations.layer: explanations}
    if not isinstance(explanations, Mapping) or not all(
        isinstance(each, Explanations) for each in explanations.values()
    ):
        raise TypeError(
            "`explanations` must be an Explanations or a dict of them; got "
            f"{type(explanations).__name__}."
        )
    if not explanations:
        raise ValueError("`explanations` must hold at least one layer; got none.")
    return {str(name): each for name, each in explanations.items()}


def check_by_layer(name: str, given: object, num_layers: int) -> None:
    """Refuse one thing where there are several layers.

    >>> check_by_layer("maps", np.zeros(3), 2)
    Traceback (most recent call last):
    ValueError: `maps` must be a dict, since there are 2 layers; got ndarray. Its keys \
are the layers' names.
    """
    if num_layers > 1 and not isinstance(given, Mapping):
        raise ValueError(
            f"`{name}` must be a dict, since there are {num_layers} layers; got "
            f"{type(given).__name__}. Its keys are the layers' names."
        )


def _of_layer(
    activations, name: str, explanations: Explanations, layers: Mapping
) -> Activations | None:
    """The activations of one layer."""
    if activations is None:
        return None
    check_by_layer("activations", activations, len(layers))
    if not isinstance(activations, Mapping):
        return as_activations(activations, explanations.layer)
    for key in (name, explanations.layer):
        if key in activations:
            return as_activations(activations[key], str(key))
    if len(layers) == len(activations) == 1:
        ((key, values),) = activations.items()
        return as_activations(values, str(key))
    known = ", ".join(repr(key) for key in list(activations)[:5])
    raise ValueError(
        f"`activations` must hold the layer {name!r}; it has {known or 'none'}."
    )


def _checked_layer(
    name: str,
    explanations: Explanations,
    activations: Activations | None,
    concepts: Concepts | None,
) -> LayerInputs:
    label = f" of layer {name!r}" if name else ""
    num_samples = explanations.num_samples
    counted = explanations.samples
    samples = np.arange(num_samples) if counted is None else np.asarray(counted)
    if activations is not None:
        check_same_activations(activations, explanations, label)
    given = [each for each in (activations, concepts) if each is not None]
    num_all = max([int(samples[-1]) + 1, *(each.num_samples for each in given)])
    if given and given[0].num_samples == num_samples:
        samples, num_all = np.arange(num_samples), num_samples
    known = [each.ids for each in given if each.num_samples == num_all]
    ids = next((each for each in known if each is not None), None)
    if concepts is not None:
        whose = f"`explanations`{label}"
        concepts = counted_concepts(concepts, explanations, whose)
        if activations is not None:
            known_ids = None if activations.ids is None else activations.ids[samples]
            check_same_samples(
                "`activations` and `concepts`",
                (len(samples), concepts.num_samples),
                (known_ids, concepts.ids),
                cure="concepts.align(activations.ids) reorders the concepts.",
            )
    return LayerInputs(name, explanations, activations, concepts, samples, num_all, ids)
