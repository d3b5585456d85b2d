"""What the classes of common data sets mean."""

import warnings

import numpy as np
import pytest

from invert_jax.concepts.table import Concepts
from invert_jax.concepts.wordnet import class_names
from invert_jax.concepts.wordnet.hypernyms import with_hypernyms
from invert_jax.concepts.wordnet.matching import match_synsets
from invert_jax.concepts.wordnet.synsets import hypernym_closure, synset

COCO, CIFAR10, CIFAR100 = class_names._data_sets()


def test_every_class_of_the_data_sets_has_a_synset():
    assert [len(COCO), len(CIFAR10), len(CIFAR100)] == [80, 10, 100]
    for wnid in (*COCO.values(), *CIFAR10.values(), *CIFAR100.values()):
        assert synset(wnid).wnid == wnid


@pytest.mark.parametrize(
    ("above", "names"),
    [
        ("person", ["person"]),
        ("animal", "bird cat dog horse sheep cow elephant bear zebra giraffe".split()),
        ("vehicle", "bicycle car motorcycle airplane truck boat skateboard"
         .split()),
        ("food", ["banana", "apple", "sandwich", "orange", "broccoli", "carrot",
                  "hot dog", "pizza", "donut", "cake"]),
        ("kitchen appliance", ["microwave", "oven", "toaster"]),
    ],
)  # fmt: skip
def test_what_is_under_a_hypernym_of_coco(above, names):
    under = [
        name
        for name, wnid in COCO.items()
        if any(above in synset(a).lemmas for a in (wnid, *hypernym_closure(wnid)))
    ]
    assert under == names


def test_living_things_of_cifar100_are_no_furs_and_no_food():
    for name in ("beaver", "leopard", "otter", "raccoon", "seal", "lobster", "trout",
                 "flatfish", "whale", "ray", "turtle", "tiger", "shrew"):  # fmt: skip
        lemmas = {synset(each).name for each in hypernym_closure(CIFAR100[name])}
        assert "animal" in lemmas and not {"fur", "food", "person"} & lemmas


def test_coco_needs_no_warning_and_its_mouse_is_a_device():
    names = [f"objects/label={name}" for name in COCO]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = with_hypernyms(Concepts.from_labels(np.arange(80), names))
    animals = table.masks(["animal"])[:, 0]
    assert not animals[list(COCO).index("mouse")]
    assert animals.sum() == 10


def test_a_name_means_what_it_does_in_its_own_data_set():
    assert match_synsets(COCO).synsets["mouse"] == COCO["mouse"]
    assert match_synsets(CIFAR100).synsets["mouse"] == CIFAR100["mouse"]
    assert COCO["mouse"] != CIFAR100["mouse"]
    most = [name for name in COCO if name not in ("dog", "cat")] + ["watermark"]
    assert match_synsets(most).synsets["mouse"] == COCO["mouse"]


@pytest.mark.parametrize(
    "names",
    [["cat", "dog", "mouse", "horse", "sheep", "cow"],
     ["bat", "mouse", "kite", "bird", "horse"],
     ["mouse", "keyboard", "laptop", "printer", "monitor"]],
)  # fmt: skip
def test_a_few_nouns_are_of_no_data_set(names):
    assert class_names.known_synsets(names) == {}
    assert "mouse" in match_synsets(names).ambiguous


def test_a_supercategory_takes_no_class_of_its_name_away():
    matches = match_synsets([*COCO, "supercategory=person"])
    assert "person" not in matches.ambiguous
