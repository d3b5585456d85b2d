"""Runs that keep what is done: killed and resumed, with parts reused or ignored."""

import os
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

import invert_jax as ij
from invert_jax.engine.folders import load_results, output_folders
from invert_jax.engine.resuming import Parts
from tests import small_runs
from tests.repository import ROOT
from tests.small_runs import assert_same, explain

SMALL_BLOCKS: dict[str, Any] = {"memory_budget": 1 << 20, "progress": False}


@pytest.fixture(scope="module")
def long_world():
    return small_runs.make_long_world()


@pytest.fixture(scope="module")
def uninterrupted(long_world):
    options = ij.Options(**SMALL_BLOCKS)
    return explain(*long_world, **small_runs.LONG_SETTINGS, options=options)


def resumable(long_world, folder, **changes):
    options = ij.Options(output=folder, **SMALL_BLOCKS)
    return explain(
        *long_world, **{**small_runs.LONG_SETTINGS, **changes}, options=options
    )


@pytest.fixture
def saved(monkeypatch):
    """The keys of the parts that a run saves; files that it finds must not change."""
    keys = []

    def save(parts, key, arrays):
        if parts.folder is not None:
            keys.append(key)
        original(parts, key, arrays)

    original = Parts.save
    monkeypatch.setattr(Parts, "save", save)
    return keys


def test_a_part_is_read_back_as_it_was(tmp_path, rng):
    arrays = {"a": rng.integers(9, size=(2, 3)), "b": np.zeros(0, bool)}
    Parts(tmp_path / "parts", "run").save("key", arrays)
    loaded = Parts(tmp_path / "parts", "run").load("key")
    assert loaded is not None and list(loaded) == ["a", "b"]
    for name, values in arrays.items():
        assert loaded[name].dtype == values.dtype
        np.testing.assert_array_equal(loaded[name], values)
    assert os.listdir(tmp_path / "parts") == ["key.npz"]


def test_parts_and_drafts_that_a_kill_left_are_removed_and_nothing_else(tmp_path):
    parts = Parts(tmp_path / "parts", "run")
    parts.save("a" * 32, {"a": np.zeros(2)})
    (tmp_path / "parts" / f".{'b' * 32}.npz.0123.part").write_bytes(b"half")
    (tmp_path / "parts" / "notes.npz").write_bytes(b"mine")
    parts.remove()
    assert os.listdir(tmp_path / "parts") == ["notes.npz"]
    (tmp_path / "parts" / "notes.npz").unlink()
    parts.remove()
    assert not (tmp_path / "parts").exists()


def test_there_is_no_part_before_one_is_saved(tmp_path):
    assert Parts(tmp_path, "run").load("key") is None


def test_a_part_cut_short_anywhere_is_no_part(tmp_path):
    Parts(tmp_path, "run").save("key", {"a": np.arange(50), "b": np.ones(3)})
    whole = (tmp_path / "key.npz").read_bytes()
    for length in range(1, len(whole), 7):
        (tmp_path / "key.npz").write_bytes(whole[:length])
        assert Parts(tmp_path, "run").load("key") is None, length


def test_a_key_depends_on_the_run_and_on_every_bit_of_the_block(tmp_path):
    block = np.zeros((4, 2), np.float32)
    other = block.copy()
    other[3, 1] = -0.0
    keys = [
        Parts(tmp_path, "run").key_of(block),
        Parts(tmp_path, "other run").key_of(block),
        Parts(tmp_path, "run").key_of(other),
        Parts(tmp_path, "run").key_of(block.reshape(2, 4)),
        Parts(tmp_path, "run").key_of(block.view(np.int32)),
        Parts(tmp_path, "run").key_of(block[:, :1]),
    ]
    assert len(set(keys)) == len(keys)
    assert Parts(tmp_path, "run").key_of(np.asfortranarray(block)) == keys[0]


def test_a_run_that_keeps_its_parts_gives_the_same_and_leaves_no_parts(
    tmp_path, long_world, uninterrupted, saved
):
    found = resumable(long_world, tmp_path / "new" / "out")
    assert_same(found, uninterrupted)
    assert_same(ij.Explanations.load(tmp_path / "new" / "out"), uninterrupted)
    assert os.listdir(tmp_path / "new") == ["out"]
    assert len(saved) >= 3


STALLS = """
import sys, time
from pathlib import Path
import numpy as np
from tests import small_runs
from tests.engine import test_resuming

activations, concepts = small_runs.make_long_world()

class Stalling:
    shape, dtype = activations.shape, activations.dtype
    blocks_read = 0

    def __getitem__(self, index):
        Stalling.blocks_read += 1
        if Stalling.blocks_read == 4:
            Path(sys.argv[2]).touch()
            time.sleep(600)
        return activations[index]

test_resuming.resumable((Stalling(), concepts), Path(sys.argv[1]))
"""


def test_a_run_that_was_killed_goes_on_where_it_stopped(
    tmp_path, long_world, uninterrupted, saved
):
    kill_in_fourth_block(tmp_path)
    folder = tmp_path / "out+parts"
    done = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npz")}
    assert len(done) == 2
    assert not (tmp_path / "out").exists()

    kept_alive = tmp_path / "seen"
    original = Parts.remove

    def look_then_remove(parts):
        assert parts.folder == folder
        shutil.copytree(folder, kept_alive)
        original(parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parts, "remove", look_then_remove)
        found = resumable(long_world, tmp_path / "out")

    assert_same(found, uninterrupted)
    assert_same(ij.Explanations.load(tmp_path / "out"), uninterrupted)
    assert not {f"{key}.npz" for key in saved} & done.keys()
    now = {path.name: path.stat().st_mtime_ns for path in kept_alive.glob("*.npz")}
    assert len(now) == len(done) + len(saved) >= 4
    assert {name: now[name] for name in done} == done
    assert not folder.exists()


def kill_in_fourth_block(tmp_path):
    """SIGKILL a run of its own process while it reads the fourth block."""
    stalled = tmp_path / "stalled"
    run = subprocess.Popen(
        [sys.executable, "-c", STALLS, str(tmp_path / "out"), str(stalled)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
    )
    try:
        deadline = time.monotonic() + 300
        while not stalled.exists():
            assert run.poll() is None, "the run ended before its third block"
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL


def test_parts_of_other_runs_and_damaged_parts_are_ignored(
    tmp_path, long_world, uninterrupted, saved
):
    # Another setting has other keys; this run's parts are there, but cut short.
    activations, concepts = long_world
    resumable(long_world, tmp_path / "first")
    wanted = list(saved)
    folder = tmp_path / "out+parts"
    other = resumable((activations[:, ::-1].copy(), concepts), tmp_path / "other")
    Parts(folder, "run").save("0" * 32, {"tie_sums": other.tie_sums})
    for key in wanted:
        (folder / f"{key}.npz").write_bytes(b"PK\x03\x04 cut short")

    saved.clear()
    assert_same(resumable(long_world, tmp_path / "out"), uninterrupted)
    assert saved == wanted


def test_other_settings_use_no_part_of_these(tmp_path, long_world, saved):
    activations, concepts = long_world
    resumable(long_world, tmp_path / "first")
    first = set(saved)
    saved.clear()
    changed = concepts.masks()
    changed[0, 0] ^= True
    other_concepts = ij.Concepts.from_masks(changed, concepts.names)
    resumable((activations, other_concepts), tmp_path / "second")
    assert not first & set(saved)
    saved.clear()
    resumable(long_world, tmp_path / "third", sign="negative")
    assert not first & set(saved)


def test_something_else_in_the_way_is_refused_before_any_work(tmp_path, long_world):
    activations, concepts = long_world
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()

    class Unread:
        shape, dtype = activations.shape, activations.dtype

        def __getitem__(self, index):
            raise AssertionError("read before the folder was checked")

    with pytest.raises(ValueError, match="`path` must be new, or a folder of expl"):
        resumable((ij.Activations(Unread()), concepts), tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["thesis.tex"]


@pytest.mark.parametrize("of", ["concept", "neuron", "layer", "name of layers"])
def test_names_that_cannot_be_saved_are_refused_before_any_work(tmp_path, of):
    world, bad = small_runs.make_world(), "caf\udce9"
    names = [bad if of == "concept" else "even", *small_runs.NAMES[2:4]]
    neurons = [bad if of == "neuron" else "x", "y"]
    with pytest.raises(ValueError, match=r"text that UTF-8 can hold, to be saved; got"):
        layer = ij.Activations(
            world.activations[:, :2], neurons, layer=bad if of == "layer" else "fc"
        )
        concepts = ij.Concepts.from_masks(world.masks[:, 1:4], names)
        explain({bad: layer} if of == "name of layers" else layer, concepts)


def test_an_older_result_is_replaced(tmp_path, long_world, uninterrupted):
    uninterrupted.take([3, 1]).save(tmp_path / "out")
    resumable(long_world, tmp_path / "out")
    assert_same(ij.Explanations.load(tmp_path / "out"), uninterrupted)


def test_each_layer_has_a_folder_of_its_own(tmp_path):
    world = small_runs.make_world()
    layers = {"block/0": world.activations, "block/1": world.activations[:, ::-1]}
    options = ij.Options(progress=False, output=tmp_path / "out")
    found = explain(layers, world.concepts, options=options)
    assert sorted(os.listdir(tmp_path / "out")) == ["block.0", "block.1"]
    for folder, name in (("block.0", "block/0"), ("block.1", "block/1")):
        assert_same(ij.Explanations.load(tmp_path / "out" / folder), found[name])


def test_a_layer_called_parts_of_another_has_its_own_folder(tmp_path):
    """Parts of `block` lie where no layer's result can, so that a run goes on."""
    world = small_runs.make_world()
    layers = {"block": world.activations, "block/parts": world.activations}
    options = ij.Options(progress=False, output=tmp_path / "out")
    for name in ("block.parts", "block+parts"):
        part = Parts(tmp_path / "out" / name, "run")
        part.save("a" * 32, {"a": np.zeros(2)})
        (tmp_path / "out" / name / f".{'b' * 32}.npz.4711").write_bytes(b"half")
    shutil.rmtree(tmp_path / "out" / "block.parts")
    explain(layers, world.concepts, options=options)
    assert sorted(os.listdir(tmp_path / "out")) == ["block", "block.parts"]
    assert len(ij.Explanations.load(tmp_path / "out" / "block.parts")) == 8


def test_parts_of_earlier_releases_are_removed_in_the_end(tmp_path):
    world = small_runs.make_world()
    Parts(tmp_path / "out.parts", "run").save("a" * 32, {"a": np.zeros(2)})
    (tmp_path / "out.parts" / f".{'b' * 32}.npz.4711").write_bytes(b"half")
    options = ij.Options(progress=False, output=tmp_path / "out")
    explain(world.activations, world.concepts, options=options)
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("sign", ["x", "層"])
def test_long_names_of_layers_become_names_of_folders(tmp_path, sign):
    world = small_runs.make_world()
    names = [sign * 400, sign * 399 + "y", sign * 30]
    layers = dict.fromkeys(names, world.activations)
    options = ij.Options(progress=False, output=tmp_path / "out")
    found = explain(layers, world.concepts, options=options)
    folders = os.listdir(tmp_path / "out")
    assert len(folders) == 3 and sign * 30 in folders
    assert max(len(os.fsencode(each)) for each in folders) <= 200
    assert load_results(str(tmp_path / "out")).keys() == found.keys()


def test_layers_that_differ_in_case_alone_have_folders_that_differ_otherwise(tmp_path):
    folders = output_folders(tmp_path, {"Conv": 0, "conv": 0, "dense": 0})
    assert folders["dense"].name == "dense"
    assert len({each.name.casefold() for each in folders.values()}) == 3
