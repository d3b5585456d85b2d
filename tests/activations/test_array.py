import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from invert_jax.activations.array import Activations, checked_names


class Lazy:
    """A matrix on disk, as the engine sees it: only slices of neurons are read."""

    def __init__(self, values: np.ndarray) -> None:
        self.stored, self.reads = values, 0
        self.shape, self.dtype = values.shape, values.dtype

    def __getitem__(self, index):
        self.reads += 1
        return self.stored[index]


def test_an_array_is_wrapped_as_it_is():
    values = np.arange(6.0).reshape(3, 2)
    activations = Activations(values, ("a", "b"), ids=np.array([4, 5, 6]), layer="fc")

    assert activations.values is values
    assert activations.shape == (3, 2)
    assert (activations.num_samples, activations.num_neurons) == (3, 2)
    assert (activations.names, activations.layer) == (("a", "b"), "fc")
    assert len(activations) == 3 and activations.ndim == 2
    np.testing.assert_array_equal(activations, values)


def test_neurons_without_names_are_numbered():
    assert Activations(np.zeros((1, 3))).names == ("0", "1", "2")
    assert Activations(np.zeros((1, 0))).names == ()


def test_a_block_reads_only_its_neurons(rng):
    lazy = Lazy(rng.normal(size=(5, 4)))
    activations = Activations(lazy)

    block = activations.block(1, 3)

    np.testing.assert_array_equal(block, lazy.stored[:, 1:3])
    assert lazy.reads == 1
    np.testing.assert_array_equal(np.asarray(activations), lazy.stored)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, bool])
def test_real_dtypes_are_kept(dtype):
    activations = Activations(np.ones((2, 2), dtype))
    assert activations.dtype == dtype
    assert np.asarray(activations).dtype == dtype


def test_arrays_on_a_device_are_taken():
    np.testing.assert_array_equal(Activations(jnp.eye(2)), np.eye(2))


def test_asking_for_a_dtype_or_a_copy_is_obeyed():
    values = np.ones((2, 2), np.float32)
    activations = Activations(values)
    assert np.asarray(activations, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(activations), values)
    assert np.shares_memory(np.asarray(activations), values)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (np.array([1, 2], np.uint8), np.array([1, 2])),
        (np.array(["x", "yy"]), np.array(["x", "yy"])),
        (np.array(["x", "yy"], object), np.array(["x", "yy"])),
        (np.array([b"x", b"yy"]), np.array(["x", "yy"])),
    ],
)
def test_ids_become_whole_numbers_or_strings(ids, expected):
    got = Activations(np.zeros((2, 1)), ids=ids).ids
    np.testing.assert_array_equal(got, expected, strict=True)


def test_the_text_names_shape_type_and_layer():
    text = repr(Activations(np.zeros((2, 3), np.float32), layer="block_1"))
    assert text == "Activations(2 samples, 3 neurons, float32, layer='block_1')"


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"values": np.zeros(3)}, ValueError, "`values` must have two axes"),
        ({"values": np.zeros((2, 2, 2))}, ValueError, "Pool or reshape"),
        ({"values": np.zeros((2, 2), complex)}, TypeError, "real numbers"),
        ({"values": np.array([["a", "b"]])}, TypeError, "real numbers"),
        ({"values": np.array([[None, 1]])}, TypeError, "real numbers"),
        ({"names": ("a",)}, ValueError, "got 1 for 2 neurons"),
        ({"names": ("a", "b", "c")}, ValueError, "got 3 for 2 neurons"),
        ({"names": ("a", "a")}, ValueError, "'a' twice"),
        ({"names": "ab"}, TypeError, "sequence of strings"),
        ({"ids": np.arange(3)}, ValueError, r"shape \(3,\) for 2 samples"),
        ({"ids": np.zeros((2, 1), int)}, ValueError, "on one axis"),
        ({"ids": np.array([0.5, 1.5])}, TypeError, "whole numbers or strings"),
    ],
)
def test_wrong_parts_are_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        Activations(**({"values": np.zeros((2, 2))} | wrong))


@pytest.mark.parametrize(("start", "stop"), [(-1, 1), (0, 3), (2, 1)])
def test_a_block_outside_the_neurons_is_refused(start, stop):
    with pytest.raises(ValueError, match="0 <= start <= stop <= 2"):
        Activations(np.zeros((2, 2))).block(start, stop)


def test_names_that_are_no_strings_are_refused():
    with pytest.raises(TypeError, match="must be strings; got 1"):
        checked_names(("a", 1), 2)


def halves(rng):
    values = rng.normal(size=(9, 4)).astype(np.float32)
    parts = [
        Activations(Lazy(part), ids=ids, layer="fc")
        for part, ids in [(values[:5], np.arange(5)), (values[5:], np.arange(5, 9))]
    ]
    return values, parts


@pytest.mark.parametrize(
    "cut", [np.s_[:, :], np.s_[3:7, 1:2], np.s_[6:], np.s_[8:0:-3, ::2], np.s_[2:2, :]]
)
def test_stacked_samples_are_read_as_one_matrix(rng, cut):
    values, (first, second) = halves(rng)
    stacked = first.stack(second)
    np.testing.assert_array_equal(stacked.values[cut], values[cut], strict=True)
    assert stacked.ids is not None and stacked.ids.tolist() == list(range(9))
    assert (stacked.shape, stacked.layer) == ((9, 4), "fc")


def test_three_parts_are_stacked_one_after_the_other(rng):
    parts = [Activations(rng.normal(size=(2, 3))) for _ in range(3)]
    stacked = parts[0].stack(parts[1]).stack(parts[2])
    np.testing.assert_array_equal(stacked, np.concatenate(parts))
    assert stacked.ids is None


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"values": np.ones((1, 3), np.float32)}, "got .'0', '1', '2'. to stack"),
        ({"values": np.ones((1, 4))}, "must have the same dtype; got dtype.'float64'"),
        ({"layer": "head"}, "must have the same layer; got 'head' to stack on 'fc'"),
        ({"ids": None}, "must have ids if this has"),
        ({"ids": np.array(["a"])}, "of the same kind; got dtype kinds i and U"),
        ({"ids": np.array([3])}, "must hold other samples; got 3 in both"),
    ],
)
def test_what_cannot_be_stacked_is_refused(rng, other, message):
    _, (first, _) = halves(rng)
    parts = {
        "values": np.ones((1, 4), np.float32),
        "ids": np.array([9]),
        "layer": "fc",
    } | other
    with pytest.raises(ValueError, match=message):
        first.stack(Activations(**parts))
