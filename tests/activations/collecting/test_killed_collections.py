"""Collections that are killed, or run out of disk, and go on."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from invert_jax.activations.collecting import store_layout
from invert_jax.activations.collecting.collection import collect
from invert_jax.activations.store.format import RECORD, empty_drafts
from invert_jax.activations.store.opening import open_store
from invert_jax.datasets.batch import Batch


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_named_and_the_collection_goes_on(rng, small_disk, monkeypatch):
    monkeypatch.setattr(store_layout, "MOST_SAMPLES", 16)
    values = rng.normal(size=(128, 1024)).astype(np.float32)

    def run():
        batches = [Batch(values[i : i + 8]) for i in range(0, 128, 8)]
        return collect(
            lambda x: x,
            batches,
            store=small_disk / "acts",
            batch_size=8,
            progress=False,
        )

    with pytest.raises(OSError, match=r"No space left for the store.*goes on after"):
        run()
    record = json.loads((small_disk / "acts" / RECORD).read_text())
    assert 0 < record["num_samples"] < 128
    remount = ["mount", "-o", "remount,size=4m", str(small_disk)]
    subprocess.run(remount, check=True)
    np.testing.assert_array_equal(run()["output"], values)


KILLED = """
import json, os, random, signal, sys, time
from pathlib import Path
import numpy as np
from invert_jax.activations import batched, collect, open_store
from invert_jax.activations.collecting import store_layout

store_layout.MOST_SAMPLES = 16
NUM_SAMPLES = 256

def batches():
    values = np.random.default_rng(0).normal(size=(NUM_SAMPLES, 3, 64))
    for batch in batched(values.astype(np.float32), 8, ids=np.arange(NUM_SAMPLES)):
        time.sleep(0.02)  # 0.6 s in all: longer than any wait before a kill
        yield batch

def model(x):
    return {"tokens": 2 * x, "first": x[:, 0]}

def run(store):
    return collect(
        model, batches(), store=store, batch_size=8, progress=False,
        pool={"tokens": "positions"}, where={"tokens": lambda x: x[..., 0] > 0},
    )

def done(store):
    record = Path(store) / "invert_jax.json"
    return json.loads(record.read_text())["num_samples"] if record.exists() else 0

def attempt(store, seconds, progress):
    child = os.fork()
    if child == 0:
        failed = 1
        try:
            run(store)
            failed = 0
        finally:
            os._exit(failed)
    before, start, waited = done(store), time.monotonic(), not progress
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if not waited and done(store) > before:
            waited, start = True, time.monotonic()
        if waited and time.monotonic() - start > seconds:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return True
        time.sleep(0.003)
    assert ended[1] == 0, ended
    return False

kills = []
for seed in map(int, sys.argv[2:]):
    rng, store = random.Random(seed), f"{sys.argv[1]}/{seed}"
    attempt(store, rng.uniform(0, 1), progress=False)
    while attempt(store, rng.uniform(0, 0.25), progress=True):
        kills.append(done(store))
expected = run(None)
for seed in sys.argv[2:]:
    stored = open_store(f"{sys.argv[1]}/{seed}")
    for name, layer in expected.items():
        np.testing.assert_array_equal(stored[name], layer, strict=True)
        np.testing.assert_array_equal(stored[name].ids, layer.ids)
print(json.dumps(kills))
"""


def kill_and_resume(folder, seeds):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(folder), *map(str, seeds)],
        capture_output=True,
        text=True,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
    )
    assert done.returncode == 0, done.stderr
    midway = [samples for samples in json.loads(done.stdout) if 0 < samples < 256]
    assert len(midway) >= len(seeds)
    return midway


def test_a_killed_collection_ends_with_the_same_store(tmp_path):
    kill_and_resume(tmp_path, range(3))


@pytest.mark.slow
def test_many_killed_collections_end_with_the_same_store(tmp_path):
    midway = kill_and_resume(tmp_path, range(3, 23))
    print(f"killed {len(midway)} times, after {min(midway)} to {max(midway)} samples")


def test_a_draft_that_a_killed_run_left_is_no_part_of_what_is_written(rng, tmp_path):
    values, store = rng.normal(size=(16, 4)).astype(np.float32), tmp_path / "acts"
    store.mkdir()
    (store / f"{RECORD}.__lock").write_bytes(b"x" * 100_000)
    batches = [Batch(values, np.arange(16))]
    found = collect(lambda x: x, batches, store=store, progress=False)["output"]
    np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(open_store(store)["output"].ids, np.arange(16))
    assert json.loads((store / RECORD).read_text())["complete"]


def test_a_draft_that_is_being_written_is_left_alone(tmp_path):
    draft = tmp_path / "0.__lock"
    draft.write_bytes(b"half")
    hold = f"""
import fcntl, sys
with open({str(draft)!r}, "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", hold]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        empty_drafts(tmp_path)
        assert draft.read_bytes() == b"half"
        holder.communicate("")
    empty_drafts(tmp_path)
    assert draft.read_bytes() == b""
