"""The pictures of the demo and what is said of them."""

import sys

import numpy as np
import pytest

from invert_jax.demo import digits
from invert_jax.demo.attributes import DEFINITIONS

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def held_out():
    return digits.halves(digits.load())[1]


@pytest.fixture(scope="module")
def concepts(held_out):
    return digits.concepts_of(held_out)


def test_the_pictures_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    loaded = digits.load()

    np.testing.assert_array_equal(loaded.images, load_digits().images)
    np.testing.assert_array_equal(loaded.labels, load_digits().target)


def test_without_scikit_learn_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"pip install 'invert_jax\[demo\]'"):
        digits.load()


def test_the_halves_are_disjoint_and_complete_and_the_same_every_time():
    everything = digits.load()
    train, held_out = digits.halves(everything)

    assert sorted([*train.ids, *held_out.ids]) == list(range(1797))
    assert held_out.ids.tolist() == sorted(held_out.ids)
    np.testing.assert_array_equal(held_out.images, everything.images[held_out.ids])
    np.testing.assert_array_equal(held_out.labels, everything.labels[held_out.ids])
    np.testing.assert_array_equal(digits.halves(everything)[1].ids, held_out.ids)
    assert digits.halves(everything, seed=1)[1].ids.tolist() != held_out.ids.tolist()


def test_every_digit_is_common_enough_in_the_held_out_half(held_out):
    assert np.bincount(held_out.labels).min() >= 75


def test_the_first_ten_concepts_are_the_digits(concepts, held_out):
    assert concepts.names[:10] == digits.NUMERALS
    np.testing.assert_array_equal(
        concepts.masks()[:, :10], held_out.labels[:, None] == np.arange(10)
    )


def test_attributes_of_digits_are_true_of_their_digits_and_no_other(concepts, held_out):
    for name, (members, _) in digits.DIGIT_ATTRIBUTES.items():
        truth = concepts.masks([name])[:, 0]
        assert {int(digit) for digit in held_out.labels[truth]} == members
        assert not set(held_out.labels[~truth].tolist()) & members


def test_arithmetic_attributes_agree_with_arithmetic():
    members = {name: numbers for name, (numbers, _) in digits.DIGIT_ATTRIBUTES.items()}
    assert members["even"] == {n for n in range(10) if n % 2 == 0}
    assert members["multiple_of_three"] == {n for n in range(10) if n % 3 == 0}
    assert members["square"] == {n * n for n in range(4)}
    assert members["prime"] == {
        n for n in range(2, 10) if all(n % divisor for divisor in range(2, n))
    }


def test_concepts_come_with_their_definitions(concepts):
    said = dict(zip(concepts.names, concepts.descriptions, strict=True))
    assert said["six"] == "The digit is 6."
    assert said["above_six"] == "The digit is more than six: 7, 8 or 9."
    assert said["wide"] == DEFINITIONS["wide"]


def test_every_concept_is_described_and_the_pictures_ids_come_along(concepts, held_out):
    assert len(set(concepts.descriptions)) == concepts.num_concepts
    assert all(text.endswith(".") for text in concepts.descriptions)
    np.testing.assert_array_equal(concepts.ids, held_out.ids)


def test_every_concept_is_common_enough_to_label_a_neuron(concepts):
    rare = [
        name
        for name, count in zip(concepts.names, concepts.num_positives, strict=True)
        if not 20 <= count <= concepts.num_samples - 20
    ]
    assert rare == []


def test_no_concept_repeats_another_or_is_its_exact_opposite(concepts):
    signed = concepts.masks().T * 2 - 1
    agreement = signed @ signed.T - concepts.num_samples * np.eye(
        len(signed), dtype=int
    )
    assert abs(agreement).max() < concepts.num_samples


def test_attributes_of_pictures_overlap_with_those_of_digits(concepts):
    masks = concepts.masks().astype(int)
    of_images = masks[:, -len(DEFINITIONS) :]
    both = masks[:, :10].T @ of_images
    spread = (both >= 5).sum(axis=0)
    assert (spread >= 2).all()
    assert concepts.num_rows > concepts.num_samples / 4
