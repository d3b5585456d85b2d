"""Stores: written while collecting, resumed after a kill, read in blocks."""

import functools
import json
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax import disk
from invert_jax.activations.batches import batched
from invert_jax.activations.collecting import store_layout, store_writer
from invert_jax.activations.collecting.collection import collect
from invert_jax.activations.store.format import (
    OLDER_FORMAT,
    RECORD,
    open_root,
    read_record,
)
from invert_jax.activations.store.opening import StoredMatrix, open_store

IDS = np.array([f"{index}.png" for index in range(100)])


@pytest.fixture
def inputs(rng):
    return rng.normal(size=(100, 3, 8)).astype(np.float32)


@pytest.fixture
def small_files(monkeypatch):
    """Files of 16 samples, so that a small collection has several."""
    monkeypatch.setattr(store_layout, "MOST_SAMPLES", 16)


def model(inputs):
    return {"tokens": jnp.tanh(inputs), "first": inputs[:, 0]}


def gather(inputs, store=None, *, function=model, ids=IDS, **settings):
    settings = {"pool": {"tokens": "positions"}, "batch_size": 8, **settings}
    batches = batched(inputs, 16, ids=ids)
    return collect(function, batches, store=store, progress=False, **settings)


def assert_same(got, expected):
    assert got.keys() == expected.keys()
    for name, layer in expected.items():
        np.testing.assert_array_equal(got[name], layer, strict=True)
        np.testing.assert_array_equal(got[name].ids, layer.ids)
        assert (got[name].names, got[name].layer) == (layer.names, layer.layer)


def stop_after(batches, count):
    """Batches whose source fails, as a killed run's does."""
    yield from batches[:count]
    raise KeyboardInterrupt


def watched(batches, path):
    """Batches whose source fails once the record has some samples."""
    for batch in batches:
        yield batch
        if json.loads((path / RECORD).read_text())["num_samples"] >= 32:
            raise ValueError("recorded")


def test_a_store_holds_what_memory_would(inputs, tmp_path, small_files):
    expected = gather(inputs)
    assert_same(gather(inputs, tmp_path / "acts"), expected)
    assert_same(open_store(tmp_path / "acts"), expected)


@pytest.mark.parametrize("pool", ["mean", "flatten"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_every_type_and_name_comes_back(dtype, pool, inputs, tmp_path):
    settings = {"dtype": dtype, "pool": pool}
    expected = gather(inputs, **settings)
    got = gather(inputs, tmp_path, **settings)
    assert got["tokens"].dtype == dtype
    assert_same(got, expected)


def test_samples_without_ids_are_stored(inputs, tmp_path):
    got = gather(inputs, tmp_path, ids=None)
    assert got["first"].ids is None
    assert_same({"first": got["first"]}, {"first": gather(inputs, ids=None)["first"]})


@pytest.mark.parametrize("changed", [0, 57, 99])
def test_other_samples_without_ids_are_refused(changed, inputs, tmp_path):
    collect(model, batched(inputs, 16), store=tmp_path, progress=False)
    collect(model, batched(inputs, 7), store=tmp_path, progress=False)
    others = inputs.copy()
    others[changed] += 1
    with pytest.raises(ValueError, match="first 100, which have no ids, differ"):
        collect(model, batched(others, 16), store=tmp_path, progress=False)


@pytest.mark.parametrize("pool", ["mean", {"tokens": "positions"}], ids=str)
def test_samples_without_ids_are_known_where_a_collection_stopped(
    pool, inputs, tmp_path, small_files
):
    batches = batched(inputs, 16)
    settings: dict = {"store": tmp_path, "batch_size": 8, "progress": False}
    settings["pool"] = pool
    with pytest.raises(KeyboardInterrupt):
        collect(model, stop_after(batches, 5), **settings)
    with pytest.raises(ValueError, match=r"first \d\d, which have no ids, differ"):
        collect(model, batched(-inputs, 16), **settings)
    got = collect(model, batches, **settings)
    assert_same(got, collect(model, batches, pool=pool, progress=False))


def test_a_pool_without_a_name_of_its_own_is_known_again(inputs, tmp_path):
    def pool():
        return functools.partial(lambda values, scale: scale * values[:, 0], scale=2.0)

    expected = collect(
        model, [inputs], layers="tokens", pool=pool(), store=tmp_path, progress=False
    )
    again = collect(
        model, [inputs], layers="tokens", pool=pool(), store=tmp_path, progress=False
    )
    assert_same(again, expected)


@pytest.mark.parametrize("count", [0, 1, 3, 6])
def test_a_stopped_collection_goes_on_where_it_stopped(
    count, inputs, tmp_path, small_files
):
    settings: dict = {
        "store": tmp_path,
        "pool": {"tokens": "positions"},
        "where": {"tokens": lambda inputs: inputs[..., 0] > 0},
        "batch_size": 8,
        "progress": False,
    }
    batches = batched(inputs, 16, ids=IDS)
    expected = collect(model, batches, **(settings | {"store": None}))

    with pytest.raises(KeyboardInterrupt):
        collect(model, stop_after(batches, max(count, 1)), **settings)
    done = json.loads((tmp_path / RECORD).read_text())["num_samples"]
    assert done <= 16 * max(count, 1) and (count < 3 or done > 0)
    assert_same(collect(model, batches, **settings), expected)


def test_what_came_in_before_an_error_is_kept(inputs, tmp_path):
    bad = np.concatenate([inputs, np.full((1, 3, 8), np.nan, np.float32)])
    with pytest.raises(ValueError, match="for sample 100"):
        gather(bad, tmp_path, ids=None, batch_size=4)
    assert json.loads((tmp_path / RECORD).read_text())["num_samples"] == 100


def test_layers_of_one_shape_share_the_ids_of_their_positions(inputs, tmp_path):
    twice = lambda x: {"a": x, "b": -x, "c": x[:, :2]}  # noqa: E731
    expected = gather(inputs, function=twice, pool="positions")
    got = gather(inputs, tmp_path, function=twice, pool="positions")
    assert_same(got, expected)
    assert got["a"].ids is got["b"].ids and got["a"].ids is not got["c"].ids
    lists = sorted(str(each.relative_to(tmp_path)) for each in tmp_path.glob("ids/*/*"))
    assert lists == ["ids/positions/2", "ids/positions/3", "ids/samples/0.npy"]


def test_ids_that_utf8_cannot_hold_are_kept(inputs, tmp_path):
    """As names of files are that are not UTF-8."""
    ids = np.char.add(IDS, "\udce9")
    assert_same(gather(inputs, tmp_path, ids=ids), gather(inputs, ids=ids))


def test_a_second_writer_is_noticed(inputs, tmp_path):
    def batches(again):
        for index, batch in enumerate(batched(inputs, 16, ids=IDS)):
            if index == 3 and again:
                collect(model, batches(False), store=tmp_path, progress=False)
            yield batch

    with pytest.raises(ValueError, match="one collection at a time; another has"):
        collect(model, batches(True), store=tmp_path, progress=False)
    assert_same(open_store(tmp_path), collect(model, batches(False), progress=False))


@pytest.mark.parametrize("place", ["folder", "address"])
@pytest.mark.parametrize("moment", ["_refuse_foreign", "replace_record"])
def test_of_two_runs_that_find_no_store_one_makes_it(
    place, moment, inputs, tmp_path, monkeypatch
):
    """The second begins, and ends, between two steps of the first."""
    store = tmp_path / "acts" if place == "folder" else f"file://{tmp_path}/acts"
    original, finished = getattr(store_writer, moment), []

    def meanwhile(*args):
        monkeypatch.setattr(store_writer, moment, original)
        finished.append(gather(inputs, store, function=lambda x: {"tokens": 2 * x}))
        return original(*args)

    monkeypatch.setattr(store_writer, moment, meanwhile)
    with pytest.raises(ValueError, match="must be new, or made by the same collection"):
        gather(inputs, store, function=lambda x: {"tokens": 3 * x})
    np.testing.assert_array_equal(finished[0]["tokens"], 2 * inputs.reshape(-1, 8))


def test_two_like_runs_that_begin_together_end_with_one_store(inputs, tmp_path):
    """The first to write goes on; the other is told so and breaks nothing."""
    waiting = iter(batched(inputs, 16, ids=IDS))

    def late():
        for index, batch in enumerate(waiting):
            if index == 1:
                gather(inputs, tmp_path, pool="mean")
            yield batch

    with pytest.raises(ValueError, match="by one collection at a time; another has"):
        collect(model, late(), store=tmp_path, batch_size=8, progress=False)
    assert_same(open_store(tmp_path), gather(inputs, pool="mean"))


@pytest.mark.parametrize("name", ["acts.h5", "acts.npy"])
def test_a_store_may_have_any_name(name, inputs, tmp_path):
    gather(inputs, tmp_path / name)
    assert_same(open_store(tmp_path / name), gather(inputs))


@pytest.mark.parametrize(
    "cut",
    [np.s_[-1:], np.s_[:, -2:], np.s_[90:200, 1:2], np.s_[5:2], np.s_[::-30, ::2]],
)
def test_a_layer_on_disk_is_sliced_like_an_array(cut, inputs, tmp_path):
    values = gather(inputs, tmp_path)["first"].values
    np.testing.assert_array_equal(values[cut], values[:, :][cut], strict=True)


def test_a_finished_store_is_not_computed_again(inputs, tmp_path):
    expected = gather(inputs, tmp_path)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    assert_same(gather(inputs, tmp_path), expected)
    assert before == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}


def test_a_finished_store_takes_more_samples(inputs, tmp_path, small_files):
    gather(inputs[:50], tmp_path, ids=IDS[:50])
    assert_same(gather(inputs, tmp_path), gather(inputs))


def test_time_alone_makes_a_record(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(store_writer, "FLUSH_SECONDS", 0.0)
    batches = batched(inputs, 16, ids=IDS)
    with pytest.raises(ValueError, match="recorded"):
        collect(model, watched(batches, tmp_path), store=tmp_path, batch_size=8)
    got = collect(model, batches, store=tmp_path, batch_size=8, progress=False)
    assert_same(got, collect(model, batches, progress=False))


def test_an_unfinished_store_is_opened_only_on_request(inputs, tmp_path, small_files):
    batches = batched(inputs, 16, ids=IDS)
    with pytest.raises(KeyboardInterrupt):
        collect(model, stop_after(batches, 5), store=tmp_path, batch_size=8)

    with pytest.raises(ValueError, match=r"stopped after \d+ samples.*partial=True"):
        open_store(tmp_path)
    part = open_store(tmp_path, partial=True)["first"]
    np.testing.assert_array_equal(part, inputs[: part.num_samples, 0])
    np.testing.assert_array_equal(part.ids, IDS[: part.num_samples])


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


def test_wide_layers_have_files_of_few_samples(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(store_layout, "BUFFER_BYTES", 3 * 8 * 4)
    got = gather(inputs, tmp_path, pool="flatten", layers="tokens")
    assert isinstance(got["tokens"].values, StoredMatrix)
    assert got["tokens"].values.array.chunk_layout.write_chunk.shape == (1, 24)
    assert_same(got, gather(inputs, pool="flatten", layers="tokens"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"function": lambda x: {"tokens": jnp.sin(x), "first": x[:, 0]}}, "The model"),
        ({"preprocessing": "cropped"}, "`preprocessing` was '' and is 'cropped'"),
        ({"dtype": "float16"}, "`dtype` was"),
        ({"layers": "first", "pool": "mean"}, "`layers` was 'tokens, first'"),
        ({"pool": "mean"}, "`pool` was 'positions, mean'"),
        ({"where": {"tokens": lambda x: x[..., 0] > 0}}, "its `where` differ"),
        ({"ids": IDS[::-1].copy()}, r"id '99\.png' for sample 0.*has '0\.png'"),
        ({"ids": None}, "must have ids"),
    ],
)
def test_a_stale_store_is_refused_with_what_differs(wrong, message, inputs, tmp_path):
    gather(inputs, tmp_path)
    with pytest.raises(ValueError, match=message):
        gather(inputs, tmp_path, **wrong)


def test_a_stale_store_that_is_not_finished_is_not_to_be_deleted(inputs, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        collect(model, stop_after(batched(inputs, 16), 2), store=tmp_path)
    with pytest.raises(ValueError, match="is not finished, and its collection may be"):
        collect(lambda x: -x, [inputs], store=tmp_path, progress=False)


@pytest.mark.parametrize("given", ["variables", "closure"])
def test_a_store_of_other_weights_is_refused(given, inputs, tmp_path):
    settings: dict = {"store": tmp_path, "progress": False}

    def run(weight):
        weights = np.full((1, 8), weight, np.float32)
        if given == "variables":
            got = collect(
                lambda w, x: w * x[:, 0], [inputs], variables=weights, **settings
            )
        else:
            got = collect(lambda x: weights * x[:, 0], [inputs], **settings)
        np.testing.assert_array_equal(got["output"], weights * inputs[:, 0])

    run(2.0)
    run(2.0)
    with pytest.raises(ValueError, match=r"variables differ|The model"):
        run(3.0)


def test_code_that_jax_does_not_see_is_not_stored(inputs, tmp_path):
    def model(x):
        kind = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.lax.map(lambda y: y, jax.pure_callback(np.asarray, kind, x))

    assert collect(model, [inputs], progress=False)["output"].num_samples == 100
    with pytest.raises(ValueError, match=r"this one has a pure_callback.*in memory"):
        collect(model, [inputs], store=tmp_path, progress=False)


def test_fewer_samples_than_the_store_has_are_refused(inputs, tmp_path):
    gather(inputs, tmp_path)
    with pytest.raises(ValueError, match="they ended after 50"):
        gather(inputs[:50], tmp_path, ids=IDS[:50])


def test_a_store_may_be_named_by_an_address(inputs, tmp_path):
    address = f"file://{tmp_path}/acts"
    assert_same(gather(inputs, address), gather(inputs))
    assert_same(open_store(address), open_store(tmp_path / "acts"))


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


def test_what_is_no_store_is_refused(inputs, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileNotFoundError, match=f"has no {RECORD}"):
        open_store(tmp_path)
    with pytest.raises(ValueError, match="holds other files"):
        gather(inputs, tmp_path)
    with pytest.raises(ValueError, match="is a file"):
        gather(inputs, tmp_path / "notes.txt")


def test_a_type_that_is_no_float_is_refused(inputs):
    with pytest.raises(TypeError, match="`dtype` must be float32, bfloat16"):
        gather(inputs, dtype="int8")


def test_numbers_too_large_for_the_type_are_refused(inputs):
    with pytest.raises(ValueError, match="infinity, as float16, for sample 0"):
        gather(inputs * 0 + 1e6, dtype="float16", layers="first", pool="mean")


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
    assert record is not None and len(record.id_digests["samples"]) == 2
