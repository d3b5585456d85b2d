"""What a null, its draws and its files refuse, and in which words."""

import dataclasses

import numpy as np
import pytest

import invert_jax as ij
from tests.meaningless_neurons import (
    NUM_CONCEPTS,
    make_concepts,
    make_masks,
    make_mixed,
    null_distribution,
)
from tests.small_runs import as_in_production


@pytest.fixture(scope="module")
def masks():
    return make_masks()


@pytest.fixture(scope="module")
def concepts():
    return make_concepts()


@pytest.fixture(scope="module")
def mixed():
    return make_mixed()


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 1.5, float("nan")])
def test_alpha_must_be_inside_0_and_1(mixed, alpha):
    with (
        as_in_production(),
        pytest.raises(ValueError, match=r"`alpha` must be in \(0, 1\); got"),
    ):
        mixed[0].with_null(mixed[1], alpha=alpha)


@pytest.mark.parametrize("alpha", ["0.05", None, True])
def test_alpha_must_be_a_number(mixed, alpha):
    with (
        as_in_production(),
        pytest.raises(TypeError, match=r"`alpha` must be a number; got"),
    ):
        mixed[0].with_null(mixed[1], alpha=alpha)


def test_at_least_one_draw_is_asked_for(concepts, mixed):
    with pytest.raises(ValueError, match=r"`num_draws` must be at least 1; got 0"):
        null_distribution(concepts, mixed[0], num_draws=0)
    with (
        as_in_production(),
        pytest.raises(TypeError, match=r"`num_draws` must be a whole number; got 2.5"),
    ):
        null_distribution(concepts, mixed[0], num_draws=2.5)


@pytest.mark.parametrize("key", ["0", None, 1.0, np.zeros((2, 2), np.uint32), True])
def test_a_key_is_a_key(concepts, mixed, key):
    with (
        as_in_production(),
        pytest.raises(TypeError, match=r"`key` must be one key, from jax.random.key"),
    ):
        null_distribution(concepts, mixed[0], key=key)


def test_a_null_of_other_concepts_is_refused(masks, mixed):
    other = ij.Concepts.from_masks(~masks, [f"c{k}" for k in range(NUM_CONCEPTS)])
    with pytest.raises(ValueError, match=r"`concepts` must be those that `like` was"):
        null_distribution(other, mixed[0])
    different = dataclasses.replace(mixed[1], concepts=other.fingerprint())
    with pytest.raises(ValueError, match=r"`null` must be of the concepts of the"):
        mixed[0].with_null(different)


@pytest.mark.parametrize(
    ("name", "value"),
    [("beam_size", 3), ("min_fraction", 0.1), ("sign", "negative"), ("max_length", 1)],
)
def test_a_null_of_other_settings_is_refused(mixed, name, value):
    settings = dataclasses.replace(mixed[1].settings, **{name: value})
    null = dataclasses.replace(mixed[1], settings=settings)
    with pytest.raises(ValueError, match=rf"`null` must be of the settings .* {name}="):
        mixed[0].with_null(null)


def test_a_null_without_the_ties_of_a_neuron_is_refused(concepts, mixed):
    null = null_distribution(concepts, mixed[0].take([0]), num_draws=200)
    with pytest.raises(
        ValueError, match=r"`null` must have draws of the ties of every"
    ):
        mixed[0].with_null(null)


def test_what_is_no_null_table_or_explanation_is_named(concepts, mixed):
    with as_in_production():
        with pytest.raises(TypeError, match=r"`null` must come from null_distribution"):
            mixed[0].with_null(None)
        with pytest.raises(TypeError, match=r"`concepts` must be the Concepts table"):
            null_distribution(mixed[0], concepts)
        with pytest.raises(TypeError, match=r"`like` must be Explanations, .* got str"):
            null_distribution(concepts, "labels")
        with pytest.raises(TypeError, match=r"`like` must be Explanations, .* got int"):
            null_distribution(concepts, {"a": mixed[0], "b": 3})


def test_layers_of_other_settings_share_no_null(concepts, mixed):
    with pytest.raises(ValueError, match=r"`like` must hold layers explained by the"):
        null_distribution(concepts, {"a": mixed[0], "b": mixed[0].at_length(1)})
    with pytest.raises(ValueError, match=r"`like` must hold at least one layer"):
        null_distribution(concepts, {})


@pytest.mark.parametrize("name", ["p_search", "q_value", "log10_p_extrapolated"])
def test_p_values_before_a_null_are_an_error_that_names_it(mixed, name):
    with pytest.raises(ValueError, match=rf"`{name}` needs a null: "):
        getattr(mixed[0], name)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x80\x04 pickle"])
def test_a_damaged_null_is_named_with_the_cure(tmp_path, content):
    path = tmp_path / "null.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"written by `Null.save`; .* Draw it again"):
        ij.Null.load(path)


def test_a_null_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`Null.save`; .* does not exist"):
        ij.Null.load(tmp_path / "null.npz")


def test_other_files_are_no_null(tmp_path, concepts):
    concepts.save(tmp_path / "concepts.npz")
    with pytest.raises(
        ValueError, match=r"`path` must be a file written by `Null.save`"
    ):
        ij.Null.load(tmp_path / "concepts.npz")
