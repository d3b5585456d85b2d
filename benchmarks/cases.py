"""Layers and concept tables to measure on, made from a seed."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int

NEURONS_TOGETHER = 32


class Case(NamedTuple):
    """A layer and what is true of its samples.

    Attributes:
        activations: What the neurons do.
        masks: Truth values.
        names: One per concept.
    """

    activations: Float32[np.ndarray, "samples neurons"]
    masks: Bool[np.ndarray, "samples concepts"]
    names: list[str]


def nested_case(
    *, num_samples: int, num_neurons: int, num_classes: int, num_groups: int, seed: int
) -> Case:
    """Classes of equal size and the groups of a random hierarchy above them.

    As many distinct concept rows as classes; the last group holds them all. A neuron
    responds to a few classes and groups.
    """
    rng = np.random.default_rng(seed)
    groups = random_hierarchy(rng, num_classes, num_groups)
    of_class = np.concatenate((np.eye(num_classes, dtype=bool), groups), axis=1)
    labels = rng.permutation(np.arange(num_samples) % num_classes)
    names = [f"class {index}" for index in range(num_classes)]
    names += [f"group {index}" for index in range(num_groups)]
    likes = rng.random((of_class.shape[1], num_neurons)) < 4 / of_class.shape[1]
    strength = rng.normal(size=likes.shape) * likes
    effect = (of_class @ strength).astype(np.float32)
    return Case(_respond(rng, effect, labels), of_class[labels], names)


def hostile_case(
    *, num_samples: int, num_neurons: int, num_attributes: int, seed: int
) -> Case:
    """Attributes that overlap freely, so that nearly all concept rows are distinct.

    They depend on each other through a few hidden factors, and hold on 5 to 50 % of
    the samples. A neuron responds to a few of them.
    """
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(num_samples, 4))
    leaning = rng.normal(size=(4, num_attributes)) / 4
    values = factors @ leaning + rng.normal(size=(num_samples, num_attributes))
    shares = rng.uniform(0.05, 0.5, size=num_attributes)
    cuts = [
        np.quantile(value, 1 - q) for value, q in zip(values.T, shares, strict=True)
    ]
    masks = values > np.array(cuts)
    likes = rng.random((num_attributes, num_neurons)) < 4 / num_attributes
    effect = (masks @ (rng.normal(size=likes.shape) * likes)).astype(np.float32)
    names = [f"attribute {index}" for index in range(num_attributes)]
    return Case(_respond(rng, effect, np.arange(num_samples)), masks, names)


def random_hierarchy(
    rng: np.random.Generator, num_classes: int, num_groups: int
) -> Bool[np.ndarray, "classes groups"]:
    """Which class is in which group: two groups are nested or have nothing in common.

    Each group joins at least two of the classes and groups that are not yet in one,
    drawn at random; the last joins all.

    Args:
        rng: Source of randomness.
        num_classes: Must exceed `num_groups`.
        num_groups: At least 1.
    """
    spare = num_classes - 1 - num_groups
    sizes = 2 + rng.multinomial(spare, np.full(num_groups, 1 / num_groups))
    free = [np.arange(num_classes) == index for index in range(num_classes)]
    groups = []
    for size in sizes:
        rng.shuffle(free)
        joined, free = np.any(free[:size], axis=0), free[size:]
        free.append(joined)
        groups.append(joined)
    return np.stack(groups, axis=1)


def _respond(
    rng: np.random.Generator,
    effect: Float32[np.ndarray, "rows neurons"],
    row_of_sample: Int[np.ndarray, " samples"],
) -> Float32[np.ndarray, "samples neurons"]:
    """The effect of the row of each sample, in noise; in place, some at a time."""
    shape = len(row_of_sample), effect.shape[1]
    activations = np.empty(shape, np.float32)
    for start in range(0, shape[1], NEURONS_TOGETHER):
        part = slice(start, start + NEURONS_TOGETHER)
        noise = rng.standard_normal(activations[:, part].shape, np.float32)
        activations[:, part] = effect[row_of_sample, part] + noise
    return activations
