"""From names of concepts to synsets: by hand, overridden, in doubt and misused."""

import warnings

import pytest

from invert_jax.concepts.wordnet.matching import (
    SynsetMatches,
    _chosen,
    match_synsets,
    warn_of_doubts,
)

CAT, DOG = "n02121620", "n02084071"


@pytest.mark.parametrize(
    "name",
    [
        "cat",
        "label=cat",
        "objects/label=Cats",
        "attributes/cat",
        "animals/pets/cat",
        "n02121620",
        "label=n02121620",
        "n02121620_tom",
        "tom n02121620",
        "n02121620-tabby",
    ],
)
def test_a_name_is_matched_with_prefix_plural_or_id(name):
    assert match_synsets([name]).synsets == {name: CAT}


@pytest.mark.parametrize("name", ["3", "label=17", "", "_", "xn02121620", "qwertz=7"])
def test_an_index_or_no_word_is_unknown(name):
    matches = match_synsets([name])
    assert matches.synsets == {name: None}
    assert matches.unknown == (name,)


def test_the_id_at_the_head_of_a_description_counts_before_the_name():
    matches = match_synsets(
        ["cat", "dog"], descriptions=["n02127808: big cat", "not n02127808"]
    )
    assert matches.synsets == {"cat": "n02127808", "dog": DOG}
    assert list(matches.ambiguous) == ["dog"]


def test_a_choice_counts_before_all_and_leaves_no_doubt():
    names = ["n02121620", "dog", "crane", "cat", "x"]
    choices = {
        "n02121620": None,
        "dog": "cat",
        "crane": "crane.n.05",
        "cat": "n02127808",
        "x": "Polar bears",
    }
    matches = match_synsets(names, choices)
    assert list(matches.synsets.values()) == [
        None,
        CAT,
        "n02012849",
        "n02127808",
        "n02134084",
    ]
    assert not matches.ambiguous and not matches.unknown


def test_all_senses_of_an_ambiguous_name_are_there_the_taken_one_first():
    matches = match_synsets(["deer", "crane"])
    assert list(matches.ambiguous) == ["crane"]
    assert matches.ambiguous["crane"][0] == matches.synsets["crane"]
    assert matches.ambiguous["crane"][3:] == ("n03126707", "n02012849")


def test_what_was_matched_can_be_given_back_without_doubts():
    names = ["bird", "cat", "3"]
    again = match_synsets(names, match_synsets(names).synsets)
    assert again == SynsetMatches(match_synsets(names).synsets, {}, ())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_doubts(again, {}, stacklevel=2)


@pytest.mark.parametrize("first", ["whale", "bird"])
def test_the_warning_lists_first_what_changes_most_of_the_table(first):
    names = ["label=bird", "label=whale", "label=qwertz"]
    counts = dict.fromkeys(names, 2) | {f"label={first}": 50}
    senses = {
        "whale": r"'label=whale' as n10129133 \(giant, hulk, heavyweight; 1 of 2; \d+ ",
        "bird": r"'label=bird' as n01503061 \(bird; 1 of 5; \d+ ",
    }
    expected = (
        rf"first sense of 2 ambiguous names: {senses.pop(first)}samples\), "
        rf"{senses.popitem()[1]}samples\); found no noun for 1 names, which get no "
        r"hypernyms: 'label=qwertz'\. `synsets="
    )
    with pytest.warns(UserWarning, match=expected):
        warn_of_doubts(match_synsets(names), counts, stacklevel=2)


def test_a_long_list_of_doubts_is_cut_and_its_length_told():
    names = [f"{i}=bird" for i in range(25)] + [f"qwertz{i}" for i in range(25)]
    with pytest.warns(UserWarning, match=r"5 senses|and 5 more.*and 5 more"):
        warn_of_doubts(match_synsets(names), dict.fromkeys(names, 1), stacklevel=2)


# Misuse.


def test_no_noun_at_all_is_an_error():
    with pytest.raises(ValueError, match=r"found none among 'c0', 'c1'; `synsets="):
        warn_of_doubts(match_synsets(["c0", "c1"]), {}, stacklevel=2)


def test_a_choice_for_a_name_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="got 'labl=cat'; names are 'label=cat'"):
        match_synsets(["label=cat", "qwertz"], {"labl=cat": CAT})


def test_a_choice_that_is_no_noun_is_an_error():
    with pytest.raises(ValueError, match="got 'qwertz' for 'cat'; `find_synsets`"):
        match_synsets(["cat"], {"cat": "qwertz"})


def test_descriptions_must_be_as_many_as_names():
    with pytest.raises(ValueError, match="one text for each of the 1 names; got 2"):
        match_synsets(["cat"], descriptions=["a", "b"])


def test_a_slash_in_a_class_does_not_part_its_name():
    names = ["label=bird/aeroplane", "label=N/A", "objects/label=cat", "tags/dog"]
    matches = match_synsets(names)
    assert matches.unknown == ("label=bird/aeroplane", "label=N/A")
    assert matches.synsets["objects/label=cat"] == "n02121620"
    assert matches.synsets["tags/dog"] == "n02084071"


def test_synsets_that_are_no_mapping_are_refused():
    with pytest.raises(TypeError, match=r"`synsets` must be a mapping.*got a list"):
        _chosen(["n02121808"], ("cat",))
