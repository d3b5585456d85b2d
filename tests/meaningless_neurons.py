"""Neurons without a meaning, and concepts that they are labeled with.

The tests of nulls share one table of 2,000 samples and one compiled search.
"""

from functools import cache
from typing import Any

import numpy as np

import invert_jax as ij
from tests.small_runs import QUIET

NUM_SAMPLES, NUM_CONCEPTS = 2000, 30
NAMES = [f"c{k}" for k in range(NUM_CONCEPTS)]
SETTINGS: dict[str, Any] = {"max_length": 2, "beam_size": 2, "min_fraction": 0.02}
NUM_DRAWS = 999
ALPHA = 0.05
KEY = 3


def explain(activations, concepts, **settings):
    return ij.explain(activations, concepts, options=QUIET, **(SETTINGS | settings))


def null_distribution(concepts, like, **how):
    how = {"num_draws": NUM_DRAWS, "key": KEY, **how}
    return ij.null_distribution(concepts, like, options=QUIET, **how)


@cache
def make_masks():
    rng = np.random.default_rng(1)
    return rng.random((NUM_SAMPLES, NUM_CONCEPTS)) < rng.uniform(0.01, 0.4, 30)


@cache
def make_concepts():
    return ij.Concepts.from_masks(make_masks(), NAMES)


def noise(rng, count, share=0.0):
    """Meaningless neurons with a share of zeros, the same number in each."""
    active = round(NUM_SAMPLES * (1 - share))
    values = np.zeros((NUM_SAMPLES, count), np.float32)
    values[:active] = rng.exponential(size=(active, count))
    return rng.permuted(values, axis=0)


def tolerance(count, draws=NUM_DRAWS, errors=3):
    """So many Monte-Carlo errors of a share at `ALPHA`, of neurons and of draws."""
    return errors * np.sqrt(ALPHA * (1 - ALPHA) * (1 / count + 1 / draws))


@cache
def make_mixed():
    """40 neurons each with noise, zeros, other ties and a meaning; and their null."""
    rng = np.random.default_rng(2)
    meaning = noise(rng, 40, 0.5) + 2 * make_masks()[:, np.arange(40) % NUM_CONCEPTS]
    ties = rng.integers(4, size=(NUM_SAMPLES, 40)).astype(np.float32)
    parts = (noise(rng, 40), noise(rng, 40, 0.9), ties, meaning)
    explanations = explain(np.concatenate(parts, axis=1), make_concepts())
    return explanations, null_distribution(make_concepts(), explanations)
