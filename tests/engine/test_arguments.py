"""Wrong calls of `explain` and `auroc`: each has a message that says what is wrong."""

import ml_dtypes
import numpy as np
import pytest

import invert_jax as ij
from invert_jax.activations.reading import read_block
from invert_jax.engine.arguments import checked_neurons, checked_where
from tests import small_runs
from tests.small_runs import NAMES, NUM_SAMPLES, as_in_production, explain


@pytest.fixture(scope="module")
def world():
    return small_runs.make_world()


def refused(error, match, activations, concepts, **changes):
    with as_in_production(), pytest.raises(error, match=match):
        explain(activations, concepts, **changes)


def test_other_samples_are_refused(world):
    match = "must describe the same samples, in the same order; got 59 and 60"
    refused(ValueError, match, world.activations[:-1], world.concepts)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_activations_that_are_not_finite_are_refused(world, value, dtype):
    activations = world.activations.astype(dtype)
    activations[41, 5] = value
    match = (
        f"`activations` must be finite; got {value} for neuron '5' on sample 41. "
        "Samples can be left out by `where`."
    )
    refused(ValueError, match, activations, world.concepts)


def test_what_is_not_finite_is_named_by_layer_neuron_and_sample(world):
    values = world.activations.copy()
    values[[3, 41], 5] = np.nan
    where = np.arange(NUM_SAMPLES) >= 10
    names = [f"unit {j}" for j in range(8)]
    layers = {"conv": ij.Activations(values, names, layer="conv")}
    match = "`activations` of layer 'conv' must be finite; got nan for neuron 'unit 5'"
    refused(ValueError, match + " on sample 41", layers, world.concepts, where=where)


@pytest.mark.parametrize("shape", [(0, 3), (NUM_SAMPLES, 0), (0, 0)])
def test_empty_activations_are_refused(world, shape):
    match = "`activations` must have at least one sample and one neuron; got shape"
    refused(ValueError, match, np.zeros(shape), world.concepts)


@pytest.mark.parametrize("shape", [(), (NUM_SAMPLES,), (NUM_SAMPLES, 2, 3)])
def test_activations_of_other_than_two_axes_are_refused(world, shape):
    match = "`activations` must have two axes, samples and neurons; got shape"
    refused(ValueError, match, np.zeros(shape), world.concepts)


@pytest.mark.parametrize("dtype", [object, complex, str, bytes, "datetime64[s]"])
def test_activations_that_are_no_real_numbers_are_refused(world, dtype):
    activations = np.zeros((NUM_SAMPLES, 2), int).astype(dtype)
    match = "`activations` must be real numbers; got dtype"
    refused(TypeError, match, activations, world.concepts)
    match = "`activations` of layer 'fc' must be real numbers; got dtype"
    refused(TypeError, match, {"fc": activations}, world.concepts)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="no wide floats")
def test_activations_of_more_than_64_bits_are_refused(world):
    activations = world.activations.astype(np.longdouble)
    match = "`activations` must have at most 64 bits per number; got dtype .*float64"
    refused(TypeError, match, activations, world.concepts)


def test_no_layer_at_all_is_refused(world):
    match = "`activations` must hold at least one layer; got none"
    refused(ValueError, match, {}, world.concepts)


def test_masks_instead_of_concepts_are_refused(world):
    match = "`concepts` must be a Concepts table; got ndarray.*Concepts.from_masks"
    refused(TypeError, match, world.activations, world.masks)


@pytest.mark.parametrize(
    "ids, match",
    [
        (np.arange(NUM_SAMPLES)[::-1], "sample 0 has the id .*59.* in one and .*0"),
        (
            [str(i) for i in range(NUM_SAMPLES)],
            r"must use the same ids; got .*'0'.* and .*0",
        ),
    ],
)
def test_ids_that_differ_are_refused(world, ids, match):
    activations = ij.Activations(world.activations, ids=np.asarray(ids))
    concepts = world.concepts.with_ids(np.arange(NUM_SAMPLES))
    refused(ValueError, match, activations, concepts)


def test_concepts_can_be_aligned_as_the_message_says(world):
    ids = np.arange(NUM_SAMPLES)[::-1]
    activations = ij.Activations(world.activations, ids=ids)
    aligned = world.concepts.with_ids(np.arange(NUM_SAMPLES)).align(activations.ids)
    assert explain(activations, aligned).num_neurons == 8


def test_ids_of_one_side_alone_are_no_error(world):
    concepts = world.concepts.with_ids(np.arange(NUM_SAMPLES))
    assert explain(world.activations, concepts).num_neurons == 8


@pytest.mark.parametrize(
    "where, error, match",
    [
        (np.ones(NUM_SAMPLES, int), TypeError, "`where` must be boolean; got dtype"),
        (np.ones(59, bool), ValueError, "each of the 60 samples; got shape"),
        (np.ones((NUM_SAMPLES, 1), bool), ValueError, "each of the 60 samples; got"),
        (np.zeros(NUM_SAMPLES, bool), ValueError, "true of at least one sample; got"),
    ],
)
def test_a_where_that_is_no_mask_is_refused(world, where, error, match):
    refused(error, match, world.activations, world.concepts, where=where)


@pytest.mark.parametrize(
    "neurons, match",
    [
        ([], "must be a list of whole numbers, not empty"),
        ([0.0], "must be a list of whole numbers, not empty"),
        ([[0]], "must be a list of whole numbers, not empty"),
        (3, "must be a list of whole numbers, not empty"),
        ([True, False], "must be a list of whole numbers, not empty"),
        (["0"], "must be a list of whole numbers, not empty"),
        ([0, 8], r"must be in \[0, 7\]; got 8"),
        ([-1], r"must be in \[0, 7\]; got -1"),
        ([1, 2, 1], "must be distinct; got one of them twice"),
    ],
)
def test_neurons_that_are_no_indices_are_refused(world, neurons, match):
    match = f"`neurons` {match}"
    refused(ValueError, match, world.activations, world.concepts, neurons=neurons)


@pytest.mark.parametrize(
    "setting, value, error, match",
    [
        ("min_fraction", -0.1, ValueError, r"`min_fraction` must be in \[0, 1\]"),
        ("max_fraction", 1.1, ValueError, r"`max_fraction` must be in \[0, 1\]"),
        ("min_fraction", np.nan, ValueError, r"must be in \[0, 1\]; got nan"),
        ("min_fraction", 0.6, ValueError, "must not exceed `max_fraction`"),
        ("beam_size", 0, ValueError, "`beam_size` must be at least 1; got 0"),
        ("beam_size", 2.5, TypeError, "`beam_size` must be a whole number; got 2.5"),
        ("max_length", 0, ValueError, "`max_length` must be at least 1; got 0"),
        ("max_length", "3", TypeError, "`max_length` must be a whole number; got '3'"),
        ("num_literals", 3, ValueError, "`num_literals` must be even"),
        ("sign", "up", ValueError, "`sign` must be 'positive' or 'negative'; got 'up'"),
        ("objective", "iou", ValueError, "`objective` must be 'auroc'; got 'iou'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(world, setting, value, error, match):
    changes = {setting: value}
    refused(error, match, world.activations, world.concepts, **changes)


def test_a_setting_that_does_not_exist_is_refused(world):
    refused(TypeError, "mode", world.activations, world.concepts, mode="positive")


@pytest.mark.parametrize("budget", [0, (1 << 20) - 1, 1e9, "1GB"])
def test_a_memory_budget_that_is_none_is_refused(budget):
    match = "`memory_budget` must be a whole number of bytes, at least"
    with as_in_production(), pytest.raises(ValueError, match=match):
        ij.Options(memory_budget=budget)


def test_no_devices_at_all_are_refused():
    with pytest.raises(ValueError, match="`devices` must hold at least one device"):
        ij.Options(devices=[])


@pytest.mark.parametrize(
    "values, match",
    [
        (np.full((4, 1), 2), "`masks` must be boolean.*got 2 for sample 0"),
        (np.full((4, 1), np.nan), "`masks` must be boolean.*got nan for sample 0"),
    ],
)
def test_masks_that_are_neither_true_nor_false_are_refused(values, match):
    with pytest.raises(ValueError, match=match):
        ij.Concepts.from_masks(values, ["a"])


@pytest.mark.parametrize(
    "names, match",
    [
        (["a"], "`names` must have one name per concept; got 1 names for 2"),
        (["a", "b", "c"], "`names` must have one name per concept; got 3 names for 2"),
        (["a", "a"], "`names` must be unique; got more than once: 'a'"),
    ],
)
def test_names_too_few_too_many_or_double_are_refused(names, match):
    with pytest.raises(ValueError, match=match):
        ij.Concepts.from_masks(np.eye(3, 2, dtype=bool), names)


class Recorded:
    """A matrix that notes which columns are read."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.read = []

    def __getitem__(self, index):
        self.read.append((index[1].start, index[1].stop))
        return self.values[index]


def test_neurons_in_a_row_are_read_together(world):
    matrix = Recorded(world.activations)
    block = read_block(ij.Activations(matrix), np.array([2, 3, 4]), None)
    np.testing.assert_array_equal(block, world.activations[:, 2:5])
    assert matrix.read == [(2, 5)]


@pytest.mark.parametrize("neurons", [[4, 3], [0, 2], [1, 0, 2], [5]])
def test_neurons_in_any_order_are_read_as_asked_for(world, neurons):
    matrix = Recorded(world.activations)
    samples = np.array([7, 9, 11])
    block = read_block(ij.Activations(matrix), np.array(neurons), samples)
    np.testing.assert_array_equal(block, world.activations[samples][:, neurons])


def test_no_neurons_given_are_all_of_them():
    np.testing.assert_array_equal(checked_neurons(None, 3), [0, 1, 2])
    np.testing.assert_array_equal(
        checked_neurons(np.array([2, 0], np.uint8), 3), [2, 0]
    )


def test_a_where_gives_the_samples_that_count():
    assert checked_where(None, 3) is None
    assert checked_where([True] * 3, 3) is None
    samples = checked_where([True, False, True], 3)
    assert samples is not None and samples.tolist() == [0, 2]


def test_names_of_the_world_are_those_of_its_columns(world):
    assert world.concepts.names == NAMES
