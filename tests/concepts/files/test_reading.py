"""Concepts from files: one table from every kind, misuse, and damage.

Whatever the bytes, only our errors come out, and they say which file: every file is cut
at many places, has bytes changed, and is replaced by noise.
"""

import gzip
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import scipy.sparse as sp

import invert_jax
from invert_jax.concepts.files.reading import from_file
from invert_jax.concepts.table import Concepts
from tests.concepts.files.written_files import spoiled, written
from tests.concepts.random_tables import ids_of


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


def test_names_and_classes_may_be_arrays(tmp_path):
    np.savez(tmp_path / "masks.npz", masks=np.eye(2, dtype=bool))
    table = from_file(tmp_path / "masks.npz", names=np.array(["cat", "dog"]))
    assert table.names == ("cat", "dog")
    path = written(tmp_path / "t.csv", "id,color\na,red\nb,blue\n")
    table = from_file(path, classes=np.array(["color"]))
    assert table.names == ("color=blue", "color=red")


NUM_TRIALS = 150


def make_file(kind, path, rng):
    masks = rng.random((50, 5)) < 0.3
    names = ["a", "b", "c", "d", "e"]
    ids = [f"image_{i}" for i in range(50)]
    columns = {"id": ids} | dict(zip(names, masks.T.tolist(), strict=True))
    if kind == "saved.npz":
        Concepts.from_masks(masks, names, ids=ids).save(path)
    elif kind == "plain.npz":
        np.savez(path, masks=masks, names=names, ids=ids)
    elif kind == "sparse.npz":
        sp.save_npz(path, sp.csr_array(masks))
    elif kind == "masks.npy":
        np.save(path, masks)
    elif kind == "table.csv":
        pyarrow.csv.write_csv(pa.table(columns), path)
    elif kind == "table.parquet":
        pyarrow.parquet.write_table(pa.table(columns), path)
    elif kind == "records.json":
        rows = zip(*columns.values(), strict=True)
        path.write_text(
            json.dumps([dict(zip(columns, row, strict=True)) for row in rows])
        )
    elif kind == "instances.json":
        path.write_text(json.dumps(coco(masks)))
    path.with_suffix(".txt").write_text("a\nb\nc\nd\ne\n")


def coco(masks):
    annotations = [
        {"id": i, "image_id": int(image), "category_id": int(c), "bbox": [1, 2, 3, 4]}
        for i, (image, c) in enumerate(np.argwhere(masks))
    ]
    return {
        "images": [{"id": i, "file_name": f"{i}.jpg"} for i in range(len(masks))],
        "annotations": annotations,
        "categories": [
            {"id": i, "name": f"c{i}", "supercategory": f"s{i % 2}"} for i in range(5)
        ],
    }


KINDS = [
    "saved.npz",
    "plain.npz",
    "sparse.npz",
    "masks.npy",
    "table.csv",
    "table.parquet",
    "records.json",
    "instances.json",
]


def damaged(content, trial, rng):
    """The content cut, changed at some places, mixed with noise, or only noise."""
    how, size = trial % 4, len(content)
    if how == 0:
        return content[: rng.integers(size)]
    if how == 1:
        changed = bytearray(content)
        for place in rng.integers(size, size=rng.integers(1, 6)):
            changed[place] = rng.integers(256)
        return bytes(changed)
    if how == 2:
        start = rng.integers(size)
        noise = rng.bytes(rng.integers(1, 40))
        return content[:start] + noise + content[start + len(noise) * (trial % 8 < 4) :]
    magic = content[: rng.integers(9)]
    return magic + rng.bytes(rng.integers(2000))


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_gives_concepts_or_an_error_that_names_it(kind, tmp_path, rng):
    path = tmp_path / kind
    make_file(kind, path, rng)
    content = path.read_bytes()
    assert from_file(path).num_samples == 50
    num_refused = 0
    for trial in range(NUM_TRIALS):
        path.write_bytes(damaged(content, trial, rng))
        try:
            from_file(path)
        except (ValueError, TypeError) as error:
            num_refused += 1
            assert type(error) in (ValueError, TypeError)
            assert str(path) in str(error)
            assert "Type-check" not in str(error), "our own check, not the test's"
    assert num_refused > NUM_TRIALS // 3


JSON_CONTENTS: dict[str, Any] = {
    "masks": {"names": ["a", "b"], "masks": [[1, 0], [0, 1]], "ids": ["x", "y"]},
    "labels": {"names": ["a", "b"], "labels": [1, 0], "descriptions": ["x", "y"]},
    "indices": {"names": ["a", "b"], "indices": [[1], [0, 1], []]},
    "tags": {"x": ["a"], "y": ["a", "b"]},
    "records": [{"id": "x", "a": 1, "b": True}, {"id": "y", "a": 0, "b": False}],
    "coco": {
        "images": [{"id": 1, "file_name": "x", "width": 9, "height": 9}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
        ],
        "categories": [{"id": 1, "name": "a", "supercategory": "b"}],
    },
}


@pytest.mark.parametrize("kind", JSON_CONTENTS)
def test_odd_values_in_json_give_concepts_or_an_error_that_names_the_file(
    kind, tmp_path, rng
):
    path = tmp_path / "content.json"
    boxes = (2, 3) if kind == "coco" else None
    num_refused = 0
    for _ in range(NUM_TRIALS):
        path.write_text(json.dumps(spoiled(JSON_CONTENTS[kind], rng)))
        try:
            from_file(path, boxes=boxes)
        except (ValueError, TypeError) as error:
            num_refused += 1
            assert type(error) in (ValueError, TypeError)
            assert str(path) in str(error)
    assert num_refused > NUM_TRIALS // 3


ODD_ARRAYS = [
    np.zeros(0), np.zeros((0, 2)), np.zeros((2, 0)), np.zeros((2, 2, 2)), np.array(1),
    np.array("a"), np.array(["a", "a"]), np.array([b"\xff", b"b"]), np.arange(2),
    np.array([-1, 1]), np.array([2**63], np.uint64), np.array([0.5, 1.0]),
    np.array([np.nan, 0.0]), np.array([1j, 0]), np.array(["", "b"]), np.ones((2, 3)),
    np.zeros(2, "M8[s]"), np.zeros(2, [("x", "i4")]), np.array([True, False]),
    np.frombuffer(b'["a", 1]', np.uint8), np.frombuffer(b"[", np.uint8),
    np.frombuffer(b'{"a": 1}', np.uint8), np.zeros(2, "V3"), np.ones((2, 2), np.int8),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["saved.npz", "plain.npz", "sparse.npz"])
def test_odd_arrays_give_concepts_or_an_error_that_names_the_file(kind, tmp_path, rng):
    path = tmp_path / kind
    make_file(kind, path, rng)
    arrays = dict(np.load(path))
    num_refused = 0
    for key in arrays:
        for odd in ODD_ARRAYS:
            np.savez(path, **(arrays | {key: odd}))
            try:
                from_file(path)
            except (ValueError, TypeError) as error:
                num_refused += 1
                assert type(error) in (ValueError, TypeError)
                assert str(path) in str(error)
    assert num_refused > len(arrays) * len(ODD_ARRAYS) // 2
