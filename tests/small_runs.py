"""Layers and concept tables that the tests of the engine share.

A search is compiled for its sizes and settings, which takes seconds, so that most
tests use one size of table, 60 samples of 7 concepts to search, and `SETTINGS`.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jaxtyping
import numpy as np

import invert_jax as ij
from tests import oracle

NUM_SAMPLES = 60
# 3 to 30 samples.
SETTINGS: dict[str, Any] = {
    "max_length": 3,
    "beam_size": 3,
    "min_fraction": 0.05,
    "max_fraction": 0.5,
}
BOUNDS = {"min_positives": 3, "max_positives": 30}
QUIET = ij.Options(progress=False)
# Of 11 columns, 7 are searched: one never holds, one always, two repeat another.
NAMES = (
    "never", "even", "odd", "six", "also even", "always", "other even",
    "salt & pepper", "inner", "[wide]", "also inner",
)  # fmt: skip
SEARCHED = (1, 2, 3, 6, 7, 8, 9)


class World(NamedTuple):
    """Eight neurons of 60 samples, and what is true of the samples."""

    activations: np.ndarray
    masks: np.ndarray

    @property
    def concepts(self):
        return ij.Concepts.from_masks(self.masks, NAMES)

    @property
    def layer(self):
        names = [f"unit {j}" for j in range(8)]
        return ij.Activations(self.activations, names, layer="encoder/conv")


def make_world(seed=0):
    """Overlapping, nested, disjoint, complementary, repeated and constant concepts.

    "six" and "other even" are two disjoint parts of "even", whose complement is "odd";
    "inner" is a part of "salt & pepper". The neurons are smooth, tied, nearly always 0,
    two-valued, constant, and made of concepts; all are small whole numbers times 1/8,
    exact in every floating dtype.
    """
    rng = np.random.default_rng(seed)
    number = np.arange(NUM_SAMPLES)
    even, six = number % 2 == 0, number % 6 == 0
    salt, wide = rng.random((2, NUM_SAMPLES)) < 0.4
    inner = salt & (rng.random(NUM_SAMPLES) < 0.7)
    other = even & ~six & (rng.random(NUM_SAMPLES) < 0.6)
    never = np.zeros(NUM_SAMPLES, bool)
    masks = np.stack(
        [never, even, ~even, six, even, ~never, other, salt, inner, wide, inner], axis=1
    )
    assert len(np.unique(masks, axis=0)) <= 32
    noise = rng.integers(-40, 40, (NUM_SAMPLES, 8))
    noise[:, 1] //= 16
    noise[:, 2] = np.where(rng.random(NUM_SAMPLES) < 0.93, 0, noise[:, 2])
    noise[:, 3] = wide & even
    noise[:, 4] = 5
    noise[:, 5] += 30 * (six | inner)
    noise[:, 6] = 8 * six
    noise[:, 7] -= 50 * (salt & ~even)
    return World(noise.astype(np.float32) / 8, masks)


def table_file(folder, name):
    """The file of a table in the folder of a result."""
    (file,) = folder.glob(f"{name}.*.parquet")
    return file


LONG_SETTINGS: dict[str, Any] = {"max_length": 2, "beam_size": 2, "min_fraction": 0.01}


def make_long_world():
    """Activations and concepts that a budget of a MiB cuts into several blocks."""
    rng = np.random.default_rng(1)
    masks = rng.random((2000, 5)) < 0.3
    activations = rng.integers(-30, 30, (2000, 100)).astype(np.float32)
    activations[:, 7] = 0
    return activations, ij.Concepts.from_masks(masks, list("abcde"))


def explain(activations, concepts, *, options=QUIET, **changes):
    """`ij.explain` with the shared settings but for the changes, and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ij.FewPositivesWarning)
        return ij.explain(
            activations, concepts, **{**SETTINGS, **changes}, options=options
        )


def expected(activations, masks, **changes):
    """Per neuron and step the beam of the oracle, as `beams` gives it."""
    rules = {"max_length": 3, "beam_size": 3, **BOUNDS, **changes}
    sign = rules.get("sign", "positive")
    return [
        [[described(entry, sign) for entry in beam] for beam in steps]
        for steps in (oracle.beam_search(a, masks, **rules) for a in activations.T)
    ]


def described(entry, sign):
    """Literals, operators, score and support of an entry of the oracle."""
    score = entry.score if sign == "positive" else 1 - entry.score
    return entry.literals, entry.operators, float(score), entry.num_positives


def beams(explanations):
    """Per neuron and step the filled slots: literals, operators, score, support."""
    steps = [explanations.at_length(1 + t) for t in range(explanations.max_length)]
    return [
        [
            [slot(step, position, rank) for rank in range(filled(step, position))]
            for step in steps
        ]
        for position in range(explanations.num_neurons)
    ]


def filled(explanations, position):
    """How many slots of a neuron hold a formula; they come first."""
    holds = explanations.num_positives[position] > 0
    assert (np.diff(holds.astype(int)) <= 0).all(), "empty slots come last"
    return int(holds.sum())


def slot(explanations, position, rank):
    length = int(explanations.lengths[position, -1, rank])
    bits = int(explanations.operators[position, -1, rank])
    return (
        tuple(explanations.literals[position, -1, rank, :length].tolist()),
        tuple(bits >> (length - 2 - place) & 1 for place in range(length - 1)),
        explanations.scores[position, rank],
        int(explanations.num_positives[position, rank]),
    )


ARRAYS = (
    "neurons", "literals", "operators", "lengths", "rank_sums", "supports", "tie_sums",
    "is_constant", "scores", "num_positives", "log10_p", "status",
)  # fmt: skip


def assert_same(first, second):
    """The same numbers to the bit, and the same words."""
    for name in ARRAYS:
        one, other = getattr(first, name), getattr(second, name)
        assert one.dtype == other.dtype, name
        np.testing.assert_array_equal(one, other, err_msg=name)
    for name in ("neuron_names", "concept_names", "num_samples", "settings"):
        assert getattr(first, name) == getattr(second, name), name
    for name in ("synonyms", "left_out", "layer"):
        assert getattr(first, name) == getattr(second, name), name


@contextmanager
def as_in_production() -> Iterator[None]:
    """Without the checks of types that run in tests alone, and hide our messages."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
