"""The whole job, run once, and all that it leaves behind."""

import contextlib
import csv
import io
import re
import shlex
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from invert_jax import Concepts, Explanations, Formula
from invert_jax.activations.store.opening import read_activations
from invert_jax.cli.main import main
from invert_jax.demo import Findings, job, run
from invert_jax.demo.self_check import check_accuracy

metrics = pytest.importorskip("sklearn.metrics")

NUM_UNITS = {"parts": 24, "hidden": 32, "logits": 10}


class Finished(NamedTuple):
    findings: Findings
    output: Path
    printed: str
    bars: str

    @property
    def ending(self):
        """What is said to try next."""
        return self.printed.partition("What to try next")[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    output = tmp_path_factory.mktemp("demo") / "new" / "folder"
    printed, bars = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(bars):
        findings = run(output, progress=True)
    return Finished(findings, output, printed.getvalue(), bars.getvalue())


@pytest.fixture
def findings(finished):
    return finished.findings


def labels_csv(finished, layer):
    path = finished.output / "labels" / f"{layer}.csv"
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_it_passes_its_own_checks(findings):
    accuracy, own_digits, largest_error, shuffled = findings.checks
    assert findings.passed
    assert accuracy.value >= 0.97
    assert own_digits.value >= 9
    assert largest_error.value <= 1e-12
    assert shuffled.value <= 0.05 * 66 and "of 66 neurons" in shuffled.fact


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


def test_units_with_a_meaning_are_labeled(findings):
    for found in findings.explanations.values():
        is_known = found.lengths[:, -1, 0] > 0
        assert (found.status[is_known] == "labeled").mean() > 0.9
        assert (found.q_value[is_known] >= 1 / (1 + job.NUM_DRAWS)).all()


def test_held_out_scores_are_lower_than_those_that_chose_the_formula(findings):
    for layer in ("parts", "hidden"):
        assert np.nanmean(findings.explanations[layer].optimism[:, 0]) > 0


def test_shuffled_units_keep_their_values_and_lose_their_places(findings):
    for layer, values in findings.activations.items():
        shuffled = job.shuffled(findings.activations)[f"shuffled {layer}"]
        np.testing.assert_array_equal(np.sort(shuffled, 0), np.sort(values, 0))
        assert (shuffled != np.asarray(values)).any()


def test_the_tables_of_labels_have_a_line_for_every_neuron(finished):
    for layer, size in NUM_UNITS.items():
        rows = labels_csv(finished, layer)
        assert [int(row["neuron"]) for row in rows] == list(range(size))


def test_formulas_in_the_tables_give_the_scores_in_the_tables(finished):
    findings = finished.findings
    for layer, found in findings.explanations.items():
        for row in labels_csv(finished, layer):
            if row["status"] != "labeled":
                continue
            truth = Formula.parse(row["formula"]).evaluate(findings.concepts)
            values = np.asarray(findings.activations[layer])[:, int(row["neuron"])]
            for name, part in (
                ("score", found.samples),
                ("held_out_score", found.held_out.samples),
            ):
                auroc = metrics.roc_auc_score(truth[part], values[part])
                assert float(row[name]) == pytest.approx(auroc, abs=1e-12)
            assert int(row["num_positives"]) == truth[found.samples].sum()
            assert float(row["p_search"]) <= float(row["q_value"]) <= job.ALPHA


def test_labels_to_share_load_again(finished):
    for layer, found in finished.findings.explanations.items():
        loaded = Explanations.load(finished.output / "labels" / f"{layer}.json")
        np.testing.assert_array_equal(loaded.scores, found.scores)
        assert list(loaded.formulas) == list(found.formulas)


def test_saved_explanations_load_as_they_were(finished):
    for layer, found in finished.findings.explanations.items():
        loaded = Explanations.load(finished.output / "explanations" / layer)
        np.testing.assert_array_equal(loaded.scores, found.scores)
        assert loaded.held_out is not None
        np.testing.assert_array_equal(loaded.held_out.scores, found.held_out.scores)
        np.testing.assert_array_equal(loaded.status, found.status)
        assert list(loaded.formulas) == list(found.formulas)


def test_what_was_explained_is_saved_as_it_was(finished):
    concepts = Concepts.load(finished.output / "concepts.npz")
    assert concepts.fingerprint() == finished.findings.concepts.fingerprint()
    loaded = read_activations(finished.output / "activations.npz")
    assert isinstance(loaded, dict) and list(loaded) == list(NUM_UNITS)
    for layer, values in finished.findings.activations.items():
        np.testing.assert_array_equal(np.asarray(loaded[layer]), np.asarray(values))
        np.testing.assert_array_equal(loaded[layer].ids, concepts.ids)


def test_what_is_printed_shows_labels_checks_and_what_to_try_next(finished):
    printed = finished.printed
    for text in ("the best 10 of 10 neurons", "hidden: the best 10 of 32 neurons"):
        assert text in printed
    for heading in (" AUROC ", " held out ", " q ", " status"):
        assert heading in printed
    assert printed.count("✓") == len(finished.findings.checks)
    assert "✗" not in printed
    assert f"{finished.output}/report.html" in finished.ending


def test_the_bars_are_apart_from_what_is_printed(finished):
    for text in ("train a network", "40 epochs"):
        assert text in finished.bars
        assert text not in finished.printed


def test_the_files_that_are_named_at_the_end_exist(finished):
    words = [word.strip('"()') for word in finished.ending.replace("(", " ").split()]
    named = {Path(word) for word in words if word.startswith(str(finished.output))}
    made_by_the_user = {finished.output / name for name in ("longer", "longer.html")}
    assert len(named) >= 5
    assert {path for path in named if not path.exists()} == made_by_the_user


def test_the_lines_of_python_at_the_end_find_units(finished, capsys):
    start = finished.ending.index("      import invert_jax")
    lines = finished.ending[start : finished.ending.index("  allow longer")]
    exec(textwrap.dedent(lines), {})
    shown = capsys.readouterr().out
    rows = [line for line in shown.splitlines() if re.match(r" *\d+  ", line)]
    assert "Explanations" in shown and "of 'hidden'" in shown
    assert len(rows) >= 2
    assert shown.count("six") >= len(rows)


def test_the_commands_at_the_end_run(finished, capsys):
    text = finished.ending.replace("\\\n", " ")
    explain, report = re.findall(r"invert-jax (.*)", text)
    # A short search is enough to see that the inputs are found.
    assert main([*shlex.split(explain), "-q", "--max-length", "1"]) == 0
    assert main([*shlex.split(report), "-q"]) == 0
    assert "No activations were given" not in (
        finished.output / "longer.html"
    ).read_text(encoding="utf-8")
    capsys.readouterr()


def test_the_command_finds_what_the_results_were_made_of(finished, tmp_path):
    page = tmp_path / "page.html"
    results = str(finished.output / "explanations")
    assert main(["report", results, "-o", str(page), "--quiet"]) == 0
    text = page.read_text(encoding="utf-8")
    assert "No activations were given" not in text
    assert "No concepts were given" not in text


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
