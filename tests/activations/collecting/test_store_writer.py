"""Stores that are written while collecting, stopped, gone on with, and raced for."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.activations.batches import batched
from invert_jax.activations.collecting import store_layout, store_writer
from invert_jax.activations.collecting.collection import collect
from invert_jax.activations.store.format import (
    RECORD,
)
from invert_jax.activations.store.opening import StoredMatrix, open_store
from tests.activations.stored_layers import IDS, assert_same, gather, make_inputs, model


@pytest.fixture
def inputs(rng):
    return make_inputs(rng)


@pytest.fixture
def small_files(monkeypatch):
    """Files of 16 samples, so that a small collection has several."""
    monkeypatch.setattr(store_layout, "MOST_SAMPLES", 16)


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
