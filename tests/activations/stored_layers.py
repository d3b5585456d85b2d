"""Layers that the tests of stores collect, with and without a store."""

import jax.numpy as jnp
import numpy as np

from invert_jax.activations.batches import batched
from invert_jax.activations.collecting.collection import collect

IDS = np.array([f"{index}.png" for index in range(100)])


def make_inputs(rng):
    """100 samples of 3 positions and 8 channels."""
    return rng.normal(size=(100, 3, 8)).astype(np.float32)


def model(inputs):
    return {"tokens": jnp.tanh(inputs), "first": inputs[:, 0]}


def gather(inputs, store=None, *, function=model, ids=IDS, **settings):
    settings = {"pool": {"tokens": "positions"}, "batch_size": 8, **settings}
    batches = batched(inputs, 16, ids=ids)
    return collect(function, batches, store=store, progress=False, **settings)


def assert_same(got, expected):
    assert got.keys() == expected.keys()
    for name, layer in expected.items():
        np.testing.assert_array_equal(got[name], layer, strict=True)
        np.testing.assert_array_equal(got[name].ids, layer.ids)
        assert (got[name].names, got[name].layer) == (layer.names, layer.layer)
