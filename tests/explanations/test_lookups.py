import dataclasses

import numpy as np
import pytest

import invert_jax as ij
from invert_jax.explanations import lookups
from invert_jax.formula.formula import Formula
from tests.small_runs import QUIET, as_in_production

NAMES = ("beagle", "corgi", "tabby", "truck", "also beagle")


@pytest.fixture(scope="module")
def explanations():
    """Neurons: beagle, corgi, tabby, NOT truck, beagle OR corgi, constant."""
    rng = np.random.default_rng(0)
    label = rng.integers(5, size=200)
    masks = label[:, None] == np.arange(4)
    masks = np.column_stack([masks, masks[:, 0]])
    wanted = [masks[:, 0], masks[:, 1], masks[:, 2], ~masks[:, 3]]
    wanted += [masks[:, 0] | masks[:, 1], np.zeros(200, bool)]
    values = np.column_stack(wanted).astype(np.float32)
    concepts = ij.Concepts.from_masks(masks, NAMES)
    return ij.explain(
        values, concepts, max_length=2, beam_size=2, min_fraction=0.1,
        max_fraction=0.9, options=QUIET,
    )  # fmt: skip


def found(explanations, wanted, **settings):
    return sorted(lookups.neurons_for(explanations, wanted, **settings).tolist())


def test_a_concept_finds_labels_that_use_it_as_it_is(explanations):
    assert found(explanations, "beagle") == [0, 4]
    assert found(explanations, "also beagle") == [0, 4]
    assert found(explanations, Formula.concept("tabby")) == [2]
    assert found(explanations, "truck") == []


def test_a_negated_concept_finds_labels_that_negate_it(explanations):
    assert found(explanations, "~truck") == [3]
    assert found(explanations, "~~~truck") == [3]
    assert found(explanations, ~Formula.concept("tabby")) == []


def test_a_formula_finds_labels_that_are_equivalent_to_it(explanations):
    assert found(explanations, "corgi | beagle") == [4]
    assert found(
        explanations,
        "~(~corgi & ~also_beagle)".replace("_", " ").replace(
            "also beagle", '"also beagle"'
        ),
    ) == [4]
    assert found(explanations, "corgi & beagle") == []


def test_a_least_score_leaves_weaker_labels_out(explanations):
    scores = explanations.scores[:, 0]
    assert found(explanations, "beagle", min_score=1.0) == [
        neuron for neuron in (0, 4) if scores[neuron] == 1
    ]
    with pytest.raises(ValueError, match=r"`min_score` must be in \[0, 1\]; got 2.0"):
        lookups.neurons_for(explanations, "beagle", min_score=2.0)


def test_labels_that_are_chance_are_not_found(explanations):
    chance = dataclasses.replace(explanations)
    # A cached property is what the instance holds by that name.
    vars(chance)["status"] = np.array(["chance"] * 6)
    assert found(chance, "beagle") == []


def test_a_hypernym_finds_labels_of_what_is_under_it(explanations):
    assert found(explanations, "dog", hypernyms=True) == [0, 1, 4]
    assert found(explanations, "animal", hypernyms=True) == [0, 1, 2, 4]
    assert found(explanations, "beagle", hypernyms=True) == [0, 4]
    assert found(explanations, "n02084071", hypernyms=True) == [0, 1, 4]


def test_descriptions_say_which_sense_is_meant(explanations):
    texts = ["n02088364: beagle", "n02113186: corgi", "", "", ""]
    concepts = ij.Concepts.from_masks(np.eye(5, dtype=bool), NAMES, descriptions=texts)
    assert found(explanations, "dog", hypernyms=concepts) == [0, 1, 4]


def test_names_of_imagenet_mean_its_classes(explanations):
    # As a noun, "boxer" is first of all a fighter.
    names = ("boxer", "tabby", "tench", "carton", "mailbox")
    renamed = dataclasses.replace(explanations, concept_names=names, synonyms={})
    assert found(renamed, "dog", hypernyms=True) == [0, 4]


@pytest.mark.parametrize(
    ("wanted", "settings", "match"),
    [
        ("beagel", {}, "got 'beagel'. Did you mean 'beagle'"),
        ("beagel | corgi", {}, "got 'beagel'"),
        ("eagle", {}, "mean 'beagle'.* hypernyms=True finds labels that name a kind"),
        ("qwzx", {"hypernyms": True}, "must be one of the concepts searched"),
        ("furniture", {"hypernyms": True}, "or have one under it; got 'furniture'"),
        ("a | b", {"hypernyms": True}, "need one concept; got the formula 'a | b'"),
    ],
)
def test_what_cannot_be_looked_up_is_said(explanations, wanted, settings, match):
    with pytest.raises(ValueError, match=match):
        lookups.neurons_for(explanations, wanted, **settings)


def test_coverage_counts_labels_that_name_a_concept(explanations):
    found = lookups.coverage(explanations)
    assert found.names == NAMES[:4]
    assert found.num_neurons.tolist() == [2, 2, 1, 0]
    assert found.detected == ("beagle", "corgi", "tabby")
    assert found.undetected == ("truck",)
    assert found.best_neuron.tolist()[2:] == [2, -1]
    best = explanations.scores[found.best_neuron[:3], 0]
    np.testing.assert_array_equal(found.best_score, [*best, np.nan])
    uses = [0, 4]
    assert found.best_neuron[0] == uses[np.argmax(explanations.scores[uses, 0])]


def test_coverage_says_what_no_label_names(explanations):
    found = lookups.coverage(explanations)
    assert repr(found) == "Coverage(3 of 4 concepts named; no label names 'truck')"
    many = found._replace(names=tuple("abcdefghijkl"), num_neurons=np.zeros(12, int))
    assert repr(many).endswith("'h' and 4 more)")


def test_coverage_of_no_label_is_empty(explanations):
    nothing = lookups.coverage(explanations.take([5]))
    assert nothing.detected == ()
    assert nothing.undetected == NAMES[:4]


def test_formulas_of_many_names_are_compared_as_they_stand():
    names = [f"c{number}" for number in range(20)]
    wide = Formula.from_literals(names, [False] * 20, ["and"] * 19)
    turned = Formula.from_literals(names[::-1], [False] * 20, ["and"] * 19)
    assert lookups.are_equivalent(wide, wide)
    assert not lookups.are_equivalent(wide, turned)


@pytest.mark.parametrize(
    ("wanted", "settings", "match"),
    [
        (5, {}, "`wanted` must be a concept's name or a Formula; got int"),
        (None, {}, "a Formula; got NoneType"),
        ("beagle", {"min_score": "x"}, "`min_score` must be a number; got 'x'"),
        ("beagle", {"hypernyms": 5}, "True, False or a Concepts table; got int"),
    ],
)
def test_what_is_of_another_type_is_refused_in_words(
    explanations, wanted, settings, match
):
    with as_in_production(), pytest.raises(TypeError, match=match):
        explanations.neurons_for(wanted, **settings)
