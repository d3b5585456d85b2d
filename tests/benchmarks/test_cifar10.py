"""CIFAR-10 from end to end: a network is trained, its neurons get their labels.

The script that users run does the whole job as a process of its own; what is claimed of
its labels is checked here, on the files that it leaves.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from invert_jax import Explanations, Formula
from invert_jax.activations import open_store
from invert_jax.concepts import from_tfds
from tests.repository import ROOT, SHARED_DATA

COPIES = [
    SHARED_DATA / folder / "cifar10" / "3.0.2" for folder in ("tfds", "tfds_tfrecord")
]  # array_record and tfrecord
CLASSES = (
    "airplane automobile bird cat deer dog frog horse ship truck".split()
)  # in the order of the labels, and so of the logits

pytestmark = pytest.mark.skipif(
    not all(copy.is_dir() for copy in COPIES), reason="needs CIFAR-10 on disk"
)


class Outcome(NamedTuple):
    """What the script left: its line of JSON, its text, and a folder per copy."""

    record: dict[str, Any]
    printed: str
    folders: list[Path]

    def explanations(self, layer: str, copy: int = 0) -> Explanations:
        return Explanations.load(self.folders[copy] / "labels" / layer)


def run(folder: Path, *words: str) -> Outcome:
    """Run the script on both copies of the data set."""
    out = folder / "results" / "cifar10.jsonl"
    script = str(ROOT / "benchmarks" / "cifar10.py")
    command = [sys.executable, script, *words, "--keep", str(folder), "--out", str(out)]
    command += ["--data", *map(str, COPIES)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr
    (line,) = out.read_text().splitlines()
    return Outcome(json.loads(line), done.stdout, [folder / "0", folder / "1"])


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(["--epochs", "4", "--last"], id="4 epochs"),
        pytest.param(["--epochs", "12"], id="12 epochs", marks=pytest.mark.slow),
    ],
)
def outcome(request, tmp_path_factory):
    return run(tmp_path_factory.mktemp("cifar10"), *request.param)


def test_the_network_has_learned_from_the_training_images(outcome):
    assert outcome.record["num_train_images"] == 15_000
    assert outcome.record["num_test_images"] == 10_000
    assert outcome.record["accuracy"] > 0.5


def test_at_least_eight_logits_get_their_own_class_at_length_one(outcome):
    first = outcome.explanations("logits").at_length(1)
    own = [
        formulas[0] == Formula.concept(f"label={name}")
        for formulas, name in zip(first.formulas, CLASSES, strict=True)
    ]
    assert sum(own) >= 8
    assert outcome.record["own_class"] == sum(own)


def test_most_hidden_units_are_named_with_an_auroc_above_08(outcome):
    hidden = outcome.explanations("hidden")
    scores = hidden.held_out.scores[:, 0]
    named = (hidden.status == "labeled") & (scores > 0.8)
    assert named.sum() > hidden.num_neurons / 2
    assert outcome.record["layers"]["hidden"]["num_good"] == named.sum()
    best = [(str(hidden.formulas[j][0]), scores[j]) for j in range(32)]
    shown = outcome.record["best_hidden"]
    assert [(name, score) for _, name, score in shown] == [best[j] for j, _, _ in shown]
    assert shown[0][2] == scores.max() and len(shown) == 12


def test_hypernyms_take_part(outcome):
    hidden = outcome.explanations("hidden")
    assert {"carnivore", "ungulate", "craft", "animal"} <= set(hidden.concept_names)
    used = {name for formulas in hidden.formulas for name in formulas[0].names}
    assert any(not name.startswith("label=") for name in used)


def test_the_scores_are_those_of_the_stored_activations(outcome):
    """AUROC by its definition, from the store and the labels, for one logit."""
    logits = open_store(outcome.folders[0] / "activations")["logits"]
    frog = from_tfds(COPIES[0], "test", progress=False).masks(["label=frog"])[:, 0]
    first = outcome.explanations("logits").at_length(1)
    values = np.asarray(logits)[:, CLASSES.index("frog")].astype(np.float64)
    values, frog = values[first.samples], frog[first.samples]
    greater = values[frog][:, None] > values[~frog]
    equal = values[frog][:, None] == values[~frog]
    found = {
        str(formula): score
        for formula, score in zip(first.formulas[6], first.scores[6], strict=True)
    }
    auroc = (greater.sum() + equal.sum() / 2) / greater.size
    assert found["label=frog"] == pytest.approx(auroc, rel=1e-15)


def test_both_file_formats_give_the_same_answer(outcome):
    stores = [open_store(folder / "activations") for folder in outcome.folders]
    assert list(stores[0]) == list(stores[1]) == list(outcome.record["layers"])
    for name in stores[0]:
        one, other = (store[name] for store in stores)
        np.testing.assert_array_equal(one, other, strict=True)
        np.testing.assert_array_equal(one.ids, other.ids)
        of_one, of_other = (outcome.explanations(name, copy) for copy in (0, 1))
        np.testing.assert_array_equal(of_one.scores, of_other.scores)
        assert list(map(str, of_one.formulas)) == list(map(str, of_other.formulas))


def test_the_table_shows_each_logit_with_its_formula(outcome):
    logits = outcome.explanations("logits")
    for logit, formulas in enumerate(logits.formulas):
        row = rf"\| {logit} +\| +{re.escape(str(formulas[0]))} \|"
        assert re.search(row, outcome.printed)
    assert f"{outcome.record['own_class']} of 10 logits" in outcome.printed
