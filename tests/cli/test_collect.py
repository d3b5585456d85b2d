"""`invert-jax collect`, run as a user runs it: a factory in a module of their own."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from invert_jax import Explanations
from invert_jax.activations import open_store
from invert_jax.activations.collecting import store_layout
from invert_jax.cli import main
from invert_jax.concepts import tfds_batches
from tests.datasets.tfds.prepared_datasets import NUM_EXAMPLES, prepared
from tests.repository import ROOT

NUM_SAMPLES = 300
NAMES = ["red", "green", "blue"]
# Neuron k of `colors` is the mean of color k; `head` mixes them.
NETWORK = """
import jax, jax.numpy as jnp, numpy as np
from flax import linen as nn
from invert_jax.activations import batched

class Colors(nn.Module):
    @nn.compact
    def __call__(self, images):
        return images.astype(jnp.float32).mean((1, 2))

class Network(nn.Module):
    @nn.compact
    def __call__(self, images, train=False):
        colors = Colors(name="colors")(images)
        colors = nn.Dropout(0.5, deterministic=not train)(colors)
        return nn.Dense(2, name="head")(colors)

def network(images):
    model = Network()
    return {"model": model, "variables": model.init(jax.random.key(0), images[:1])}
"""
GIVEN = """
def make():
    images = np.load("images.npy")
    ids = [f"image {i}" for i in range(len(images))]
    return network(images) | {"batches": batched(images, 70, ids=ids)}
"""
OF_TFDS = """
def make():
    return network(np.zeros((1, 12, 10, 3))) | {
        "inputs": "image", "transform": lambda image: image / np.float32(255),
        "preprocessing": "to 0..1",
    }
"""


@pytest.fixture
def project(tmp_path, monkeypatch, rng):
    """A user's folder, which is the current one: images, concepts, room for code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = set(sys.modules)
    masks = rng.random((NUM_SAMPLES, 3)) < 0.3
    images = masks[:, None, None] + 0.1 * rng.normal(size=(NUM_SAMPLES, 4, 4, 3))
    np.save("images.npy", images.astype(np.float32))
    ids = [f"image {i}" for i in range(NUM_SAMPLES)]
    np.savez("masks.npz", masks=masks, names=np.array(NAMES), ids=np.array(ids))
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) == str(tmp_path / f"{name}.py"):
            del sys.modules[name]


@pytest.fixture(scope="module", params=["array_record", "tfrecord"])
def directory(request, tmp_path_factory):
    return prepared(tmp_path_factory.mktemp(request.param), request.param)


def collect(code, *words, module="mine"):
    """Write the code to a module and run `invert-jax collect` on its `make`."""
    with open(f"{module}.py", "w") as file:
        file.write(NETWORK + textwrap.dedent(code))
    return main(["collect", f"{module}:make", "-q", *words])


def ids_of(layer):
    assert layer.ids is not None
    return layer.ids.tolist()


def refusal(capsys):
    """What was said on standard error, in one line."""
    error = " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in error
    return error


# What is collected.


def test_the_layers_of_a_linen_model_are_collected_and_explained(project, capsys):
    assert collect(GIVEN, "--layers", "colors", "head", "-o", "acts") == 0

    assert capsys.readouterr().out.splitlines() == [
        "colors: 300 samples, 3 neurons",
        "head: 300 samples, 2 neurons",
        "",
        "Written to acts; next: invert-jax explain acts ...",
    ]
    images = np.load("images.npy")
    stored = open_store("acts")
    np.testing.assert_allclose(stored["colors"], images.mean((1, 2)), rtol=1e-5)
    assert ids_of(stored["head"])[:2] == ["image 0", "image 1"]

    words = ["explain", "acts", "masks.npz", "-o", "labels", "-q", "--max-length", "1"]
    assert main([*words, "--min-fraction", "0.05"]) == 0
    found = Explanations.load("labels/colors")
    assert [str(formulas[0]) for formulas in found.formulas] == NAMES
    assert Explanations.load("labels/head").num_neurons == 2


def test_options_reach_the_collection(project):
    words = ["--layers", "col*", "--dtype", "float16", "-o", "acts"]
    assert collect(GIVEN, *words) == 0
    (layer,) = open_store("acts").values()
    assert (layer.layer, layer.dtype, layer.shape) == (
        "colors", np.float16, (NUM_SAMPLES, 3),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ("max", lambda maps: maps.max((1, 2))),
        ("flatten", lambda maps: maps.reshape(len(maps), -1)),
        ("positions", lambda maps: maps.reshape(-1, 3)),
    ],
)
def test_maps_are_pooled_as_asked_for(project, pool, expected):
    code = """
    def make():
        images = np.load("images.npy")
        return {"model": lambda x: {"maps": 2 * x}, "batches": [images]}
    """
    assert collect(code, "--pool", pool, "-o", "acts") == 0
    maps = 2 * np.load("images.npy")
    np.testing.assert_array_equal(open_store("acts")["maps"], expected(maps))


@pytest.mark.parametrize(("pool", "position"), [("1", 1), ("-1", -1), ("cls", 0)])
def test_a_position_of_tokens_may_be_asked_for(project, pool, position):
    code = """
    def make():
        images = np.load("images.npy")
        return {"model": lambda x: {"tokens": x[:, 0]}, "batches": [images]}
    """
    assert collect(code, f"--pool={pool}", "-o", "acts") == 0
    tokens = np.load("images.npy")[:, 0]
    np.testing.assert_array_equal(open_store("acts")["tokens"], tokens[:, position])


def test_the_factory_may_return_a_subject_and_say_what_counts(project):
    code = """
    from invert_jax.cli.subject import Subject
    def make():
        images = np.load("images.npy")
        return Subject(
            model=lambda x, flag: {"maps": x + flag},
            call=lambda model, x: model(x, 1.0),
            where=lambda x: jnp.ones(x.shape[:3], bool).at[:, 1:].set(False),
            batches=[images],
        )
    """
    assert collect(code, "-o", "acts") == 0
    expected = np.load("images.npy")[:, 0].mean(1) + 1
    np.testing.assert_allclose(open_store("acts")["maps"], expected, rtol=1e-5)


def test_the_factory_of_the_readme_runs(project, directory, capsys):
    readme = (ROOT / "README.md").read_text()
    code = readme.split("<!-- my_model.py -->\n```python\n")[1].split("\n```")[0]
    # These data have a second image.
    code += "\n\ndef of_image():\n    return make() | {'inputs': 'image'}\n"
    Path("readme_model.py").write_text(code)
    words = ["readme_model:of_image", "--data", f"tfds:{directory}:train", "-q"]

    assert main(["collect", *words, "--list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "block1: 12 x 10 x 16 per sample", "block2: 12 x 10 x 32 per sample",
        "dropout: 32 per sample", "head: 10 per sample", "output: 10 per sample",
    ]  # fmt: skip
    words += ["--layers", "block*", "--pool", "mean", "-o", "acts"]
    assert main(["collect", *words]) == 0
    shapes = {name: layer.shape for name, layer in open_store("acts").items()}
    assert shapes == {"block1": (NUM_EXAMPLES, 16), "block2": (NUM_EXAMPLES, 32)}


def test_list_shows_the_layers_and_writes_nothing(project, capsys):
    assert collect(GIVEN, "--list") == 0
    assert capsys.readouterr().out.splitlines() == [
        "colors: 3 per sample",
        "Dropout_0: 3 per sample",
        "head: 2 per sample",
        "output: 2 per sample",
    ]
    assert sorted(path.name for path in project.glob("*acts*")) == []


# A TFDS data set.


def test_a_tfds_data_set_is_collected_and_explained(project, directory):
    data = f"tfds:{directory}:train"
    assert collect(OF_TFDS, "--data", data, "--batch-size", "5", "-o", "acts") == 0

    layers = open_store("acts")
    (batch,) = tfds_batches(directory, "train", inputs="image")
    colors = batch.inputs.mean((1, 2)) / 255
    np.testing.assert_allclose(layers["colors"], colors, rtol=1e-5)
    assert ids_of(layers["colors"]) == [f"train-{i}" for i in range(NUM_EXAMPLES)]

    words = ["explain", "acts", "--concepts", data, "-o", "labels", "-q"]
    assert main([*words, "--max-length", "1"]) == 0
    found = Explanations.load("labels/head")
    assert found.num_samples == NUM_EXAMPLES and "label=cat" in found.concept_names


def test_labels_of_other_samples_are_refused(project, directory, capsys):
    data = f"tfds:{directory}:train"
    assert collect(OF_TFDS, "--data", f"{data}[:10]", "-o", "acts") == 0
    assert main(["explain", "acts", f"{data}[5:15]", "-o", "labels", "-q"]) == 2
    assert "same samples" in refusal(capsys)


def test_images_are_resized_and_the_layers_listed(project, directory, capsys):
    code = """
    def make():
        return {
            "model": lambda x: {"maps": x.astype(jnp.float32)},
            "inputs": "trimap", "size": (6, 8),
        }
    """
    assert collect(code, "--data", f"tfds:{directory}:train", "--list") == 0
    assert capsys.readouterr().out == "maps: 6 x 8 x 1 per sample\n"


# A run that is killed.

KILLED_AT = 200
KILLING = f"""
import os, signal
from pathlib import Path
from invert_jax.activations import Batch
from invert_jax.activations.collecting import store_layout

store_layout.MOST_SAMPLES = 32

def batches():
    images = np.load("images.npy")
    for start in range(0, len(images), 10):
        if start == {KILLED_AT} and not Path("killed").exists():
            Path("killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield Batch(images[start : start + 10], np.arange(start, start + 10))

def make():
    return network(np.load("images.npy")) | {{"batches": batches()}}
"""


def run(*words):
    """A command as a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "invert_jax", *words]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_killed_collection_goes_on_and_is_explained(project, capsys, monkeypatch):
    # What `mine` sets, it sets in this process too.
    monkeypatch.setattr(store_layout, "MOST_SAMPLES", 32)
    (project / "mine.py").write_text(NETWORK + KILLING)
    command = ("collect", "mine:make", "-q", "-o", "acts")

    assert run(*command).returncode == -signal.SIGKILL
    before = json.loads((project / "acts" / "invert_jax.json").read_text())
    assert 0 < before["num_samples"] < KILLED_AT and not before["complete"]
    assert main(["explain", "acts", "masks.npz", "-o", "labels", "-q"]) == 2
    assert f"stopped after {before['num_samples']} samples" in refusal(capsys)

    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert main(["collect", "mine:make", "-q", "-o", "whole"]) == 0
    for name, layer in open_store("whole").items():
        np.testing.assert_array_equal(open_store("acts")[name], layer, strict=True)
        np.testing.assert_array_equal(open_store("acts")[name].ids, layer.ids)

    masks = np.load("masks.npz")
    np.savez("masks.npz", masks=masks["masks"], names=masks["names"])
    words = ["explain", "acts", "masks.npz", "-o", "labels", "-q", "--max-length", "1"]
    assert main([*words, "--min-fraction", "0.05"]) == 0
    found = Explanations.load("labels/colors")
    assert [str(formulas[0]) for formulas in found.formulas] == NAMES


def test_a_store_made_in_another_way_is_refused(project, capsys):
    assert collect(GIVEN, "-o", "acts") == 0
    other = (
        GIVEN
        + """
make_plain = make
def make():
    return make_plain() | {"preprocessing": "cropped"}
"""
    )
    assert collect(other, "-o", "acts", module="other") == 2
    assert "preprocessing" in refusal(capsys)


# Wrong calls.

BATCHES = "make = lambda: {'model': jnp.sin, 'batches': [np.ones((3, 2))]}"


@pytest.mark.parametrize(
    ("code", "words", "message"),
    [
        (BATCHES, [], "-o must name a folder"),
        ("make = lambda: {'model': jnp.sin}", ["-o", "a"], "--data must be given"),
        (BATCHES, ["--data", "tfds:a:b", "-o", "a"], "--data must not be given"),
        (
            "make = lambda: {'model': jnp.sin}",
            ["--data", "cifar10", "-o", "a"],
            "--data must be tfds:NAME:SPLIT; got 'cifar10'",
        ),
        (
            "make = lambda: {'model': jnp.sin}",
            ["--data", "tfds:/nowhere/at/all:train", "-o", "a"],
            "`/nowhere/at/all` is no directory",
        ),
        ("make = 3", ["-o", "a"], "mine has no make()"),
        ("make = lambda: 3", ["-o", "a"], "mine:make returned int"),
        ("make = lambda: {'batches': []}", ["-o", "a"], "returned has no model"),
        (
            "make = lambda: {'model': jnp.sin, 'data': 1}",
            ["-o", "a"],
            "has the unknown field 'data'",
        ),
        (
            "make = lambda: {'model': jnp.sin, 'batches': []}",
            ["-o", "a"],
            "`batches` must hold at least one batch",
        ),
        (
            "make = lambda: {'model': jnp.sin, 'batches': []}",
            ["--list"],
            "`batches` must hold at least one batch",
        ),
        (BATCHES, ["-o", "a", "--layers", "conv*"], "conv*"),
        (BATCHES, ["-o", "a", "--pool", "median"], "`pool` must be"),
        (BATCHES, ["-o", "a", "--pool=--1"], "`pool` must be"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_status_2(
    project, code, words, message, capsys
):
    assert collect(code, *words) == 2
    assert message in refusal(capsys)
    assert not (project / "a").exists()


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("make", "must be package.module:function; got 'make'"),
        ("mine:", "must be package.module:function"),
        ("no_such_module:make", "No module named 'no_such_module'"),
    ],
)
def test_a_factory_that_is_not_there_is_named(project, factory, message, capsys):
    assert main(["collect", factory, "-o", "acts"]) == 2
    assert message in refusal(capsys)


def test_several_images_must_be_chosen_from(project, directory, capsys):
    code = "make = lambda: {'model': jnp.sin}"
    assert collect(code, "--data", f"tfds:{directory}:train", "-o", "acts") == 2
    assert "`inputs` must name a feature" in refusal(capsys)
