import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.activations.array import Activations
from invert_jax.activations.directions import BLOCK_NEURONS, encode, project


@pytest.fixture
def layer(rng):
    values = rng.normal(size=(10, 4)).astype(np.float32)
    return Activations(values, ids=np.arange(10), layer="block_3")


def test_a_direction_along_a_neuron_is_that_neuron(layer):
    projected = project(layer, np.eye(4)[[2]], names=["third"])
    np.testing.assert_array_equal(projected, layer.values[:, 2:3])
    assert (projected.names, projected.layer) == (("third",), "block_3")
    np.testing.assert_array_equal(projected.ids, layer.ids)


def test_latents_are_those_of_the_autoencoder(layer, rng):
    weights, bias = rng.normal(size=(4, 6)), rng.normal(size=6)
    center = rng.normal(size=4)

    latents = encode(layer, weights, bias, center=center, layer="dictionary")

    expected = np.maximum((np.asarray(layer) - center) @ weights + bias, 0)
    np.testing.assert_allclose(latents, expected, rtol=1e-5, atol=1e-6)
    assert latents.layer == "dictionary" and latents.dtype == np.float32


def test_any_function_of_a_number_activates(layer, rng):
    weights = rng.normal(size=(4, 6)).astype(np.float32)
    got = encode(layer, weights, activation=lambda x: jnp.where(x > 0.5, x, 0.0))
    sums = np.asarray(layer) @ weights
    np.testing.assert_allclose(got, np.where(sums > 0.5, sums, 0), rtol=1e-5)


def test_blocks_have_the_same_bits_in_whatever_size_they_are_read(layer, rng):
    num_latents = 2 * BLOCK_NEURONS + 7
    latents = encode(layer, rng.normal(size=(4, num_latents)))
    whole = np.asarray(latents)
    assert whole.shape == (10, num_latents)
    for start, stop in [(0, 1), (500, 530), (1024, 1031), (3, 1030), (5, 5)]:
        np.testing.assert_array_equal(latents.block(start, stop), whole[:, start:stop])


def test_more_samples_than_a_block_are_computed_in_parts(monkeypatch, layer, rng):
    weights = rng.normal(size=(4, 3))
    whole = np.asarray(encode(layer, weights))
    monkeypatch.setattr("invert_jax.activations.directions.BLOCK_SAMPLES", 4)
    np.testing.assert_allclose(encode(layer, weights), whole, rtol=1e-6)


def test_low_precision_layers_are_computed_in_float32(layer, rng):
    low = Activations(jnp.asarray(layer.values, jnp.bfloat16))
    weights = rng.normal(size=(4, 3)).astype(np.float32)
    expected = np.asarray(low).astype(np.float32) @ weights
    np.testing.assert_allclose(project(low, weights.T), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda x: project(x, np.ones((4, 2))), ValueError, r"\[directions, neurons\]"),
        (lambda x: project(x, np.ones(4)), ValueError, "must be a matrix"),
        (lambda x: project(x, np.full((1, 4), np.nan)), ValueError, "finite"),
        (lambda x: project(x, np.ones((1, 4), complex)), TypeError, "real numbers"),
        (lambda x: encode(x, np.ones((3, 4))), ValueError, r"\[neurons, latents\]"),
        (lambda x: encode(x, np.ones((4, 3)), np.ones(4)), ValueError, "per latent, 3"),
        (
            lambda x: encode(x, np.ones((4, 3)), center=np.ones(3)),
            ValueError,
            "per neuron, 4",
        ),
        (lambda x: project(x, np.eye(4), names=["a"]), ValueError, "got 1 for 4"),
    ],
)
def test_wrong_directions_are_refused(wrong, error, message, layer):
    with pytest.raises(error, match=message):
        wrong(layer)


def test_x64_changes_nothing(layer, rng):
    weights = rng.normal(size=(4, 6))
    before = np.asarray(encode(layer, weights))
    with jax.enable_x64(True):
        np.testing.assert_array_equal(encode(layer, weights), before)
