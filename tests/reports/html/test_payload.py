"""The numbers and names of a layer that the page holds."""

import dataclasses

import numpy as np

import invert_jax as ij
from invert_jax.core.objectives.auroc import AUROC
from invert_jax.reports.page import report
from invert_jax.settings import OBJECTIVES
from tests.reports.pages_read import data_of, unpacked
from tests.reports.small_pages import NAMES


def test_formulas_scores_and_supports_are_those_of_the_explanations(full_page, run):
    data = data_of(full_page, "layer-data-0")
    labels = run.explanations
    np.testing.assert_array_equal(unpacked(data["supports"]), labels.supports)
    scores = unpacked(data["scores"])
    np.testing.assert_array_equal(scores[:, -1], labels.scores)
    np.testing.assert_array_equal(scores[:, 0], labels.at_length(1).scores)
    names = [each["name"] for each in data["concepts"]]
    literals = unpacked(data["literals"]).astype(int) - 1
    for neuron, (best, *_) in enumerate(labels.formulas):
        shown = literals[neuron, -1, 0]
        pairs = [(names[x // 2], bool(x % 2)) for x in shown if x >= 0]
        assert pairs == ([] if best is None else list(best.literals))


def test_sample_ids_are_shown_for_the_samples_of_the_cards(full_page, run):
    ids = data_of(full_page, "page-data")["ids"]
    shown = unpacked(ids["samples"])
    assert ids["ids"] == [run.concepts.ids[sample] for sample in shown]


def test_held_out_scores_and_q_values_are_in_the_page(run, tmp_path):
    quiet = ij.Options(progress=False)
    labels = ij.explain(
        run.activations, run.concepts, max_length=2, beam_size=3, min_fraction=0.25,
        holdout=0.5, key=0, options=quiet,
    )  # fmt: skip
    null = ij.null_distribution(
        run.concepts, labels, num_draws=19, key=0, options=quiet
    )
    labels = labels.with_null(null)
    path = report(
        labels, tmp_path / "page.html", activations=run.activations,
        concepts=run.concepts, images=run.images,
    )  # fmt: skip
    evidence = data_of(path, "layer-data-0")["evidence"]
    held_out = labels.held_out
    for name, expected in (
        ("heldOut", held_out.scores[:, 0]),
        ("interval", held_out.intervals[:, 0]),
        ("without", held_out.scores_without),
        ("q", labels.q_value),
    ):
        found = unpacked(evidence[name])
        np.testing.assert_array_equal(found, expected)
    top = unpacked(data_of(path, "layer-data-0")["behavior"]["top"])
    assert set(top.ravel()) <= {*labels.samples, -1}
    text = path.read_text(encoding="utf-8")
    assert "19 searches on meaningless units" in text
    assert "No samples were held out" not in text


def test_a_layer_without_any_formula_has_a_page(run, tmp_path):
    empty = run.explanations.take([6])
    path = report(empty, tmp_path / "page.html", concepts=run.concepts)
    summary = data_of(path, "layer-data-0")["summary"]
    assert summary["statuses"] == {"constant": 1}
    assert summary["bars"] == [] and summary["means"] == [None, None]


def test_large_ids_and_activations_are_shown_as_they_are(run, tmp_path):
    ids = 2**53 + np.arange(160)
    values = np.asarray(run.activations, np.float64) * 1e300
    labels = ij.explain(
        ij.Activations(values, ids=ids), run.concepts.with_ids(ids), max_length=2,
        beam_size=3, min_fraction=0.125, options=ij.Options(progress=False),
    )  # fmt: skip
    path = report(
        labels, tmp_path / "page.html", activations=ij.Activations(values, ids=ids)
    )
    page = data_of(path, "page-data")
    assert set(page["ids"]["ids"]) <= set(map(str, ids.tolist()))
    found = data_of(path, "layer-data-0")["behavior"]
    np.testing.assert_array_equal(unpacked(found["high"]), values.max(0))


def test_concepts_in_another_order_are_understood(run, tmp_path):
    turned = run.concepts.select(NAMES[::-1])
    path = report(run.explanations, tmp_path / "page.html", concepts=turned)
    counts = {
        each["name"]: each["count"]
        for each in data_of(path, "layer-data-0")["concepts"]
    }
    expected = dict(zip(turned.names, turned.num_positives.tolist(), strict=True))
    assert counts == {name: expected[name] for name in counts}


def test_names_of_units_are_shown_where_they_say_more_than_the_number(run, tmp_path):
    named = dataclasses.replace(
        run.explanations, neuron_names=tuple(f"unit <{j}>" for j in range(8))
    )
    path = report(named, tmp_path / "page.html")
    names = data_of(path, "layer-data-0")["names"]
    assert names == list(named.neuron_names)


def test_the_whole_page_calls_the_score_by_its_name(run, tmp_path, monkeypatch):
    monkeypatch.setitem(
        OBJECTIVES,
        "auroc",
        AUROC._replace(name="fit", meaning="Fit is what it is."),
    )
    both = ij.compare(run.explanations, run.explanations)
    path = report(run.explanations, tmp_path / "page.html", comparison=both)
    text = path.read_text(encoding="utf-8")
    assert data_of(path, "layer-data-0")["scoreName"] == "fit"
    assert "median fit" in text and "Fit is what it is." in text
    assert "AUROC" not in text
