"""WordNet's nouns: what the file holds, by hand, by its laws, and misused."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invert_jax.concepts.wordnet import synsets
from invert_jax.concepts.wordnet.synsets import (
    Synset,
    depth,
    find_synsets,
    hypernym_closure,
    synset,
)

ENTITY = "n00001740"


@pytest.fixture(scope="module")
def wnids():
    return tuple(synsets._nouns().fields)


# By hand.


def test_a_synset_has_its_lemmas_and_direct_hypernyms():
    assert synset("n01484850") == Synset(
        "n01484850",
        (
            "great white shark",
            "white shark",
            "man-eater",
            "man-eating shark",
            "Carcharodon carcharias",
        ),
        ("n01483522",),
    )
    assert synset("n01484850").name == "great_white_shark"
    assert synset("n02084071").description == (
        "n02084071: dog, domestic dog, Canis familiaris"
    )


def test_a_synset_may_have_two_hypernyms_and_each_above_is_met_once():
    assert synset("n02084071").hypernyms == ("n02083346", "n01317541")
    closure = hypernym_closure("n02084071")
    assert closure[:2] == ("n02083346", "n01317541")
    assert len(closure) == len(set(closure)) == 14
    assert closure[-1] == ENTITY


def test_a_thing_is_under_what_it_is_an_instance_of():
    (paris, *_) = find_synsets("Paris")
    names = [synset(wnid).name for wnid in hypernym_closure(paris.wnid)]
    assert {"national_capital", "city", "location"} <= set(names)


def test_depth_follows_the_longest_path():
    # domestic_animal leads from dog to entity in 8 steps, canine in 13.
    assert depth("n01317541") + 1 == 8
    assert depth("n02083346") + 1 == depth("n02084071") == 13


@pytest.mark.parametrize(
    ("word", "wnid"),
    [
        ("cat", "n02121620"),
        ("Cat", "n02121620"),
        ("cats", "n02121620"),
        ("polar bear", "n02134084"),
        ("polar_bear", "n02134084"),
        ("Polar-Bears", "n02134084"),
        ("PolarBear", "n02134084"),
        ("  traffic   light ", "n06874185"),
        ("T-shirt", "n03595614"),
        ("mice", "n02330245"),
        ("geese", "n01855672"),
        ("glasses", "n04272054"),
        ("buses", "n02924116"),
        ("boxes", "n02883344"),
        ("benches", "n02828884"),
        ("wineglass", "n04592099"),
        ("wine glass", "n04592099"),
        ("policewomen", "n10449412"),
        ("berries", "n07742704"),
        ("n02012849", "n02012849"),
        ("crane.n.05", "n02012849"),
        ("crane, Grus", "n09295455"),
        ("tench, Tinca tinca", "n01440764"),
    ],
)
def test_a_word_is_found_however_it_is_spelled(word, wnid):
    assert find_synsets(word)[0].wnid == wnid


def test_senses_come_in_the_order_of_wordnet():
    senses = [sense.lemmas[0] for sense in find_synsets("cat")]
    assert senses[:4] == ["cat", "guy", "cat", "kat"]
    assert len(senses) == 8


def test_a_word_that_is_there_is_not_taken_for_a_plural():
    assert find_synsets("news")[0].wnid == "n06642138"
    assert find_synsets("glass")[0].name == "glass"


@pytest.mark.parametrize(
    "word", ["", " ", ",", "qwertz", "n99999999", "cat.n.09", "cat.n.00", "s", "ss"]
)
def test_a_word_that_is_no_noun_has_no_senses_or_its_own(word):
    assert word in ("s", "ss") or find_synsets(word) == ()


# What the file holds.


def test_there_are_82115_synsets_in_the_order_of_their_ids(wnids):
    assert len(wnids) == 82_115
    assert list(wnids) == sorted(wnids)


def test_every_synset_is_under_entity_and_deeper_than_its_hypernyms(wnids):
    assert [wnid for wnid in wnids if not synset(wnid).hypernyms] == [ENTITY]
    assert depth(ENTITY) == 0
    for wnid in wnids:
        assert all(depth(up) < depth(wnid) for up in synset(wnid).hypernyms)


def test_every_lemma_finds_its_synset(wnids):
    for wnid in wnids[::97]:
        for lemma in synset(wnid).lemmas:
            assert synset(wnid) in find_synsets(lemma), lemma


def test_the_closure_is_the_hypernyms_and_their_closures(wnids):
    for wnid in wnids[::997]:
        above = synset(wnid).hypernyms
        expected = set(above).union(*(hypernym_closure(up) for up in above))
        assert set(hypernym_closure(wnid)) == expected


# Edges.


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30))
def test_any_text_has_senses_or_none(text):
    assert all(isinstance(sense, Synset) for sense in find_synsets(text))


@pytest.mark.parametrize("wnid", ["dog", "n0208407", "02084071", "n02084072", ""])
def test_an_unknown_id_is_refused(wnid):
    with pytest.raises(ValueError, match=r"`wnid` must be the id of a noun in WordNet"):
        synset(wnid)
    with pytest.raises(ValueError, match="`find_synsets` looks up words"):
        hypernym_closure(wnid)


def test_nothing_is_read_before_it_is_needed():
    program = (
        "import sys, invert_jax.concepts.wordnet.imagenet_classes as w\n"
        "from invert_jax.concepts.wordnet import synsets\n"
        "assert synsets._nouns.cache_info().currsize == 0\n"
        "assert len(w.imagenet_validation_labels()) == 50_000\n"
        "assert synsets._nouns.cache_info().currsize == 0\n"
        "assert 'tensorflow_datasets' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
