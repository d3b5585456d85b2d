import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.activations.capture.captured import Capture
from invert_jax.activations.capture.dispatch import capture
from invert_jax.activations.capture.layer_list import find_layers, layers, select_layers
from invert_jax.activations.capture.layer_names import first_match, matches

X = np.zeros((2, 3), np.float32)


def model(x):
    return {
        "stem": x,
        "block": (x + 1, {"keys": x[:, None]}),
        "scan": jnp.stack([x, x]),
        "table": jnp.ones((5, 3)),
        "loss": x.sum(),
    }


def test_layers_are_the_outputs_that_grow_with_the_batch():
    assert layers(model, X) == {
        "stem": (2, 3),
        "block.0": (2, 3),
        "block.1.keys": (2, 1, 3),
        "scan@0": (2, 3),
        "scan@1": (2, 3),
    }


def test_a_model_made_for_one_batch_size_shows_its_layers():
    found = layers(lambda x: {"pairs": x.reshape(2, 3, 1), "rest": jnp.ones(5)}, X)
    assert found == {"pairs": (2, 3, 1)}


def test_what_grows_twice_with_the_batch_is_no_layer():
    found = layers(lambda x: {"similarity": x @ x.T, "rest": 2 * x}, X)
    assert found == {"rest": (2, 3)}


def test_steps_are_not_taken_for_samples_where_only_one_batch_size_runs():
    def model(x):
        return {"steps": jnp.stack([x.reshape(2, 3)] * 2), "x": x}

    assert layers(model, X) == {"x": (2, 3)}


def test_two_outputs_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"two outputs are called 'a\.b'"):
        layers(lambda x: {"a": {"b": x}, "a.b": -x}, X)


def test_dicts_and_batches_with_ids_are_examples():
    assert layers(lambda batch: batch["x"], {"x": X}) == {"output": (2, 3)}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, ["stem", "block.0", "block.1.keys", "scan@0", "scan@1"]),
        ("stem", ["stem"]),
        ("block", ["block.0", "block.1.keys"]),
        ("block.0", ["block.0"]),
        ("scan", ["scan@0", "scan@1"]),
        ("s*", ["stem", "scan@0", "scan@1"]),
        (["scan@1", "stem"], ["stem", "scan@1"]),
    ],
)
def test_layers_are_chosen_by_name_or_pattern(wanted, expected):
    captured = capture(model)
    found = find_layers(captured, X)
    assert list(select_layers(found, wanted, captured)) == expected


def test_an_unknown_layer_is_refused_with_those_there_are():
    captured = capture(model)
    found = find_layers(captured, X)
    with pytest.raises(ValueError, match=r"'stm' is none.*It has: stem, block\.0"):
        select_layers(found, ["stem", "stm"], captured)
    with pytest.raises(ValueError, match="'table' is none"):
        select_layers(found, "table", captured)
    with pytest.raises(TypeError, match="got 3"):
        select_layers(found, [3], captured)


def test_a_silent_layer_is_told_its_cure():
    captured = Capture({}, capture(model).forward, ("hidden/dense",), "Do this.")
    found = find_layers(captured, X)
    with pytest.raises(ValueError, match=r"parameters of that name, though\. Do this"):
        select_layers(found, "hidden/*", captured)


def test_brackets_in_a_name_are_found_by_the_name_itself():
    assert matches("block[0]", "block[0]")
    assert matches("block[0]/dense", "block*")
    assert first_match("a", {"*": 1, "b": 2}, 0) == 1
    assert first_match("c", {"b": 2}, 0) == 0
