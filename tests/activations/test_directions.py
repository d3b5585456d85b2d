import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.activations.array import Activations
from invert_jax.activations.collecting.collection import collect
from invert_jax.activations.directions import BLOCK_NEURONS, encode, project
from invert_jax.concepts.table import Concepts
from invert_jax.engine.explaining import explain
from invert_jax.settings import Options


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


def test_a_center_far_from_zero_costs_no_digits(rng):
    values = (3000 + rng.normal(size=(200, 8)) / 10).astype(np.float32)
    weights = rng.normal(size=(8, 5)).astype(np.float32)
    center = np.full(8, 3000.0)
    expected = np.maximum((values.astype(np.float64) - center) @ weights, 0)
    latents = encode(Activations(values), weights, center=center)
    np.testing.assert_allclose(latents, expected, rtol=1e-5, atol=1e-5)


def test_a_latent_is_silent_up_to_its_threshold(layer, rng):
    weights = rng.normal(size=(4, 300)).astype(np.float32)  # more than a block
    threshold = rng.random(300)
    sums = np.asarray(layer) @ weights
    expected = np.where(sums > threshold, sums, 0)
    got = encode(layer, weights, activation=jax.nn.relu, threshold=threshold)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_directions_of_latents_are_those_of_a_layer(layer, rng, monkeypatch):
    monkeypatch.setattr("invert_jax.activations.directions.MOST_KEPT", 0)
    latents = encode(layer, rng.normal(size=(4, 6)))
    direction = rng.normal(size=(1, 6))
    expected = np.asarray(latents) @ direction.T
    np.testing.assert_allclose(project(latents, direction), expected, rtol=1e-4)


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
    for start, stop in [(0, 1), (250, 280), (512, 519), (3, 518), (5, 5)]:
        np.testing.assert_array_equal(latents.block(start, stop), whole[:, start:stop])


@pytest.mark.parametrize("cut", [np.s_[2:7, :], np.s_[9:1:-3, 5:1:-1], np.s_[4:4, :2]])
def test_any_slice_is_that_of_the_whole(layer, rng, monkeypatch, cut):
    monkeypatch.setattr("invert_jax.activations.directions.BLOCK_SAMPLES", 4)
    monkeypatch.setattr("invert_jax.activations.directions.BLOCK_NEURONS", 4)
    latents = encode(layer, rng.normal(size=(4, 6))).values
    np.testing.assert_array_equal(latents[cut], latents[:, :][cut])


class OnDisk:
    """A layer that counts what is read of it."""

    def __init__(self, values):
        self.values, self.reads = values, []
        self.shape, self.dtype = values.shape, values.dtype

    def __getitem__(self, index):
        read = self.values[index]
        self.reads.append(len(read))
        return read


def test_a_layer_larger_than_memory_is_read_in_parts(layer, rng, monkeypatch):
    monkeypatch.setattr("invert_jax.activations.directions.BLOCK_SAMPLES", 4)
    weights = rng.normal(size=(4, 3))
    whole = np.asarray(encode(layer, weights))
    small = OnDisk(layer.values)
    np.testing.assert_array_equal(encode(Activations(small), weights), whole)
    assert small.reads == [10]

    monkeypatch.setattr("invert_jax.activations.directions.MOST_KEPT", 100)
    large = OnDisk(layer.values)
    np.testing.assert_array_equal(encode(Activations(large), weights), whole)
    assert large.reads == [4, 4, 2]


def test_latents_of_a_store_are_explained(rng, tmp_path, monkeypatch):
    monkeypatch.setattr("invert_jax.activations.directions.BLOCK_SAMPLES", 64)
    monkeypatch.setattr("invert_jax.activations.directions.MOST_KEPT", 0)
    fires = rng.random((100, 3)) < 0.3
    dictionary = rng.normal(size=(3, 4)).astype(np.float32)  # features in superposition
    stored = collect(
        lambda x: {"block": x}, [fires @ dictionary], store=tmp_path, progress=False
    )["block"]
    latents = encode(stored, np.linalg.pinv(dictionary), np.full(3, -0.5))

    explanations = explain(
        latents,
        Concepts.from_masks(fires, ["red", "round", "large"]),
        min_fraction=0.2,
        options=Options(progress=False),
    )

    names = [str(best) for best, *_ in explanations.formulas]
    assert names == ["red", "round", "large"]
    assert (explanations.scores[:, 0] == 1).all()


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
        (
            lambda x: encode(x, np.eye(4), activation=jax.nn.softmax),
            ValueError,
            "`activation` must be a function of single numbers",
        ),
        (
            lambda x: encode(x, np.eye(4), activation=lambda z: z * (z > np.ones(4))),
            ValueError,
            "Give `threshold` for a JumpReLU",
        ),
        (
            lambda x: encode(x, np.eye(4), threshold=np.ones(3)),
            ValueError,
            "`threshold` must have one number per latent, 4",
        ),
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
