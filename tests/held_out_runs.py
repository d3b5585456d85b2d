"""A split world: 600 samples of 8 concepts, 40 neurons, half of them held out."""

from functools import cache
from typing import Any

import numpy as np

import invert_jax as ij
from tests.small_runs import QUIET

NUM_SAMPLES, NUM_NEURONS, NUM_CONCEPTS = 600, 40, 8
NAMES = [f"c{k}" for k in range(NUM_CONCEPTS)]
SETTINGS: dict[str, Any] = {"max_length": 3, "beam_size": 3, "min_fraction": 0.1}


def explain(activations, concepts, **settings):
    settings = {**SETTINGS, "options": QUIET, **settings}
    return ij.explain(activations, concepts, **settings)


@cache
def make_concepts():
    rng = np.random.default_rng(1)
    masks = rng.random((NUM_SAMPLES, NUM_CONCEPTS)) < rng.uniform(0.2, 0.5, 8)
    return ij.Concepts.from_masks(masks, NAMES)


@cache
def make_activations():
    """A third each of noise, of meaning, and of meaning with many ties."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(NUM_SAMPLES, NUM_NEURONS))
    masks = make_concepts().masks()[:, np.arange(NUM_NEURONS) % NUM_CONCEPTS]
    values[:, 13:] += 1.5 * masks[:, 13:]
    values[:, 26:] = np.round(np.maximum(values[:, 26:], 0))
    values[:, 3] = 0
    return values.astype(np.float32)
