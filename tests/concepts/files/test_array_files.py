"""Concepts from npz and npy files."""

import numpy as np
import pytest
import scipy.sparse as sp

from invert_jax.concepts.files.reading import from_file
from invert_jax.concepts.table import Concepts
from tests.concepts.files.written_files import written
from tests.concepts.random_tables import random_masks


@pytest.fixture
def concepts(rng):
    ids = [f"image_{i:03}.jpg" for i in rng.permutation(60)]
    masks = random_masks(rng, 60, 4)
    return Concepts.from_masks(masks, ["cat", "a & b", "é", "all"], ids=ids)


@pytest.mark.parametrize("save", [sp.csr_array, sp.csc_array, sp.coo_array])
def test_a_scipy_sparse_file_takes_its_names_from_a_file_beside_it(
    concepts, tmp_path, save
):
    path = tmp_path / "masks.npz"
    sp.save_npz(path, save(concepts.masks()))
    given = from_file(path, names=concepts.names, ids=concepts.ids)
    assert given.fingerprint() == concepts.fingerprint()
    written(tmp_path / "masks.txt", "\n".join(concepts.names) + "\n")
    assert from_file(path).names == concepts.names
    written(tmp_path / "masks.json", ["x", "y", "z", "w"])
    assert from_file(path).names == ("x", "y", "z", "w")


def test_labels_in_an_npz_or_npy_file_become_classes(tmp_path):
    labels, names = np.array([1, 0, 1]), ["cat", "dog"]
    np.savez(tmp_path / "a.npz", labels=labels, names=names)
    np.save(tmp_path / "b.npy", labels)
    expected = Concepts.from_labels(labels, names).fingerprint()
    assert from_file(tmp_path / "a.npz").fingerprint() == expected
    assert from_file(tmp_path / "b.npy", names=names).fingerprint() == expected


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ({"masks": np.ones((2, 2))}, ValueError, "no `names`.*concepts.txt"),
        ({"x": np.ones(2), "y": np.ones(2)}, ValueError, "must hold `masks`.*got x, y"),
        ({"names": np.array(["a"])}, ValueError, "must hold `masks`"),
        ({"masks": np.ones((2, 1)), "names": np.ones(1)}, TypeError, "must be text"),
        ({"masks": np.full((1, 1), 2), "names": np.array(["a"])}, ValueError, "got 2"),
        (
            {"masks": np.ones((1, 2)), "names": np.array(["a", "a"])},
            ValueError,
            "more than once: 'a'",
        ),
        (
            {"masks": np.ones((2, 1)), "names": np.array(["a"]), "ids": np.zeros(2)},
            TypeError,
            "whole numbers or strings; got dtype float64",
        ),
        ({"names": np.array([None])}, ValueError, "pickled"),
        (
            {"format": b"csr", "shape": [1, 1], "data": [1, 1, 1]},
            ValueError,
            "as a scipy.sparse matrix",
        ),
    ],
)
def test_arrays_that_are_no_concepts_are_refused(tmp_path, arrays, error, message):
    path = tmp_path / "concepts.npz"
    np.savez(path, **arrays)
    with pytest.raises(error, match=message) as raised:
        from_file(path)
    assert str(path) in str(raised.value)


def test_a_saved_table_keeps_its_own_names(concepts, tmp_path):
    concepts.save(tmp_path / "saved.npz")
    with pytest.raises(ValueError, match="its own names and ids"):
        from_file(tmp_path / "saved.npz", names=["a", "b", "c", "d"])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"masks": np.eye(2), "labels": np.arange(2)}, "got both"),
        ({"masks": np.arange(2)}, r"`masks` must be \[samples, concepts\]; got one"),
    ],
)
def test_an_npz_file_that_is_not_clear_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "t.npz", names=np.array(["a", "b"]), **arrays)
    with pytest.raises(ValueError, match=message):
        from_file(tmp_path / "t.npz")


def test_an_array_that_is_not_as_large_as_it_says_is_refused(tmp_path):
    with (tmp_path / "masks.npy").open("wb") as file:
        header = {"descr": "|b1", "fortran_order": False, "shape": (2**40, 2)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(ValueError, match=r"has 128 bytes, where its header asks for"):
        from_file(tmp_path / "masks.npy", names=["a", "b"])
