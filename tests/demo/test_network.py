"""The network of the demo: small, quick and right."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.demo import digits, network

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def split():
    return digits.halves(digits.load())


@pytest.fixture(scope="module")
def trained(split):
    return network.train(split[0])


def test_it_reads_97_of_100_digits_that_it_has_not_seen(split, trained):
    assert network.accuracy(trained, split[1]) >= 0.97


def test_hardly_a_hidden_unit_is_silent_on_every_picture(split, trained):
    _, state = network.DigitNetwork().apply(
        trained, jnp.asarray(split[1].images), capture_intermediates=True
    )
    hidden = np.asarray(state["intermediates"]["hidden"]["__call__"][0])
    assert (hidden.max(axis=0) == 0).sum() <= 2


def test_a_bar_counts_the_epochs_if_wanted(split, capsys):
    network.train(split[0].take(np.arange(3)), num_epochs=2, progress=True)
    assert "2 epochs" in capsys.readouterr().err
    network.train(split[0].take(np.arange(3)), num_epochs=2)
    assert capsys.readouterr().err == ""


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(split):
    few = split[0].take(np.arange(70))
    first, again, other = (
        jax.tree.leaves(network.train(few, seed=seed, num_epochs=1))
        for seed in (3, 3, 4)
    )
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any((one != two).any() for one, two in zip(first, other, strict=True))


def test_training_works_with_fewer_pictures_than_a_batch(split):
    variables = network.train(split[0].take(np.arange(3)), num_epochs=1)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(variables))


def test_training_moves_every_weight_that_it_can(split):
    few = split[0].take(np.arange(64))
    trained, untrained = (network.train(few, num_epochs=n) for n in (2, 0))
    for before, after in zip(*map(jax.tree.leaves, (untrained, trained)), strict=True):
        assert (before != after).any()


def test_accuracy_counts_the_largest_logit(split):
    always_three = jax.tree.map(
        jnp.zeros_like,
        network.DigitNetwork().init(jax.random.key(0), jnp.ones((1, 8, 8))),
    )
    bias = always_three["params"]["logits"]["bias"]
    always_three["params"]["logits"]["bias"] = bias.at[3].set(1.0)

    share_of_threes = float(np.mean(split[1].labels == 3))
    assert network.accuracy(always_three, split[1]) == pytest.approx(share_of_threes)


def test_a_shift_moves_the_ink_by_at_most_one_pixel_both_ways():
    dot = jnp.zeros((200, 8, 8)).at[:, 4, 4].set(1.0)
    moved = network.shifted(jax.random.key(0), dot)

    places = {tuple(map(int, place[1:])) for place in np.argwhere(np.asarray(moved))}
    assert places == {(row, column) for row in (3, 4, 5) for column in (3, 4, 5)}
    np.testing.assert_array_equal(moved.sum((1, 2)), np.ones(200))


def test_a_shift_lets_blank_pixels_in():
    moved = network.shifted(jax.random.key(1), jnp.ones((100, 8, 8)))
    assert {int(count) for count in moved.sum((1, 2))} == {64, 56, 49}


def test_every_layer_of_the_job_is_a_module_of_the_network(split):
    shapes = {"parts": (2, 8, 8, 24), "hidden": (2, 32), "logits": (2, 10)}
    model = network.DigitNetwork()
    images = jnp.asarray(split[1].images[:2])
    variables = model.init(jax.random.key(0), images)
    _, state = model.apply(variables, images, capture_intermediates=True)
    for layer in network.LAYERS:
        assert state["intermediates"][layer]["__call__"][0].shape == shapes[layer]
