"""The page as a file: what it holds, what it refuses. In a browser: see beside."""

import base64
import dataclasses
import json
import re
import sys

import numpy as np
import pytest

import invert_jax as ij
from invert_jax.reports.html.encoding import packed, script_json
from invert_jax.reports.material import named_layers
from invert_jax.reports.page import report
from tests.reports.small_pages import NAMES, make_page


def data_of(path, name):
    """One of the data blocks of the page, as its script reads it."""
    pattern = rf'<script type="application/json" id="{name}">(.*?)</script>'
    found = re.search(pattern, path.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None, name
    return json.loads(found[1])


def unpacked(value):
    kinds: dict[str, type[np.generic]] = {
        "u1": np.uint8,
        "u2": np.uint16,
        "i4": np.int32,
        "f4": np.float32,
        "f8": np.float64,
    }
    numbers = np.frombuffer(base64.b64decode(value["data"]), kinds[value["type"]])
    return numbers.reshape(value["shape"])


def test_what_is_packed_comes_back():
    for code, top in (("u1", 255), ("u2", 65535), ("i4", -(2**31)), ("f4", np.nan)):
        values = np.array([[0, 1, 2], [3, 4, top]])
        np.testing.assert_array_equal(unpacked(packed(values, code)), values)
    with pytest.raises(ValueError, match="`code` must be one of u1"):
        packed(np.zeros(1), "f2")


@pytest.mark.parametrize("text", [*NAMES, "a\u2028b", "<!--", "\ud800", "]]>", "&lt;"])
def test_no_text_can_leave_its_script_element(text):
    written = script_json({"name": text})
    assert not set("<>&\u2028\u2029") & set(written)
    written.encode("utf-8")
    expected = text.encode("utf-8", "replace").decode()
    assert json.loads(written) == {"name": expected}


def test_names_stand_in_the_page_as_data_only(full_page):
    text = full_page.read_text(encoding="utf-8")
    for name in NAMES:
        assert not set('<"') & set(name) or name not in text
    assert "<i>0" not in text and "block<1>" not in text
    assert "Names as &lt;data&gt;" in text
    names = [each["name"] for each in data_of(full_page, "layer-data-0")["concepts"]]
    assert set(names) <= set(NAMES)


def test_the_page_names_no_address_but_its_own_data(full_page):
    text = full_page.read_text(encoding="utf-8")
    addresses = set(re.findall(r"https?://[^\s\"'<]*", text))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert re.findall(r"(?:src|href)=\"([^\"]*)\"", text) == ["data:,", "#units"]


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


def test_each_image_is_embedded_once_and_within_the_budget(run, tmp_path):
    path = make_page(run, tmp_path / "page.html", image_budget=20_000)
    urls = data_of(path, "images-0")
    assert len(urls) == len(set(urls)) > 10
    assert sum(map(len, urls)) <= 20_000
    assert "did not fit into the page" in path.read_text(encoding="utf-8")
    samples = unpacked(data_of(path, "page-data")["images"])
    top = unpacked(data_of(path, "layer-data-0")["behavior"]["top"])
    best = np.nanargmax(np.abs(2 * run.explanations.scores[:, 0] - 1))
    assert set(top[best]) <= set(samples), "the best unit comes first"


def test_maps_are_those_of_the_best_units_that_fit_the_budget(run, tmp_path):
    whole = data_of(make_page(run, tmp_path / "a.html"), "layer-data-0")["maps"]
    path = make_page(run, tmp_path / "b.html", image_budget=12_500)
    maps = data_of(path, "layer-data-0")["maps"]

    assert len(unpacked(whole["units"])) == 7  # one unit is constant
    merits = np.nan_to_num(np.abs(2 * run.explanations.scores[:, 0] - 1))
    assert set(unpacked(maps["units"])) == set(np.argsort(-merits)[:3])
    assert unpacked(maps["values"]).shape == (3, 12, 4, 4)


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


def test_the_same_input_gives_the_same_page(run, full_page, tmp_path):
    again = make_page(run, tmp_path / "page.html")
    assert again.read_bytes() == full_page.read_bytes()


def test_a_layer_without_any_formula_has_a_page(run, tmp_path):
    empty = run.explanations.take([6])
    path = report(empty, tmp_path / "page.html", concepts=run.concepts)
    summary = data_of(path, "layer-data-0")["summary"]
    assert summary["statuses"] == {"constant": 1}
    assert summary["bars"] == [] and summary["means"] == [None, None]


def test_nothing_is_left_of_a_page_that_could_not_be_written(run, tmp_path):
    (tmp_path / "page.html").write_text("old")
    with pytest.raises(ValueError, match="`images` must have an image"):
        report(
            run.explanations, tmp_path / "page.html", activations=run.activations,
            concepts=run.concepts, images={},
        )  # fmt: skip
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text() == "old"


def test_a_folder_is_no_place_for_a_page(run, tmp_path):
    with pytest.raises(ValueError, match="`path` must be a file"):
        report(run.explanations, tmp_path)


@pytest.mark.parametrize(
    ("budget", "error"), [(-1, ValueError), ("30 MB", TypeError), (True, TypeError)]
)
def test_a_budget_must_be_a_number_of_bytes(run, tmp_path, budget, error):
    with pytest.raises(error):
        report(run.explanations, tmp_path / "page.html", image_budget=budget)


def refused(run, match, labels=None, **given):
    with pytest.raises((ValueError, TypeError), match=match):
        report(labels or run.explanations, "page.html", **given)


def test_activations_of_other_samples_or_neurons_are_refused(run):
    values = np.asarray(run.activations)
    refused(run, "of 160 samples; got 159", activations=values[1:])
    refused(run, "up to 7; got 3 neurons", activations=values[:, :3])
    named = ij.Activations(values, [f"n{each}" for each in range(8)])
    refused(run, "neuron 0 is '0' there and 'n0' here", activations=named)


def test_labels_of_another_run_are_refused_in_words(run):
    others = run.concepts.select(run.concepts.names[:3])
    refused(run, "have no concept .* labels of another run", concepts=others)
    masks = run.concepts.masks()[::-1].copy()
    masks[:100] = ~masks[:100]
    flipped = ij.Concepts.from_masks(masks, NAMES)
    refused(run, r"holds on \d+ samples of these and on \d+", concepts=flipped)
    refused(run, "must describe the 160 samples", concepts=run.concepts.take([0, 1]))
    refused(run, "must be a Concepts table; got list", concepts=[1, 2])


def test_ids_in_another_order_are_refused(run):
    ids = run.activations.ids[::-1]
    mixed = ij.Activations(np.asarray(run.activations), ids=ids)
    refused(run, "their ids differ", activations=mixed, concepts=run.concepts)


def test_layers_need_inputs_by_layer(run):
    both = {"a": run.explanations, "b": run.explanations}
    values = np.asarray(run.activations)
    refused(run, "`activations` must be a dict", both, activations=values)
    refused(run, "must hold the layer 'b'", both, activations={"a": values})
    fewer = {"a": values, "b": values[:100]}
    some = ij.explain(
        values[:100], run.concepts.take(np.arange(100)), max_length=1, beam_size=1,
        min_fraction=0.25, options=ij.Options(progress=False),
    )  # fmt: skip
    apart = {"a": run.explanations, "b": some}
    refused(run, "same samples; .* 100 and 160 samples", apart, activations=fewer)
    refused(run, "`maps` must be a dict", both, maps=np.zeros((160, 1, 1, 8)))
    refused(run, "`maps` must be by the names", maps={"x": np.zeros((160, 1, 1, 8))})
    with pytest.raises(ValueError, match="at least one layer; got none"):
        named_layers({})
    with pytest.raises(TypeError, match="must be an Explanations or a dict"):
        named_layers([run.explanations])


def test_layers_of_other_samples_are_refused_by_their_ids(run):
    values = np.asarray(run.activations)
    given = {
        name: ij.Activations(values, ids=np.array([f"{name}{n}" for n in range(160)]))
        for name in "ab"
    }
    both = {"a": run.explanations, "b": run.explanations}
    refused(run, "the ids of layer 'b' differ from those of", both, activations=given)


def test_each_layer_says_what_it_does_not_show(run, tmp_path):
    low = dataclasses.replace(
        run.explanations,
        settings=dataclasses.replace(run.explanations.settings, sign="negative"),
    )
    both = {"high": run.explanations, "low": low}
    values = dict.fromkeys(both, run.activations)
    path = report(
        both, tmp_path / "page.html", activations=values, images=run.images,
        maps={"low": np.ones((160, 1, 1, 8))},
    )  # fmt: skip
    _, of_high, of_low = path.read_text(encoding="utf-8").split("does not show of")
    assert "No maps were given" in of_high and "No maps were given" not in of_low
    assert "Maps are not drawn" in of_low and "Maps are not drawn" not in of_high


def test_maps_with_neurons_on_another_axis_are_refused(run):
    maps = np.zeros((160, 8, 9, 9))
    refused(run, "`maps` must be of shape", activations=run.activations, maps=maps)


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


def test_jinja2_missing_is_said_with_its_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"pip install 'invert_jax\[report\]'"):
        report(run.explanations, "page.html")


def test_names_of_units_are_shown_where_they_say_more_than_the_number(run, tmp_path):
    named = dataclasses.replace(
        run.explanations, neuron_names=tuple(f"unit <{j}>" for j in range(8))
    )
    path = report(named, tmp_path / "page.html")
    names = data_of(path, "layer-data-0")["names"]
    assert names == list(named.neuron_names)
