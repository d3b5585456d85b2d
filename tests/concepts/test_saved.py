"""Tables of concepts that are saved and loaded, whole and damaged."""

import numpy as np
import pytest

from invert_jax.concepts.table import Concepts
from tests.concepts.random_tables import ids_of, named, random_masks


@pytest.mark.parametrize(
    "ids", [None, np.arange(200) * 3, [f"é{i}" for i in range(200)]]
)
@pytest.mark.parametrize("descriptions", [None, [f"text {i}" for i in range(7)]])
def test_a_saved_table_loads_as_it_was(rng, tmp_path, ids, descriptions):
    names = ["a", "b & c", "d\0", "“e”", " f", "g" * 1000, "日本 🐙"]
    masks = random_masks(rng)
    concepts = Concepts.from_masks(masks, names, ids=ids, descriptions=descriptions)
    concepts.save(tmp_path / "table")
    loaded = Concepts.load(tmp_path / "table")
    assert [path.name for path in tmp_path.iterdir()] == ["table"]
    assert loaded.fingerprint() == concepts.fingerprint()
    assert loaded.descriptions == concepts.descriptions
    assert loaded.names == tuple(names)


def test_a_table_that_0_1_0_wrote_loads(tmp_path):
    np.savez_compressed(
        tmp_path / "table.npz",
        names=np.frombuffer(b'["cat", "dog"]', np.uint8),
        rows_indptr=np.array([0, 1, 3], "<i8"),
        rows_indices=np.array([1, 0, 1], "<i4"),
        row_of_sample=np.array([0, 1, 0], "<i4"),
        ids=np.array(["x", "y", "z"]),
        descriptions=np.frombuffer(b'["a pet", ""]', np.uint8),
    )
    concepts = Concepts.load(tmp_path / "table.npz")
    assert concepts.names == ("cat", "dog") and concepts.descriptions == ("a pet", "")
    assert ids_of(concepts).tolist() == ["x", "y", "z"]
    assert concepts.masks().astype(int).tolist() == [[0, 1], [1, 1], [0, 1]]


def test_a_failed_save_leaves_the_old_file(rng, tmp_path, monkeypatch):
    concepts = named(random_masks(rng))
    concepts.save(tmp_path / "table.npz")

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="disk full"):
        named(random_masks(rng, 3)).save(tmp_path / "table.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["table.npz"]
    assert Concepts.load(tmp_path / "table.npz").num_samples == 200


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"exists; got .*none.npz"):
        Concepts.load(tmp_path / "none.npz")
    with pytest.raises(FileNotFoundError, match="folder that exists"):
        named(np.ones((1, 1), bool)).save(tmp_path / "none" / "table.npz")


def test_a_pickled_file_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", names=np.array([{"a": 1}], dtype=object))
    np.save(tmp_path / "b.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    for name in ("a.npz", "b.npy"):
        with pytest.raises(ValueError, match="pickled Python objects, which are never"):
            Concepts.load(tmp_path / name)


def test_a_foreign_npz_file_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", masks=np.ones((2, 2)))
    with pytest.raises(
        ValueError, match="is not a saved concept table: it lacks names"
    ):
        Concepts.load(tmp_path / "a.npz")
    np.save(tmp_path / "b.npy", np.ones(2))
    with pytest.raises(ValueError, match="single array"):
        Concepts.load(tmp_path / "b.npy")


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_short_is_refused(rng, tmp_path, fraction):
    path = tmp_path / "table.npz"
    named(random_masks(rng)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
    with pytest.raises(ValueError, match=r"table.npz cannot be read as npz"):
        Concepts.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row_of_sample": np.array([0, 9])}, "a row that is not there"),
        ({"row_of_sample": np.array([0.5])}, "integers expected"),
        ({"row_of_sample": np.array([], np.int32)}, "a row that is not there"),
        ({"rows_indptr": np.array([0, 5, 1])}, "is damaged"),
        ({"rows_indices": np.array([7])}, "is damaged"),
        ({"rows_indptr": np.array([0])}, "no rows"),
        ({"names": np.array(["a"])}, "text as bytes"),
        ({"names": np.frombuffer(b"{}", np.uint8)}, "a list of texts"),
        ({"names": np.frombuffer(b"[1]", np.uint8)}, "a list of texts"),
        ({"ids": np.array([1, 1])}, "must be unique"),
        ({"descriptions": np.frombuffer(b"[]", np.uint8)}, "one text per concept"),
    ],
)
def test_a_saved_table_that_does_not_fit_together_is_refused(tmp_path, change, message):
    path = tmp_path / "table.npz"
    Concepts.from_masks([[1], [0]], ["a"]).save(path)
    np.savez(path, **{**np.load(path), **change})
    with pytest.raises(ValueError, match=message):
        Concepts.load(path)
