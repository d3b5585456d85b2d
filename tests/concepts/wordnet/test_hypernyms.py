"""ImageNet's vocabulary and hypernyms: by hand, against recorded answers, by laws."""

import importlib.util
import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.sparse as sp

from invert_jax.concepts.table import Concepts
from invert_jax.concepts.wordnet.hypernyms import with_hypernyms
from invert_jax.concepts.wordnet.imagenet_classes import (
    imagenet,
    imagenet_validation_labels,
    imagenet_wnids,
)
from invert_jax.concepts.wordnet.synsets import find_synsets, hypernym_closure, synset
from invert_jax.formula.formula import Formula
from tests.repository import SHARED_DATA

RECORDED = SHARED_DATA / "imagenet_wordnet.json"
CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck".split()


@pytest.fixture(scope="module")
def validation():
    return imagenet(imagenet_validation_labels())


@pytest.fixture(scope="module")
def recorded():
    if not RECORDED.exists():
        pytest.skip("the recorded answers are not there")
    return json.loads(RECORDED.read_text())


def wnid_of(concepts):
    return [text.partition(":")[0] for text in concepts.descriptions]


def without_doubts(concepts, **synsets):
    """With hypernyms and without a warning: every name in its first sense."""
    chosen = {
        name: synsets.get(name, find_synsets(name)[0].wnid) for name in concepts.names
    }
    return with_hypernyms(concepts, chosen)


def column(concepts, name):
    return concepts.masks([name])[:, 0].tolist()


# ImageNet.


def test_the_validation_labels_make_the_table_of_the_paper(validation):
    assert validation.num_samples == 50_000
    assert validation.num_concepts == 1_472
    assert validation.num_rows == 1_000
    assert len(set(validation.column_groups())) == 1_396
    num_true = np.diff(validation.rows.indptr)
    assert (num_true.min(), num_true.max()) == (3, 20)
    density = validation.num_positives.sum() / (50_000 * 1_472)
    assert round(density, 5) == 0.00826
    assert (validation.num_positives[:1000] == 50).all()


def test_entity_is_true_of_every_image(validation):
    assert validation.names[-1] == "entity"
    assert np.flatnonzero(validation.is_constant).tolist() == [1471]


def test_the_table_agrees_with_the_recorded_one(recorded):
    concepts = imagenet(np.arange(1000))
    wnids = wnid_of(concepts)
    assert set(wnids) == set(recorded)
    masks = concepts.masks()
    for index, wnid in enumerate(wnids):
        expected = recorded[wnid]
        assert (index < 1000) == expected["is_class"]
        assert np.flatnonzero(masks[:, index]).tolist() == expected["classes"]
        assert concepts.descriptions is not None
        lemmas = ", ".join(expected["lemmas"])
        assert concepts.descriptions[index] == f"{wnid}: {lemmas}"
        name = expected["name"].replace(" ", "_")
        assert concepts.names[index] in (name, f"{name}_{wnid}")


def test_names_that_collide_carry_the_synset_and_only_those(validation):
    with_id = [name for name in validation.names if name[-9:] in wnid_of(validation)]
    assert len(with_id) == 45
    assert len({name[:-10] for name in with_id}) == 22
    assert {"crane_n02012849", "crane_n03126707"} <= set(with_id)
    assert "crane" not in validation.names


def test_every_name_stands_bare_in_a_formula(validation):
    text = " & ".join(validation.names)
    assert Formula.parse(text).names == validation.names


def test_the_label_of_the_paper_holds_on_the_200_images(validation):
    formula = Formula.parse("box & ~mailbox & ~pencil_box")
    assert formula.evaluate(validation).sum() == 200


def test_the_reference_table_has_contestant_too():
    ours, theirs = (imagenet(np.arange(1000), reference=r) for r in (False, True))
    assert theirs.num_concepts == 1_473
    assert set(theirs.names) - set(ours.names) == {"contestant"}
    assert np.flatnonzero(column(theirs, "contestant")).tolist() == [981]
    rest = [name for name in theirs.names if name != "contestant"]
    assert theirs.select(rest).fingerprint() == ours.fingerprint()


@pytest.mark.parametrize(
    "labels",
    [
        ["n02012849", "n03126707"],
        [b"n02012849", b"n03126707"],
        np.array(["n02012849", "n03126707"], object),
        np.array([134, 517], np.uint16),
        np.array([134, 517], object),
        [134, 517],
    ],
)
def test_labels_are_indices_or_wnids(labels):
    concepts = imagenet(labels, ids=["a.jpg", "b.jpg"])
    assert column(concepts, "crane_n02012849") == [True, False]
    assert column(concepts, "crane_n03126707") == [False, True]
    assert column(concepts, "entity") == [True, True]
    assert concepts.num_concepts == 1_472
    assert concepts.ids is not None and concepts.ids.tolist() == ["a.jpg", "b.jpg"]


def test_the_classes_are_in_the_order_of_tfds():
    assert list(imagenet_wnids()) == sorted(set(imagenet_wnids()))
    assert len(imagenet_wnids()) == 1_000
    assert set(imagenet_validation_labels().tolist()) == set(imagenet_wnids())


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0, 1000], ValueError, r"in \[0, 1000\).*got 1000 for sample 1.*give wnids"),
        ([3, -1], ValueError, "got -1 for sample 1"),
        (["n02012849", "dog"], ValueError, "got 'dog'; for other synsets"),
        ([[0, 1]], ValueError, r"per sample; got shape \(1, 2\)"),
        (np.array(3), ValueError, r"got shape \(\)"),
        ([0.5], TypeError, "dtype float64"),
        ([True], TypeError, "dtype bool"),
        (np.array([None]), TypeError, "dtype object"),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        imagenet(labels)


def test_missing_validation_labels_say_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"tensorflow-datasets 4\.9\.9 or later"):
        imagenet_validation_labels()


# Hypernyms of any table.


def test_cifar10_gets_animal_vehicle_and_ungulate():
    names = [f"label={name}" for name in CIFAR10]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        concepts = with_hypernyms(Concepts.from_labels(range(10), names, ids=range(10)))
    assert concepts.names[:10] == tuple(names)
    assert concepts.ids is not None and concepts.ids.tolist() == list(range(10))
    true_of = {
        name: [CIFAR10[i] for i in np.flatnonzero(column(concepts, name))]
        for name in concepts.names[10:]
    }
    assert true_of["animal"] == ["bird", "cat", "deer", "dog", "frog", "horse"]
    assert true_of["vehicle"] == ["airplane", "automobile", "ship", "truck"]
    assert true_of["ungulate"] == ["deer", "horse"]
    assert true_of["carnivore"] == ["cat", "dog"]
    assert true_of["motor_vehicle"] == ["automobile", "truck"]
    assert true_of["entity"] == CIFAR10
    assert min(map(len, true_of.values())) == 2
    assert concepts.descriptions is not None
    assert concepts.descriptions[3] == "n02121620: cat, true cat"


def test_the_warning_points_at_the_line_of_the_caller():
    program = (
        "from invert_jax.concepts.table import Concepts\n"
        "from invert_jax.concepts.wordnet.hypernyms import with_hypernyms\n"
        "with_hypernyms(Concepts.from_labels([0, 1], ['bird', 'deer']))\n"
    )
    command = [sys.executable, "-c", program]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    assert shown.startswith("<string>:3: UserWarning: `with_hypernyms` took the first")


def test_of_equal_columns_the_most_specific_stands_first():
    concepts = without_doubts(Concepts.from_labels(range(10), CIFAR10))
    groups = concepts.column_groups()
    first = {name: concepts.names[groups[i]] for i, name in enumerate(concepts.names)}
    assert first["mammal"] == "placental"
    assert first["animal"] == "vertebrate"
    assert first["artifact"] == "vehicle"


def test_a_hypernym_holds_wherever_one_of_several_true_concepts_is_under_it():
    table = Concepts.from_masks(
        [[1, 1, 0], [0, 0, 1], [0, 0, 0]], ["cat", "dog", "car"]
    )
    concepts = without_doubts(table)
    assert column(concepts, "carnivore") == [True, False, False]
    assert column(concepts, "entity") == [True, True, False]
    assert concepts.num_rows == 3


def test_two_concepts_of_one_synset_are_joined_under_its_name():
    table = Concepts.from_masks(
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]], ["a=deer", "a=cervid", "a=ship"]
    )
    concepts = with_hypernyms(table)
    assert column(concepts, "deer") == [True, True, False]


def test_hypernyms_join_what_one_feature_says():
    names = ["shape=deer", "shape=horse", "texture=horse", "texture=giraffe", "bright"]
    table = Concepts.from_masks(np.eye(5, dtype=bool), names)
    concepts = with_hypernyms(table, {"shape=horse": "n02374451", "bright": None,
                                      "texture=horse": "n02374451"})  # fmt: skip
    assert column(concepts, "shape=ungulate") == [True, True, False, False, False]
    assert column(concepts, "texture=ungulate") == [False, False, True, True, False]
    assert not {"ungulate", "animal", "deer"} & set(concepts.names)


def test_hypernyms_are_not_added_again_under_a_feature():
    names = ["label=deer", "label=zebra", "label=cat"]
    once = with_hypernyms(Concepts.from_masks(np.eye(3, dtype=bool), names),
                          {"label=cat": "n02121620"})  # fmt: skip
    chosen = {
        name: text.partition(":")[0]
        for name, text in zip(once.names, once.descriptions or (), strict=True)
    }
    assert with_hypernyms(once, chosen).names == once.names


def test_a_hypernym_of_a_feature_gives_way_to_a_class_of_its_name():
    names = ["shape=animal", "shape=deer", "shape=zebra", "texture=zebra"]
    table = Concepts.from_masks(np.eye(4, dtype=bool), names)
    concepts = with_hypernyms(table, {"shape=animal": "n00015388"})
    assert column(concepts, "shape=animal") == [True, False, False, False]
    assert column(concepts, "shape=animal_n00015388") == [True, True, True, False]


def test_a_hypernym_with_the_name_of_a_concept_carries_its_synset():
    masks = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    concepts = without_doubts(Concepts.from_masks(masks, ["animal", "deer", "horse"]))
    assert column(concepts, "animal") == [True, False, False]
    assert column(concepts, "animal_n00015388") == [True, True, True]


def test_a_hypernym_that_is_there_already_is_not_added():
    masks = [[1, 0, 0], [1, 1, 0], [1, 0, 1]]
    concepts = without_doubts(Concepts.from_masks(masks, ["animal", "deer", "horse"]))
    assert "animal_n00015388" not in concepts.names
    assert "ungulate" in concepts.names


def test_a_choice_moves_a_concept_to_other_hypernyms():
    table = Concepts.from_labels(range(3), ["crane", "swan", "truck"])
    bird, machine = (
        without_doubts(table, crane=f"crane.n.0{sense}") for sense in (5, 4)
    )
    assert column(bird, "bird") == [True, True, False]
    assert "bird" not in machine.names
    assert column(machine, "artifact") == [True, False, True]
    none = with_hypernyms(table, {"crane": None, "swan": None, "truck": None})
    assert none.names == table.names


def test_given_descriptions_stay():
    table = Concepts.from_masks(np.eye(2), ["deer", "3"], descriptions=["mine", ""])
    with pytest.warns(UserWarning, match="found no noun for 1 names.*'3'"):
        concepts = with_hypernyms(table)
    assert concepts.descriptions == ("mine", "")
    assert concepts.names == ("deer", "3")


def test_names_without_any_noun_are_an_error():
    with pytest.raises(ValueError, match="`concepts` must have names that are nouns"):
        with_hypernyms(Concepts.from_labels([0, 1], ["0", "1"]))


# Laws.


def random_table(rng, num_samples=60, num_concepts=40, density=0.05):
    wnids = tuple(rng.choice(imagenet_wnids(), num_concepts, replace=False).tolist())
    masks = sp.random_array((num_samples, num_concepts), density=density, rng=rng)
    return Concepts.from_masks(masks.astype(bool), wnids)


@pytest.mark.parametrize("density", [0.0, 0.02, 0.3])
def test_each_hypernym_is_the_union_of_all_under_it(rng, density):
    table = random_table(rng, density=density)
    concepts = with_hypernyms(table)
    under = {name: {name, *hypernym_closure(name)} for name in table.names}
    covering = set().union(*under.values())
    expected = {
        wnid: columns
        for wnid in covering
        if len(columns := [i for i, n in enumerate(table.names) if wnid in under[n]])
        > 1
    }
    masks, added = table.masks(), wnid_of(concepts)[table.num_concepts :]
    assert set(added) == set(expected)
    for wnid, mask in zip(added, concepts.masks().T[table.num_concepts :], strict=True):
        np.testing.assert_array_equal(mask, masks[:, expected[wnid]].any(axis=1))


def test_the_table_is_as_if_made_from_its_masks(rng):
    concepts = with_hypernyms(random_table(rng))
    again = Concepts.from_masks(concepts.masks(), concepts.names)
    assert again.fingerprint() == concepts.fingerprint()
    assert imagenet([3, 1, 3]).fingerprint() == (
        Concepts.from_masks(
            imagenet([3, 1, 3]).masks(), imagenet([0]).names
        ).fingerprint()
    )


def test_adding_hypernyms_twice_adds_nothing(rng, validation):
    for table in (with_hypernyms(random_table(rng)), validation):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert with_hypernyms(table).fingerprint() == table.fingerprint()


def test_imagenet_is_the_table_of_its_wnids_with_hypernyms():
    labels = np.arange(0, 1000, 7)
    by_name = with_hypernyms(Concepts.from_labels(labels, imagenet_wnids()))
    ready_made = imagenet(labels)
    assert wnid_of(by_name) == wnid_of(ready_made)
    np.testing.assert_array_equal(by_name.masks(), ready_made.masks())


def test_hypernyms_stand_before_their_own_hypernyms(validation):
    wnids = wnid_of(validation)
    place = {wnid: position for position, wnid in enumerate(wnids)}
    for wnid in wnids:
        assert all(place[wnid] < place.get(up, 1e9) for up in synset(wnid).hypernyms)
