"""Activations read from what a user has."""

import os

import numpy as np
import pytest

from invert_jax.activations import Activations, Batch, collect, open_store
from invert_jax.activations.store.opening import read_activations


@pytest.fixture
def values(rng):
    return rng.normal(size=(20, 5)).astype(np.float32)


def test_an_npy_file_is_mapped_into_memory(tmp_path, values):
    np.save(tmp_path / "layer4.npy", values)
    layer = read_activations(tmp_path / "layer4.npy")
    assert isinstance(layer, Activations) and layer.layer == "layer4"
    assert isinstance(layer.values, np.memmap)
    np.testing.assert_array_equal(layer, values)


def test_an_hdf5_file_is_one_layer(tmp_path, values):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "layer4.h5", "w") as file:
        file["Y"] = values
    layer = read_activations(tmp_path / "layer4.h5")
    assert isinstance(layer, Activations) and layer.layer == "layer4"
    np.testing.assert_array_equal(layer.block(1, 3), values[:, 1:3])


@pytest.mark.parametrize("name", ["activations", "values"])
def test_an_npz_file_may_bring_names_and_ids(tmp_path, values, name):
    names, ids = list("abcde"), np.arange(20) + 7
    np.savez(tmp_path / "acts.npz", **{name: values}, names=names, ids=ids)
    layer = read_activations(tmp_path / "acts.npz")
    assert isinstance(layer, Activations) and layer.layer == "acts"
    assert layer.names == tuple(names) and layer.ids is not None
    assert layer.ids.tolist() == ids.tolist()
    np.testing.assert_array_equal(layer, values)


def test_an_npz_file_may_hold_several_layers_of_the_same_samples(tmp_path, values):
    ids = np.arange(20)
    np.savez(tmp_path / "acts.npz", a=values, b=values[:, :2], ids=ids)
    layers = read_activations(tmp_path / "acts.npz")
    assert isinstance(layers, dict) and list(layers) == ["a", "b"]
    assert layers["b"].layer == "b" and layers["b"].shape == (20, 2)
    assert layers["a"].ids is not None and layers["a"].ids.tolist() == ids.tolist()


def test_a_store_is_opened_by_its_folder_or_address(tmp_path, values):
    store = tmp_path / "acts"
    collect(lambda x: {"twice": 2 * x}, [Batch(values)], store=store, progress=False)
    for place in (store, str(store), f"file://{store}"):
        layers = read_activations(place)
        assert isinstance(layers, dict)
        np.testing.assert_array_equal(layers["twice"], 2 * values)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.95])
def test_a_file_that_is_cut_short_is_refused(tmp_path, values, suffix, kept):
    path = tmp_path / f"acts.{suffix}"
    save = np.save if suffix == "npy" else np.savez
    save(path, values)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    message = rf"acts\.{suffix} cannot be read as {suffix}.*cut short, damaged or"
    with pytest.raises(ValueError, match=message):
        read_activations(path)


def test_pickled_arrays_are_refused(tmp_path):
    pickled = np.array([[{}]])
    np.save(tmp_path / "acts.npy", pickled, allow_pickle=True)
    np.savez(tmp_path / "acts.npz", activations=pickled)
    for name in ("acts.npy", "acts.npz"):
        with pytest.raises(ValueError, match="damaged or pickled"):
            read_activations(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.npy", r"none\.npy does not exist"),
        ("folder", "must be a store of activations"),
        ("notes.txt", r"must be a file ending in \.npy, \.npz or \.h5, or a store"),
        ("really_npy.npz", r"is an npy file; its name must end in \.npy"),
        ("ids.npz", r"must hold `activations` \[samples, neurons\].*got ids"),
        ("flat.npy", "two axes, samples and neurons"),
    ],
)
def test_what_is_no_activations_is_refused(tmp_path, values, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    np.save(tmp_path / "flat.npy", values.ravel())
    (tmp_path / "really_npy.npz").write_bytes((tmp_path / "flat.npy").read_bytes())
    np.savez(tmp_path / "ids.npz", ids=np.arange(3))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_activations(tmp_path / name)


def test_numpy_files_are_read_like_stores(rng, tmp_path):
    values = rng.normal(size=(20, 5)).astype(np.float32)
    np.save(tmp_path / "layer4.npy", values)

    layer = open_store(tmp_path / "layer4.npy")["layer4"]

    assert isinstance(layer.values, np.memmap)
    np.testing.assert_array_equal(layer.block(1, 3), values[:, 1:3])


def test_damaged_and_pickled_numpy_files_are_refused(rng, tmp_path):
    np.save(tmp_path / "short.npy", rng.normal(size=(20, 5)))
    content = (tmp_path / "short.npy").read_bytes()
    (tmp_path / "short.npy").write_bytes(content[:-100])
    np.save(tmp_path / "pickled.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "empty.npy").write_bytes(b"")
    for name in ("short", "pickled", "empty"):
        with pytest.raises(ValueError, match=r"must be a whole \.npy file"):
            open_store(tmp_path / f"{name}.npy")


def test_the_references_hdf5_files_are_read_like_stores(rng, tmp_path):
    h5py = pytest.importorskip("h5py")
    values = rng.normal(size=(20, 5)).astype(np.float32)
    with h5py.File(tmp_path / "layer4.h5", "w") as file:
        file.create_dataset("Y", data=values, maxshape=(None, 5), chunks=(4, 5))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_dataset("X", data=values)
    (tmp_path / "cut.h5").write_bytes((tmp_path / "layer4.h5").read_bytes()[:200])

    layer = open_store(tmp_path / "layer4.h5")["layer4"]

    np.testing.assert_array_equal(layer.block(1, 3), values[:, 1:3])
    np.testing.assert_array_equal(layer, values)
    with pytest.raises(ValueError, match="a data set 'Y'"):
        open_store(tmp_path / "other.h5")
    with pytest.raises(ValueError, match="must be a whole HDF5 file"):
        open_store(tmp_path / "cut.h5")
    with pytest.raises(FileNotFoundError, match=r"there is no .*none\.npy"):
        open_store(tmp_path / "none.npy")
    with pytest.raises(FileNotFoundError, match=r"there is no .*none\.h5"):
        open_store(tmp_path / "none.h5")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5", ""])
def test_a_pipe_is_no_activations(tmp_path, suffix):
    os.mkfifo(tmp_path / f"acts{suffix}")
    with pytest.raises(ValueError, match="must be a file or a folder"):
        read_activations(tmp_path / f"acts{suffix}")


def test_more_samples_than_a_search_takes_are_refused_unread(tmp_path):
    values = np.broadcast_to(np.zeros((1, 1), np.int8), (16_000_001, 1))
    np.savez_compressed(tmp_path / "acts.npz", activations=values)
    with pytest.raises(ValueError, match=r"activations.npy has 16,000,001 rows, and"):
        read_activations(tmp_path / "acts.npz")
