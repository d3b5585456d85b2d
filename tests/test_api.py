"""The public names and what they are called with: a contract."""

import inspect
import os
import subprocess
import sys

import numpy as np
import pytest

import invert_jax as ij
from tests import small_runs
from tests.repository import ROOT
from tests.small_runs import QUIET, explain


def parameters(function):
    """Names of the parameters; those by keyword alone with their defaults."""
    by_place, by_name = [], {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            by_name[name] = parameter.default
        else:
            by_place.append(name)
    return by_place, by_name


def test_explain_takes_two_inputs_and_settings_by_name():
    promised = {
        "max_length": 3,
        "beam_size": 5,
        "min_fraction": 0.0,
        "max_fraction": 0.5,
        "sign": "positive",
        "num_literals": None,
        "objective": "auroc",
        "where": None,
        "neurons": None,
        "options": None,
    }
    by_place, by_name = parameters(ij.explain)
    assert by_place == ["activations", "concepts"]
    assert promised.items() <= by_name.items()


def test_options_say_how_to_run():
    options = ij.Options()
    assert options.memory_budget == 2**30
    assert options.devices is None
    assert options.progress is True
    assert options.output is None


def test_concepts_are_made_from_masks_labels_or_indices():
    for name in ("masks", "labels", "indices"):
        by_place, by_name = parameters(getattr(ij.Concepts, f"from_{name}"))
        assert by_place == [name, "names"]
        assert {"ids", "descriptions"} >= by_name.keys() >= {"ids"}
        assert set(by_name.values()) == {None}


@pytest.mark.parametrize(
    "name",
    ["masks", "join", "stack", "save", "load", "num_samples", "num_concepts",
     "num_rows"],
)  # fmt: skip
def test_concepts_have_what_was_promised(name):
    assert hasattr(ij.Concepts, name)


def test_collect_takes_a_model_and_batches():
    by_place, by_name = parameters(ij.activations.collect)
    assert by_place == ["model", "batches"]
    assert by_name["pool"] == "mean"
    assert by_name["variables"] is None and by_name["call"] is None
    assert "layers" in by_name


def test_every_public_name_is_documented():
    for name in ("explain", "auroc", "Concepts", "Activations", "Explanations",
                 "Formula", "Options", "FewPositivesWarning"):  # fmt: skip
        assert inspect.getdoc(getattr(ij, name)), name
    for name, member in inspect.getmembers(ij.Explanations):
        if not name.startswith("_") and (
            callable(member) or isinstance(member, property)
        ):
            assert inspect.getdoc(member), name


def test_the_main_job_reads_as_in_the_documentation(tmp_path):
    world = small_runs.make_world()
    explanations = explain(world.activations, world.concepts, options=QUIET)

    assert explanations.scores.shape == explanations.num_positives.shape == (8, 3)
    assert explanations.scores.dtype == np.float64
    assert isinstance(explanations.formulas[0][0], ij.Formula)
    assert explanations.formulas[4][0] is None
    assert (
        explanations.status.tolist() == ["labeled"] * 4 + ["constant"] + ["labeled"] * 3
    )
    assert explanations.log10_p.shape == (8, 3)
    assert isinstance(explanations.at_length(1), ij.Explanations)
    assert 6 in explanations.neurons_for("six")
    assert len(explanations.to_pandas()) == len(explanations.to_arrow()) == 8
    explanations.save(tmp_path / "result")
    assert ij.Explanations.load(tmp_path / "result").num_neurons == 8
    formula = ij.Formula.parse("six & ~odd")
    assert str(formula) == "six & ~odd"
    assert formula.evaluate(world.concepts).sum() == 10
    assert ij.auroc(world.activations, world.masks).shape == (8, 11)


HEAVY = ("flax", "tensorflow_datasets", "tensorflow", "optax", "matplotlib", "pandas",
         "sklearn", "torch")  # fmt: skip


def test_importing_loads_nothing_heavy():
    script = (
        "import sys, invert_jax; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == "[]"
