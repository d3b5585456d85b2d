"""Damaged files: whatever the bytes, only our errors come out, and they say which file.

Every file is cut at many places, has bytes changed, and is replaced by noise.
"""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import scipy.sparse as sp

from invert_jax.concepts.files.reading import from_file
from invert_jax.concepts.table import Concepts

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


ODD_VALUES: list[Any] = [
    None, True, False, -1, 0, 1, 2**31, 2**63, 2**80, 0.5, 1e308, float("nan"),
    float("inf"), "", " ", "a", "\ud800", "\0", [], [1], [[]], [[1, 0]], ["a", "a"],
    {}, {"id": 1}, {"a": []}, [None], [{}], [True], ["a", 1],
]  # fmt: skip

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


def spoiled(content, rng):
    """The content with an odd value in the place of one of its parts."""
    if not isinstance(content, dict | list) or not content or rng.random() < 0.15:
        return ODD_VALUES[rng.integers(len(ODD_VALUES))]
    if isinstance(content, list):
        place = int(rng.integers(len(content)))
        changed = spoiled(content[place], rng)
        return [*content[:place], changed, *content[place + 1 :]]
    key = list(content)[rng.integers(len(content))]
    if rng.random() < 0.1:
        return {name: part for name, part in content.items() if name != key}
    return content | {key: spoiled(content[key], rng)}


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
