"""Concepts from files: one table from every kind, arrays, and misuse."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import scipy.sparse as sp

import invert_jax
from invert_jax.concepts.files.reading import from_file
from invert_jax.concepts.table import Concepts
from tests.concepts.files.written_files import ids_of, written


@pytest.fixture
def concepts(rng):
    masks = rng.random((60, 4)) < 0.3
    ids = [f"image_{i:03}.jpg" for i in rng.permutation(60)]
    return Concepts.from_masks(masks, ["cat", "a & b", "é", "all"], ids=ids)


def columns_of(concepts):
    columns = zip(concepts.names, concepts.masks().T, strict=True)
    return {"file_name": ids_of(concepts).tolist()} | {
        k: v.tolist() for k, v in columns
    }


def write_npz(concepts, path):
    path = path.with_suffix(".npz")
    names = np.array(concepts.names)
    np.savez(path, masks=concepts.masks(), names=names, ids=concepts.ids)
    return path


def write_npz_of_numbers_and_bytes(concepts, path):
    path = path.with_suffix(".npz")
    names = np.array([name.encode() for name in concepts.names])
    masks = concepts.masks().astype(np.float32)
    np.savez(path, masks=masks, names=names, ids=np.array(concepts.ids, "S"))
    return path


def write_saved(concepts, path):
    concepts.save(path.with_suffix(".npz"))
    return path.with_suffix(".npz")


def write_csv(concepts, path):
    path = path.with_suffix(".csv")
    pyarrow.csv.write_csv(pa.table(columns_of(concepts)), path)
    return path


def write_csv_of_numbers_compressed(concepts, path):
    columns = columns_of(concepts)
    lines = [",".join(f'"{name}"' for name in columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join([row[0], *(f"{value:.1f}" for value in row[1:])]))
    path = path.with_suffix(".csv.gz")
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def write_tsv(concepts, path):
    path = path.with_suffix(".tsv")
    options = pyarrow.csv.WriteOptions(delimiter="\t")
    pyarrow.csv.write_csv(pa.table(columns_of(concepts)), path, options)
    return path


def write_parquet(concepts, path):
    path = path.with_suffix(".parquet")
    pyarrow.parquet.write_table(pa.table(columns_of(concepts)), path, row_group_size=7)
    return path


def write_parquet_of_bytes_and_dictionary_ids(concepts, path):
    path = path.with_suffix(".pq")
    table = pa.table(columns_of(concepts))
    columns = [table.column(0).dictionary_encode()]
    columns += [column.cast(pa.uint8()) for column in table.columns[1:]]
    pyarrow.parquet.write_table(pa.table(columns, table.column_names), path)
    return path


def write_pandas_csv(concepts, path):
    path = path.with_suffix(".csv")
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame(columns_of(concepts)).astype({"cat": int}).to_csv(path)
    return path


def write_pandas_parquet(concepts, path):
    path = path.with_suffix(".parquet")
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(columns_of(concepts)).set_index("file_name")
    frame.to_parquet(path)
    return path


def write_records(concepts, path):
    columns = columns_of(concepts)
    rows = zip(*columns.values(), strict=True)
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    return written(path.with_suffix(".json"), records)


def write_json_masks(concepts, path):
    content = {"names": concepts.names, "ids": ids_of(concepts).tolist()}
    content["masks"] = concepts.masks().astype(int).tolist()
    return written(path.with_suffix(".json"), content)


def write_json_indices(concepts, path):
    content = {"names": concepts.names, "ids": ids_of(concepts).tolist()}
    content["indices"] = [np.flatnonzero(row).tolist() for row in concepts.masks()]
    return written(path.with_suffix(".json"), content)


@pytest.mark.parametrize(
    "write",
    [
        write_npz,
        write_npz_of_numbers_and_bytes,
        write_saved,
        write_csv,
        write_csv_of_numbers_compressed,
        write_tsv,
        write_parquet,
        write_parquet_of_bytes_and_dictionary_ids,
        write_pandas_csv,
        write_pandas_parquet,
        write_records,
        write_json_masks,
        write_json_indices,
    ],
)
def test_every_kind_of_file_gives_the_same_concepts(concepts, tmp_path, write):
    read = from_file(write(concepts, tmp_path / "concepts"))
    assert read.names == concepts.names
    assert read.fingerprint() == concepts.fingerprint()


def test_the_reader_is_exported_where_users_look(concepts, tmp_path):
    path = write_npz(concepts, tmp_path / "concepts")
    assert invert_jax.concepts.from_file(path).num_samples == 60


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


def test_the_references_pair_gives_offsets_as_names(tmp_path):
    np.savez(tmp_path / "labels.npz", np.array([[1, 0], [0, 1]], bool))
    fish = {"name": "tench.n.01", "definition": "a fish", "offset": "n01440764"}
    gold = {"name": "goldfish.n.01", "definition": "gold", "offset": "n01443537"}
    path = written(tmp_path / "classes.json", {"0": fish, "1": gold})
    concepts = from_file(tmp_path / "labels.npz", names=path)
    assert concepts.names == ("n01440764", "n01443537")
    assert concepts.descriptions == ("tench.n.01: a fish", "goldfish.n.01: gold")
    assert concepts.masks().astype(int).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"0": {"offset": "a"}}, "1 names for 2 concepts"),
        ({"0": {"offset": "a"}, "1": {"offset": "a"}}, "more than once: 'a'"),
        ({"1": {"offset": "a"}, "0": {"offset": "b"}}, "got '1' as number 0"),
        ({"0": {"name": "a"}, "1": {"name": "b"}}, "'0' must have an `offset`"),
        ({"0": 1, "1": 2}, "'0' must have an `offset`"),
        ({}, "list of names"),
        ([1, 2], "list of names"),
        ("[", "cannot be read as names"),
    ],
)
def test_labels_and_description_that_do_not_fit_are_refused(
    tmp_path, description, message
):
    np.savez(tmp_path / "labels.npz", np.eye(2, dtype=bool))
    path = written(tmp_path / "classes.json", description)
    with pytest.raises(ValueError, match=message):
        from_file(tmp_path / "labels.npz", names=path)


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


def test_what_is_no_file_of_a_known_kind_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"file that exists; got .*none\.csv"):
        from_file(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"got the folder.*from_tfds"):
        from_file(tmp_path)
    with pytest.raises(ValueError, match=r"must end in \.npz, .*; got a\.xlsx"):
        from_file(written(tmp_path / "a.xlsx", ""))
    with pytest.raises(ValueError, match=r"must end in"):
        from_file(written(tmp_path / "concepts", ""))
    with pytest.raises(FileNotFoundError, match="a list of names or a file"):
        np.save(tmp_path / "a.npy", np.eye(2))
        from_file(tmp_path / "a.npy", names="none.txt")
