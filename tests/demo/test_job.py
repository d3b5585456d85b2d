"""The whole job, run once, and all that it leaves behind."""

import contextlib
import csv
import dataclasses
import io
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from invert_jax import Concepts, Explanations, Formula
from invert_jax.cli.main import main
from invert_jax.demo import Findings, job, run
from invert_jax.demo.labels import labels_of
from invert_jax.demo.self_check import (
    check_accuracy,
    check_own_digits,
    check_scores,
    check_shuffled,
)

metrics = pytest.importorskip("sklearn.metrics")

NUM_UNITS = {"parts": 24, "hidden": 32, "logits": 10}


class Finished(NamedTuple):
    findings: Findings
    output: Path
    printed: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    output = tmp_path_factory.mktemp("demo") / "new" / "folder"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        findings = run(output, progress=True)
    return Finished(findings, output, printed.getvalue())


@pytest.fixture
def findings(finished):
    return finished.findings


def labels_csv(finished):
    with (finished.output / "labels.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_it_passes_its_own_checks(findings):
    found = {check.name: check.value for check in findings.checks}
    assert findings.passed
    assert found["accuracy"] >= 0.97
    assert found["own_digits"] >= 9
    assert found["largest_error"] <= 1e-12


def test_every_neuron_of_three_layers_is_explained_at_length_three(findings):
    sizes = {name: len(found) for name, found in findings.explanations.items()}
    assert sizes == NUM_UNITS
    for found in findings.explanations.values():
        assert found.max_length == 3
        assert found.lengths.max() == 3


def test_every_formula_holds_on_at_least_20_images(findings):
    for found in findings.explanations.values():
        assert found.num_positives[found.lengths[:, -1] > 0].min() >= 20


def test_activations_and_concepts_are_of_the_images_held_out(findings):
    assert findings.concepts.num_samples == 899
    for values in findings.activations.values():
        np.testing.assert_array_equal(values.ids, findings.concepts.ids)


def test_half_of_the_images_are_searched_and_the_others_judge(findings):
    for found in findings.explanations.values():
        assert found.num_samples + found.held_out.num_samples == 899
        assert abs(found.num_samples - found.held_out.num_samples) == 1
        low, high = found.held_out.intervals[:, 0].T
        inside = found.held_out.scores[:, 0] < 1
        assert (low[inside] < high[inside]).all()


def test_units_with_a_meaning_are_labeled_and_shuffled_ones_are_not(findings):
    for found in findings.explanations.values():
        is_known = found.lengths[:, -1, 0] > 0
        assert (found.status[is_known] == "labeled").mean() > 0.9
        assert (found.q_value[is_known] >= 1 / (1 + job.NUM_DRAWS)).all()
    shuffled = {check.name: check for check in findings.checks}["shuffled"]
    assert shuffled.value <= 0.05 * 66 and "of 66 units" in shuffled.description


def test_held_out_scores_are_lower_than_those_that_chose_the_formula(findings):
    for layer in ("parts", "hidden"):
        assert np.nanmean(findings.explanations[layer].optimism[:, 0]) > 0


def test_labels_need_held_out_scores(findings):
    found = dataclasses.replace(findings.explanations["logits"], held_out=None)
    with pytest.raises(ValueError, match=r"`explanations` must have held-out scores"):
        labels_of(found, "logits")


def test_the_concept_that_the_ending_asks_for_has_neurons(finished):
    ending = finished.printed.partition("What to try next")[2]
    (concept,) = re.findall(r'neurons_for\("(\w+)"\)', ending)
    assert len(finished.findings.explanations["hidden"].neurons_for(concept)) > 0


def test_the_file_of_labels_has_a_line_for_every_neuron(finished):
    rows = labels_csv(finished)
    places = [(row["layer"], int(row["neuron"])) for row in rows]
    assert places == [
        (layer, i) for layer, size in NUM_UNITS.items() for i in range(size)
    ]


def test_formulas_in_the_file_of_labels_give_the_scores_in_the_file(finished):
    for row in labels_csv(finished):
        if row["status"] != "labeled":
            continue
        findings, layer = finished.findings, row["layer"]
        found = findings.explanations[layer]
        truth = Formula.parse(row["formula"]).evaluate(findings.concepts)
        values = np.asarray(findings.activations[layer])[:, int(row["neuron"])]
        for name, part in (
            ("auroc", found.samples),
            ("held_out", found.held_out.samples),
        ):
            auroc = metrics.roc_auc_score(truth[part], values[part])
            assert float(row[name]) == pytest.approx(auroc, abs=1e-12)
        assert int(row["num_positives"]) == truth[found.samples].sum()
        assert float(row["share"]) == truth[found.samples].mean()
        assert float(row["p_search"]) <= float(row["q_value"]) <= job.ALPHA


def test_saved_explanations_load_as_they_were(finished):
    for layer, found in finished.findings.explanations.items():
        loaded = Explanations.load(finished.output / "explanations" / layer)
        np.testing.assert_array_equal(loaded.scores, found.scores)
        assert loaded.held_out is not None
        np.testing.assert_array_equal(loaded.held_out.scores, found.held_out.scores)
        np.testing.assert_array_equal(loaded.status, found.status)
        assert list(loaded.formulas) == list(found.formulas)


def test_what_was_explained_is_saved_and_gives_the_same_answers(finished):
    values = np.load(finished.output / "activations" / "logits.npy", allow_pickle=False)
    concepts = Concepts.load(finished.output / "concepts.npz")
    again = job.explained(values, concepts)
    found = finished.findings.explanations["logits"]
    assert list(again.formulas) == list(found.formulas)
    np.testing.assert_array_equal(again.scores, found.scores)


def test_every_concept_is_defined_in_a_file(finished):
    with (finished.output / "concepts.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    concepts = finished.findings.concepts
    assert [row["concept"] for row in rows] == list(concepts.names)
    assert [row["description"] for row in rows] == list(concepts.descriptions)
    assert [int(row["num_positives"]) for row in rows] == list(concepts.num_positives)


def test_the_checks_are_written_down(finished):
    record = json.loads((finished.output / "checks.json").read_text())
    assert {name: check["passed"] for name, check in record.items()} == {
        "accuracy": True,
        "own_digits": True,
        "largest_error": True,
        "shuffled": True,
    }


def test_what_is_printed_shows_labels_checks_and_what_to_try_next(finished):
    printed = finished.printed
    for text in ("logits: 10 units", "hidden: 32 units, the best 10"):
        assert text in printed
    for heading in (" AUROC ", " held out ", " q ", " status "):
        assert heading in printed
    for text in ("Train a network", "Explain every unit", "What to try next"):
        assert text in printed
    assert printed.count("✓") >= len(finished.findings.checks)
    assert "✗" not in printed
    assert f"{finished.output}/labels.csv" in printed


def test_the_files_that_are_named_at_the_end_exist(finished):
    ending = finished.printed.partition("What to try next")[2]
    words = [word.strip('"()') for word in ending.replace("load(", " ").split()]
    named = {Path(word) for word in words if word.startswith(str(finished.output))}
    made_by_the_user = finished.output / "longer"
    assert len(named) >= 5
    assert {path for path in named if not path.exists()} == {made_by_the_user}


def test_the_text_file_lists_every_neuron(finished):
    text = (finished.output / "labels.txt").read_text(encoding="utf-8")
    for layer, size in NUM_UNITS.items():
        assert f"{layer}: {size} units" in text
    assert ", the best" not in text
    assert sum(line.startswith("│ ") for line in text.splitlines()) >= 66


def test_the_accuracy_check_fails_below_97_percent():
    assert check_accuracy(0.97, 899).passed
    assert not check_accuracy(0.969, 899).passed


def test_the_command_finds_what_the_results_were_made_of(finished, tmp_path):
    page = tmp_path / "page.html"
    results = str(finished.output / "explanations")
    assert main(["report", results, "-o", str(page), "--quiet"]) == 0
    text = page.read_text(encoding="utf-8")
    assert "No activations were given" not in text
    assert "No concepts were given" not in text


def test_the_digit_check_fails_if_two_logits_change_places(findings):
    swapped = findings.explanations["logits"].take([1, 0, 2, 3, 4, 5, 6, 7, 8, 9])
    check = check_own_digits(swapped)
    assert check.value == 8
    assert not check.passed


def test_the_score_check_fails_if_a_rank_sum_is_off_by_one_rank(findings):
    found = findings.explanations["logits"]
    wrong = dataclasses.replace(found, rank_sums=found.rank_sums + 2)
    check = check_scores({"logits": wrong}, findings.activations, findings.concepts)
    assert check.value > 1e-6
    assert not check.passed


def test_the_score_check_fails_if_a_held_out_score_is_off_by_one_rank(findings):
    found = findings.explanations["logits"]
    held_out = dataclasses.replace(
        found.held_out, rank_sums=found.held_out.rank_sums + 2
    )
    wrong = dataclasses.replace(found, held_out=held_out)
    check = check_scores({"logits": wrong}, findings.activations, findings.concepts)
    assert check.value > 1e-6
    assert not check.passed


def test_the_check_of_shuffled_units_fails_if_they_are_labeled(findings):
    check = check_shuffled(findings.explanations, alpha=0.05)
    assert check.value > 60
    assert not check.passed


def test_one_failed_check_fails_the_job(findings):
    failed = findings._replace(checks=(*findings.checks, check_accuracy(0.5, 899)))
    assert not failed.passed


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ValueError, match=r"`output` must be a folder; got the file"):
        run(tmp_path / "taken")


def test_without_scikit_learn_nothing_is_started(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"pip install 'invert_jax\[demo\]'"):
        run(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_the_page_shows_every_layer_with_images_and_where_units_fire(finished):
    page = (finished.output / "report.html").read_text(encoding="utf-8")
    assert all(layer in page for layer in NUM_UNITS)
    images = re.findall(r"data:image/png;base64,[^\"]+", page)
    assert len(images) == len(set(images)) > 100
    assert page.count('"maps":{"units":') == 1 and page.count('"maps":null') == 2
    assert "by 999 searches on meaningless units" in page
    assert "report.html" in finished.printed


def test_maps_are_what_the_activations_are_the_means_of(findings):
    maps, means = findings.maps["parts"], np.asarray(findings.activations["parts"])
    assert maps.shape == (len(means), 8, 8, 24)
    np.testing.assert_allclose(maps.mean((1, 2)), means, rtol=1e-5, atol=1e-6)
