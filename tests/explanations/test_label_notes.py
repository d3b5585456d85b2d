"""Notes on labels: when each is given, and when not."""

import numpy as np
import pytest

import invert_jax as ij
from tests.held_out_runs import explain, make_activations, make_concepts
from tests.small_runs import QUIET


@pytest.fixture(scope="module")
def found():
    return explain(make_activations(), make_concepts(), holdout=0.5, key=5)


def kinds(notes):
    return {note.partition(":")[0] for note in notes}


@pytest.mark.parametrize("num_positives", [100, 119, 120, 150])
def test_a_support_near_the_smallest_allowed_is_noted(num_positives):
    masks = np.arange(1000)[:, None] < num_positives
    concepts = ij.Concepts.from_masks(masks, ["first"])
    activations = masks.astype(np.float32)
    labels = explain(activations, concepts, max_length=1, min_fraction=0.1)
    assert labels.label_notes == ((("at_bound",) if num_positives < 120 else ()),)


def test_an_idle_literal_is_named_as_it_stands(found):
    worth = found.held_out.scores[:, :1] - found.held_out.scores_without
    for position, notes in enumerate(found.label_notes):
        literals, _ = found.literals_at(position)
        idle = [
            f"idle_literal: {'~' * (literal % 2)}{found.concept_names[literal // 2]}"
            for place, literal in enumerate(literals)
            if worth[position, place] < 0.005
        ]
        assert [note for note in notes if note.startswith("idle")] == idle
    assert any("idle_literal" in kinds(notes) for notes in found.label_notes)


def test_for_low_activations_a_literal_that_lowers_the_score_is_not_idle():
    rng = np.random.default_rng(0)
    masks = rng.random((4000, 2)) < 0.4
    values = -2.0 * (masks[:, 0] & masks[:, 1]) + rng.normal(size=4000)
    concepts = ij.Concepts.from_masks(masks, ["a", "b"])
    labels = explain(
        values[:, None], concepts, sign="negative", max_length=2, holdout=0.5, key=0
    )
    assert set(labels.formula(0).names) == {"a", "b"}
    assert labels.label_notes == ((),)


def test_a_label_that_holds_on_none_of_the_highest_is_noted(found):
    hits = 20 * found.panel["precision_at_top"]
    misses = ["misses_top" in notes for notes in found.label_notes]
    np.testing.assert_array_equal(misses, hits <= 1)
    assert 0 < sum(misses) < len(misses)
    without = explain(
        make_activations(), make_concepts(), holdout=0.5, key=5, panel=False
    )
    assert not any("misses_top" in kinds(notes) for notes in without.label_notes)


@pytest.mark.parametrize("count", [1, 2, 10, 40])
def test_a_label_that_holds_on_all_of_the_highest_does_not_miss_them(count):
    masks = np.arange(800)[:, None] % 4 == 0
    concepts = ij.Concepts.from_masks(masks, ["fourth"])
    for values, misses in ((masks * 1.0, False), (1.0 - masks, True)):
        noise = np.random.default_rng(0).random(masks.shape) / 2
        labels = explain(
            values + noise, concepts, max_length=1, panel=True,
            precision_at=count, max_fraction=0.3, sign="positive",
        )  # fmt: skip
        assert ("misses_top" in labels.label_notes[0]) == misses


def rare_world(rng, *, rare=60, num_samples=4000):
    """A concept below the bound that fires a neuron, and larger ones that hold it."""
    masks = np.zeros((num_samples, 4), bool)
    masks[:rare, 0] = True
    masks[:, 1:3] = rng.random((num_samples, 2)) < 0.1
    masks[:, 3] = masks[:, 0] | (rng.random(num_samples) < 0.05)
    order = rng.permutation(num_samples)
    masks = masks[order]
    values = 4.0 * masks[:, [0]] + rng.normal(size=(num_samples, 1))
    return values.astype(np.float32), masks


@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_a_rarer_concept_that_is_better_is_named(rng, sign):
    values, masks = rare_world(rng)
    values = -values if sign == "negative" else values
    concepts = ij.Concepts.from_masks(masks, ["rare", "b", "c", "wide"])
    settings = {"max_length": 2, "min_fraction": 0.03, "holdout": 0.5, "key": 0}
    labels = explain(values, concepts, sign=sign, **settings)
    assert "rare" not in labels.formula(0).names or labels.formula(0).length > 1
    assert "rarer_concept: rare" in labels.label_notes[0]
    # Within the bound it is the label itself, and there is nothing to note.
    settings["min_fraction"] = 0.005
    simple = explain(values, concepts, sign=sign, **settings).simplest()
    assert str(simple.formula(0)) == "rare"
    assert "rarer_concept" not in kinds(simple.label_notes[0])


def test_a_rarer_concept_of_too_few_samples_is_not_named(rng):
    values, masks = rare_world(rng, rare=24)  # about 12 searched
    concepts = ij.Concepts.from_masks(masks, ["rare", "b", "c", "wide"])
    labels = explain(
        values, concepts, max_length=1, min_fraction=0.03, holdout=0.5, key=0
    )
    assert "rarer_concept" not in kinds(labels.label_notes[0])


def test_rarer_concepts_of_meaningless_neurons_are_named_one_time_in_twenty():
    rng = np.random.default_rng(3)
    masks = rng.random((2000, 30)) < np.where(np.arange(30) < 15, 0.04, 0.3)
    concepts = ij.Concepts.from_masks(masks, [f"c{k}" for k in range(30)])
    noise = rng.normal(size=(2000, 200)).astype(np.float32)
    labels = explain(
        noise, concepts, max_length=1, beam_size=1, min_fraction=0.1, holdout=0.5, key=0
    )
    named = ["rarer_concept" in kinds(notes) for notes in labels.label_notes]
    assert 0 < np.mean(named) < 0.09


def test_a_neuron_without_a_label_has_no_notes():
    concepts = ij.Concepts.from_masks(np.arange(90)[:, None] % 3 == 0, ["third"])
    labels = ij.explain(
        np.zeros((90, 1)), concepts, min_fraction=0.3, panel=True, options=QUIET
    )
    assert labels.label_notes == ((),)


def test_notes_are_in_table_export_and_print(found):
    table = found.to_arrow().to_pydict()
    assert table["label_notes"] == [
        "; ".join(notes) or None for notes in found.label_notes
    ]
    assert "misses top" in str(found) and "misses top" in found._repr_html_()
