import dataclasses
import re

import numpy as np
import pytest

import invert_jax as ij
from invert_jax.analyses import comparison
from invert_jax.analyses.comparison import compare
from invert_jax.reports.page import report
from tests.small_runs import QUIET, as_in_production

NAMES = ("cat", "dog", "fish", "<b>pet</b>")
NUM_SAMPLES = 150


@pytest.fixture(scope="module")
def concepts():
    labels = np.arange(NUM_SAMPLES) % 3
    masks = labels[:, None] == np.arange(3)
    return ij.Concepts.from_masks(np.column_stack([masks, labels < 2]), NAMES)


def explained(values, concepts, **settings):
    given = {"max_length": 2, "beam_size": 2, "min_fraction": 0.2, "max_fraction": 0.8}
    return ij.explain(
        values.astype(np.float32), concepts, **(given | settings), options=QUIET
    )


@pytest.fixture(scope="module")
def a(concepts):
    """Neurons that see: cat, dog, fish, nothing, cat."""
    masks = concepts.masks()
    silent = np.zeros(NUM_SAMPLES)
    return explained(np.column_stack([masks[:, :3], silent, masks[:, 0]]), concepts)


@pytest.fixture(scope="module")
def b(concepts):
    """Neurons that see: cat, fish, nothing, dog, nothing."""
    masks = concepts.masks()
    silent = np.zeros(NUM_SAMPLES)
    seen = [masks[:, 0], masks[:, 2], silent, masks[:, 1], silent]
    return explained(np.column_stack(seen), concepts)


def test_by_neuron_labels_are_kept_changed_lost_and_gained(a, b):
    found = compare(a, b)
    assert found.outcome.tolist() == ["kept", "changed", "lost", "gained", "lost"]
    assert found.counts == {"kept": 1, "changed": 1, "lost": 2, "gained": 1}
    assert found.first.tolist() == found.second.tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(found.overlap).all()
    assert len(found) == 5


def test_with_concepts_overlaps_are_jaccard_indices(a, b, concepts):
    found = compare(a, b, concepts=concepts)
    for pair, (one, other) in enumerate(zip(a.formulas, b.formulas, strict=True)):
        if one[0] is None or other[0] is None:
            assert np.isnan(found.overlap[pair]) or found.overlap[pair] == 0
            continue
        left, right = (each[0].evaluate(concepts) for each in (one, other))
        assert found.overlap[pair] == (left & right).sum() / (left | right).sum()


def test_by_overlap_each_label_finds_the_most_similar_one(a, b, concepts):
    found = compare(a, b, match="overlap", concepts=concepts)
    assert found.first.tolist() == [0, 1, 2, 4]
    assert found.second.tolist() == [0, 3, 1, 0]
    assert found.outcome.tolist() == ["kept"] * 4
    assert (found.overlap == 1).all()


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 2, 3, 1, 0]])
def test_by_overlap_a_set_is_itself_in_any_order(a, concepts, order):
    """Neurons 0 and 4 hold on the same samples, and each finds itself."""
    found = compare(a, a.take(order), match="overlap", concepts=concepts)
    assert found.counts == {"kept": 4}
    np.testing.assert_array_equal(
        found.a.neurons[found.first], found.b.neurons[found.second]
    )


def test_by_overlap_each_label_of_b_has_its_own_best_of_a(a, concepts):
    """Of b, "pet" (cat or dog) is the best of none, and half of it is cat."""
    pet = concepts.masks()[:, [3]]
    b = explained(np.column_stack([concepts.masks()[:, :1], pet]), concepts)
    found = compare(a.take([0, 4]), b, match="overlap", concepts=concepts)
    assert found.outcome.tolist() == ["kept", "kept", "changed"]
    assert found.first.tolist() == [0, 1, 0]
    assert found.second.tolist() == [0, 0, 1]
    assert found.overlap.tolist() == [1, 1, 0.5]


def test_labels_that_no_other_resembles_stand_alone(a, b, concepts):
    cat, dog = a.take([0]), b.take([3])
    found = compare(cat, dog, match="overlap", concepts=concepts)
    assert found.outcome.tolist() == ["only in a", "only in b"]
    assert found.first.tolist() == [0, -1]
    assert found.second.tolist() == [-1, 0]


def test_neurons_of_one_side_only_are_said_to_be(a, b):
    found = compare(a.take([0, 1]), b.take([1, 2]))
    assert found.outcome.tolist() == ["only in a", "changed", "only in b"]


def test_formulas_that_hold_on_the_same_samples_are_kept(a, concepts):
    other = ij.Concepts.from_masks(~concepts.masks(), [f"not {n}" for n in NAMES])
    b = explained(
        np.column_stack([concepts.masks()[:, :3], np.zeros((NUM_SAMPLES, 2))]), other
    )
    assert compare(a, b).counts == {"changed": 3, "lost": 1, "unlabeled": 1}
    found = compare(a, b, concepts=(concepts, other))
    assert found.counts == {"kept": 3, "lost": 1, "unlabeled": 1}


def test_one_name_for_different_things_is_no_label_kept(a, concepts):
    """Of another table, where cat and dog have each other's name."""
    swapped = ij.Concepts.from_masks(
        concepts.masks()[:, [1, 0, 2, 3]], np.array(NAMES).tolist()
    )
    b = explained(
        np.column_stack([swapped.masks()[:, :2], np.zeros((NUM_SAMPLES, 3))]), swapped
    )
    cats = a.take([0]), b.take([0])
    assert str(cats[0].formula(0)) == str(cats[1].formula(0)) == "cat"
    assert compare(*cats).counts == {"kept": 1}
    found = compare(*cats, concepts=(concepts, swapped))
    assert found.counts == {"changed": 1} and found.overlap.tolist() == [0]


def test_the_order_of_samples_changes_no_overlap(a, b, concepts, rng):
    shuffled = concepts.take(rng.permutation(NUM_SAMPLES))
    for match in ("neuron", "overlap"):
        one = compare(a, b, match=match, concepts=concepts)
        other = compare(a, b, match=match, concepts=shuffled)
        np.testing.assert_array_equal(one.overlap, other.overlap)
        np.testing.assert_array_equal(one.outcome, other.outcome)


def test_what_is_not_shown_of_many_pairs_is_counted(concepts):
    many = explained(np.tile(concepts.masks()[:, :3], 10), concepts)
    found = compare(many, many)
    assert "... and 10 more" in str(found)
    assert "... and 10 more" in found._repr_html_()
    assert found._repr_html_().count("<tr>") == 21


def test_comparing_with_itself_keeps_every_label(a, concepts):
    found = compare(a, a, concepts=concepts)
    assert found.counts == {"kept": 4, "unlabeled": 1}


def test_turned_around_lost_is_gained(a, b):
    one, other = compare(a, b).counts, compare(b, a).counts
    assert (one["lost"], one["gained"]) == (other["gained"], other["lost"])


def test_the_table_has_both_labels_and_held_out_intervals(concepts, rng):
    masks = concepts.masks()[:, :2] + rng.normal(size=(NUM_SAMPLES, 2))
    a = explained(masks, concepts, holdout=0.4, key=0, min_fraction=0.25)
    table = compare(a, a, concepts=concepts).to_arrow()
    assert table.column_names[:4] == ["neuron_a", "neuron_b", "outcome", "overlap"]
    assert table["formula_a"].to_pylist() == [str(each[0]) for each in a.formulas]
    assert a.held_out is not None
    low = a.held_out.intervals[:, 0, 0]
    np.testing.assert_array_equal(table["held_out_low_b"].to_numpy(), low)
    assert f"({low[0]:.3f}-" in str(compare(a, a))
    plain = dataclasses.replace(a, held_out=None)
    for row in compare(plain, a).rows():
        assert row[4].endswith(" (AUROC)") and row[6].endswith(")")
    assert compare(plain, a).rows()[0][4] == f"{a.scores[0, 0]:.4f} (AUROC)"


def test_the_table_has_nulls_for_what_is_missing(a, b):
    table = compare(a.take([0]), b.take([0, 1])).to_arrow().to_pylist()
    assert (table[1]["neuron_a"], table[1]["formula_a"]) == (None, None)
    assert (table[1]["neuron_b"], table[1]["outcome"]) == (1, "only in b")
    frame = compare(a, b).to_pandas()
    assert frame["outcome"].tolist() == compare(a, b).outcome.tolist()


def test_text_names_what_differs_first(a, b, concepts):
    text = str(compare(a, b, concepts=concepts))
    assert text.startswith("Comparison(5 pairs by neuron: 1 kept, 1 changed, 2 lost")
    assert text.index("changed", 80) < text.index("lost", 110) < text.rindex("kept")


def test_a_notebook_escapes_names(a, concepts):
    values = concepts.masks()[:, [3]].astype(np.float32)
    pet = explained(values, concepts)
    renamed = dataclasses.replace(pet, concept_names=("<i>",) * 4)
    shown = compare(renamed, renamed)._repr_html_()
    assert "&lt;i&gt;" in shown and "<i>" not in shown


def test_the_plot_has_a_point_for_each_pair(a, b, concepts):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    _, ax = pyplot.subplots()
    found = compare(a, b, concepts=concepts)
    assert found.plot(ax) is ax
    kept = next(line for line in ax.lines if "kept" in str(line.get_label()))
    assert np.asarray(kept.get_xdata()).tolist() == [a.scores[0, 0]]
    assert comparison.plot_comparison(found) is not ax
    pyplot.close("all")


def test_a_report_has_a_row_for_each_pair_and_says_what_became_of_it(
    a, b, concepts, tmp_path
):
    found = compare(a, b, concepts=concepts, names=("old <1>", "new"))
    path = report(b, tmp_path / "page.html", concepts=concepts, comparison=found)
    text = path.read_text(encoding="utf-8")
    section = text[text.index('<section class="comparison"') :]
    assert section.count('<td class="outcome">') == 5
    outcomes = re.findall(r'<td class="outcome">.*<bdi>(\w+)</bdi>', section)
    assert outcomes == ["changed", "lost", "lost", "gained", "kept"]
    assert "old &lt;1&gt;" in section and "old <1>" not in text
    assert section.count('<a href="#unit-') == 5
    # Both labels of a pair have a score in two of five pairs.
    assert section.count("<circle") + section.count("<path") == 2


def test_a_report_compares_each_layer_by_its_name(a, b, concepts, tmp_path):
    layers = {"one": a, "two": b}
    found = {"two": compare(a, b, concepts=concepts)}
    path = report(layers, tmp_path / "page.html", concepts=concepts, comparison=found)
    text = path.read_text(encoding="utf-8")
    assert text.count('<section class="comparison"') == 1
    assert 'data-run="1" hidden>' in text[text.index('<section class="comparison"') :]
    assert 'href="#two/unit-0"' in text
    with pytest.raises(ValueError, match="names of the layers; got 'three'"):
        report(layers, path, comparison={"three": found["two"]})
    with pytest.raises(TypeError, match="what `compare` gives"):
        report(a, path, comparison=found["two"].to_arrow())


def test_names_of_the_two_sets_are_shown(a, b, concepts):
    found = compare(a.take([0, 1]), b.take([1, 2]), names=("old", "[b]new"))
    assert found.summary.endswith("1 changed, 1 only in old, 1 only in [b]new")
    assert found.headings[-2:] == ("label [b]new", "AUROC [b]new")
    assert "label [b]new" in str(found)
    conv, head = (
        dataclasses.replace(each, layer=name)
        for each, name in ((a, "conv"), (b, "head"))
    )
    assert compare(conv, head).names == ("conv", "head")
    with pytest.raises(ValueError, match="two names that differ"):
        compare(a, b, names=("x", "x"))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"match": "name"}, "`match` must be neuron or overlap; got 'name'"),
        ({"match": "overlap"}, 'overlap"` needs `concepts`'),
    ],
)
def test_wrong_settings_are_refused(a, b, settings, match):
    with pytest.raises(ValueError, match=match):
        compare(a, b, **settings)


def test_labels_of_different_signs_are_refused(a, concepts):
    settings = dataclasses.replace(a.settings, sign="negative")
    negative = dataclasses.replace(a, settings=settings)
    assert compare(negative, negative, concepts=concepts).counts["kept"] == 4
    with pytest.raises(ValueError, match=r"same `sign`.* got positive and negative"):
        compare(a, negative)


@pytest.mark.parametrize("names", [5, "ab"])
def test_names_that_are_not_two_are_refused(a, names):
    with as_in_production(), pytest.raises(TypeError, match="`names` must be two"):
        compare(a, a, names=names)


def test_layers_without_a_common_neuron_need_overlaps(a, b):
    with pytest.raises(ValueError, match="needs neurons that both have"):
        compare(a.take([0]), b.take([1]))


def test_concepts_of_other_samples_are_refused(a, b, concepts):
    fewer = concepts.take(np.arange(100))
    with pytest.raises(ValueError, match=r"same samples, .* got 150 and 100"):
        compare(a, b, concepts=(concepts, fewer))
    one, other = (concepts.with_ids(np.arange(150) + start) for start in (0, 1))
    with pytest.raises(ValueError, match="has the id"):
        compare(a, b, concepts=(one, other))
    few = concepts.select(NAMES[:2])
    with pytest.raises(ValueError, match="labels of another run"):
        compare(a, b, concepts=few)


def test_concepts_that_the_labels_are_not_of_are_refused(a, b, concepts, rng):
    fewer = concepts.take(np.arange(100))
    with pytest.raises(ValueError, match="150 samples of `a`; got 100"):
        compare(a, b, concepts=fewer)
    other = ij.Concepts.from_masks(rng.random((150, 4)) < 0.3, NAMES)
    with pytest.raises(ValueError, match=r"of `b`; .* and on 50 of those that were"):
        compare(a, b, concepts=(concepts, other))


@pytest.mark.parametrize("given", [5, "x", ("x", "y"), ()], ids=repr)
def test_what_is_no_table_of_concepts_is_refused(a, given):
    with as_in_production(), pytest.raises(TypeError, match="be a Concepts table, or"):
        compare(a, a, concepts=given)


def test_samples_that_were_held_out_count_for_overlaps(concepts, rng):
    values = concepts.masks()[:, :3] + rng.normal(size=(NUM_SAMPLES, 3)) / 9
    a, b = (
        explained(values, concepts, holdout=0.4, key=key, min_fraction=0.25)
        for key in (0, 1)
    )
    assert compare(a, b, concepts=concepts).counts == {"kept": 3}
    counted = concepts.take(a.samples)
    assert compare(a, a, concepts=counted).counts == {"kept": 3}
    with pytest.raises(ValueError, match=r"`concepts` must .* of `b`"):
        compare(a, b, concepts=counted)
