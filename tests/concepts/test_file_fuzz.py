"""Damaged files: whatever the bytes, only our errors come out, and they say which file.

Every file is cut at many places, has bytes changed, and is replaced by noise.
"""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import scipy.sparse as sp

from invert_jax.concepts.files import from_file
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
