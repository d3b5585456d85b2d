"""Stores as they lie on the disk: read in blocks, checked, of earlier versions."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from invert_jax import disk
from invert_jax.activations.collecting import store_layout
from invert_jax.activations.collecting.collection import collect
from invert_jax.activations.store.format import (
    OLDER_FORMAT,
    RECORD,
    open_root,
    read_record,
)
from invert_jax.activations.store.opening import StoredMatrix, open_store
from tests.activations.stored_layers import IDS, assert_same, gather, make_inputs


@pytest.fixture
def inputs(rng):
    return make_inputs(rng)


def damaged(folder, how):
    files = [file for file in (folder / "layers/1/c").rglob("*") if file.is_file()]
    if how == "missing":
        files[0].unlink()
    elif how == "short":
        files[0].write_bytes(files[0].read_bytes()[:-10])
    elif how == "changed":
        content = bytearray(files[0].read_bytes())
        content[100] ^= 1
        files[0].write_bytes(bytes(content))
    elif how == "record":
        (folder / RECORD).write_text((folder / RECORD).read_text()[:50])
    elif how == "other":
        (folder / RECORD).write_text("{}")
    elif how == "ids":
        (folder / "ids/samples/0.npy").write_bytes(b"")


@pytest.mark.parametrize("how", ["missing", "short", "changed"])
def test_damaged_numbers_are_never_read_as_zeros(how, inputs, tmp_path):
    gather(inputs, tmp_path)
    damaged(tmp_path, how)
    layer = open_store(tmp_path)["first"]
    with pytest.raises(ValueError, match=r"'first' cannot be read.*collect it again"):
        np.asarray(layer)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("record", "is damaged"),
        ("other", "of another, or none"),
        ("ids", "'ids of samples' cannot be read"),
    ],
)
def test_a_damaged_record_is_refused(how, message, inputs, tmp_path):
    gather(inputs, tmp_path)
    damaged(tmp_path, how)
    with pytest.raises(ValueError, match=message):
        open_store(tmp_path)


def test_a_record_with_a_changed_bit_is_refused_or_says_the_same(inputs, tmp_path):
    gather(inputs, tmp_path)
    whole, root = (tmp_path / RECORD).read_bytes(), open_root(tmp_path)
    expected = read_record(root, tmp_path)
    num_refused = 0
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        (tmp_path / RECORD).write_bytes(bytes(changed))
        try:
            assert read_record(root, tmp_path) == expected, place
        except ValueError:
            num_refused += 1
    assert num_refused > len(whole) / 2


def test_ids_with_a_changed_bit_are_refused(inputs, tmp_path):
    gather(inputs, tmp_path)
    path, num_bytes = tmp_path / "ids/samples/0.npy", 0
    whole = path.read_bytes()
    for place in (*range(0, len(whole), 37), len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(bytes(changed))
        with pytest.raises(ValueError, match=r"'ids of samples' cannot be read"):
            open_store(tmp_path)
        num_bytes += 1
    assert num_bytes > 10


def rewritten(folder, change):
    """A record with other values, and the digest that they have."""
    fields = json.loads((folder / RECORD).read_text())
    del fields["digest"]
    change(fields)
    (folder / RECORD).write_text(json.dumps(disk.sealed(fields)))


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.update(num_samples=-1),
        lambda record: record.update(num_samples="100"),
        lambda record: record.update(layers=None),
        lambda record: record["layers"][1].update(num_rows=2.5),
        lambda record: record["layers"][1].update(num_rows=99),
        lambda record: record["layers"][1].update(num_neurons=0),
        lambda record: record["layers"][1].update(dtype="object"),
        lambda record: record["layers"][1].update(chunk=[0, 8, 8]),
        lambda record: record["layers"][1].update(name="tokens"),
        lambda record: record.update(id_parts=[]),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(change, inputs, tmp_path):
    gather(inputs, tmp_path)
    rewritten(tmp_path, change)
    with pytest.raises(ValueError, match="is damaged"):
        open_store(tmp_path)


@pytest.mark.parametrize("change", [{"num_neurons": 7}, {"dtype": "int32"}])
def test_an_array_that_is_not_the_one_of_the_record_is_refused(
    change, inputs, tmp_path
):
    gather(inputs, tmp_path)
    rewritten(tmp_path, lambda record: record["layers"][1].update(change))
    with pytest.raises(ValueError, match=r"'first' cannot be read .it is 100 x 8"):
        open_store(tmp_path)


def test_a_store_of_0_1_0_is_still_read(tmp_path):
    """Made by 0.1.0 from five samples: twice two numbers, and their sum."""
    packed = Path(__file__).with_name("store_of_0_1_0.zip")
    with zipfile.ZipFile(packed) as store:
        store.extractall(tmp_path)
    read = open_store(tmp_path)
    values = np.arange(10, dtype=np.float32).reshape(5, 2)
    np.testing.assert_array_equal(read["twice"], 2 * values)
    np.testing.assert_array_equal(read["sum"], values.sum(1, keepdims=True))
    assert read["sum"].ids is not None and read["sum"].ids.tolist() == list("abcde")


def test_a_store_that_goes_on_gets_the_digests_it_lacked(inputs, tmp_path):
    def without_digests(record):
        del record["id_digests"], record["writer"]
        record["format"] = OLDER_FORMAT

    gather(inputs[:50], tmp_path, ids=IDS[:50])
    fields = json.loads((tmp_path / RECORD).read_text())
    without_digests(fields)
    del fields["digest"]
    (tmp_path / RECORD).write_text(json.dumps(fields))
    assert_same(gather(inputs, tmp_path), gather(inputs))
    record = read_record(open_root(tmp_path), tmp_path)
    assert record is not None and record.id_parts["samples"] == [50, 100]
    assert len(record.id_digests["samples"]) == 2


def test_a_block_of_neurons_touches_one_piece_of_each_file(tmp_path, monkeypatch):
    monkeypatch.setattr(store_layout, "MOST_SAMPLES", 32)
    monkeypatch.setattr(store_layout, "PIECE_BYTES", 32 * 4 * 16)
    values = np.arange(64 * 100, dtype=np.float32).reshape(64, 100)
    layer = collect(lambda x: x, [values], store=tmp_path, progress=False)["output"]

    assert isinstance(layer.values, StoredMatrix)
    layout = layer.values.array.chunk_layout

    assert layout.read_chunk.shape == (32, 16)
    assert layout.write_chunk.shape == (32, 112)
    files = list((tmp_path / "layers/0/c").rglob("0"))
    assert len([file for file in files if file.is_file()]) == 2
    np.testing.assert_array_equal(layer.block(16, 32), values[:, 16:32])
    np.testing.assert_array_equal(layer.block(15, 33), values[:, 15:33])


@pytest.mark.parametrize(
    "cut",
    [np.s_[-1:], np.s_[:, -2:], np.s_[90:200, 1:2], np.s_[5:2], np.s_[::-30, ::2]],
)
def test_a_layer_on_disk_is_sliced_like_an_array(cut, inputs, tmp_path):
    values = gather(inputs, tmp_path)["first"].values
    np.testing.assert_array_equal(values[cut], values[:, :][cut], strict=True)


def test_a_store_may_be_named_by_an_address(inputs, tmp_path):
    address = f"file://{tmp_path}/acts"
    assert_same(gather(inputs, address), gather(inputs))
    assert_same(open_store(address), open_store(tmp_path / "acts"))
