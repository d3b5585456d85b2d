"""What a table of concepts refuses, and what it says."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from invert_jax.concepts.table import Concepts


@pytest.mark.parametrize(
    ("masks", "error", "message"),
    [
        ([[0, 2]], ValueError, "got 2 for sample 0, concept 'b'.*masks > 0.5"),
        ([[0, 1], [1, 0.5]], ValueError, "got 0.5 for sample 1, concept 'b'"),
        ([[0, np.nan]], ValueError, "got nan for sample 0, concept 'b'"),
        (
            sp.csr_array([[0.0, np.nan]]),
            ValueError,
            "got nan for sample 0, concept 'b'",
        ),
        (sp.csr_array([[0, 0], [3, 0]]), ValueError, "got 3 for sample 1, concept 'a'"),
        ([["x", "y"]], TypeError, "got dtype <U1"),
        ([[1j, 0]], TypeError, "got dtype complex128"),
        (sp.csr_array([[1j, 0]]), TypeError, "got dtype complex128"),
        (np.array([[None, 1]]), TypeError, "got dtype object"),
        ([1, 0], ValueError, r"two axes, \[samples, concepts\]; got shape \(2,\)"),
        (np.zeros((0, 2), bool), ValueError, "at least one sample"),
        (sp.csr_array((0, 2), dtype=bool), ValueError, "at least one sample"),
        (np.zeros((2, 0), bool), ValueError, "2 names for 0 concepts"),
        (np.zeros((2, 3), bool), ValueError, "2 names for 3 concepts"),
    ],
)
def test_wrong_masks_are_refused(masks, error, message):
    with pytest.raises(error, match=message):
        Concepts.from_masks(masks, ["a", "b"])


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["a", "b", "a", "b", "c"], ValueError, "got more than once: 'a', 'b'"),
        (["a", "b", "", "c", "d"], ValueError, "must not be empty; got '' at 2"),
        (["a", "b", " \t", "c", "d"], ValueError, "must not be empty"),
        (["a", 1, "b", "c", "d"], TypeError, "must be strings; got 1"),
        ("abcde", TypeError, "list of names; got the one name 'abcde'"),
        (["a"], ValueError, "1 names for 5 concepts"),
    ],
)
def test_wrong_names_are_refused(names, error, message):
    with pytest.raises(error, match=message):
        # An iterator, since the run-time type check looks into lists first.
        given = names if isinstance(names, str) else iter(names)
        Concepts.from_masks(np.eye(5, dtype=bool), given)


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        ([1, 2, 1], ValueError, "unique; got 1 for samples 0 and 2, and 1 repeated"),
        (["a", "b", "b"], ValueError, "unique; got 'b' for samples 1 and 2"),
        (
            [1, 2],
            ValueError,
            r"one id per sample, on one axis; got shape \(2,\) for 3 samples",
        ),
        ([[1], [2], [3]], ValueError, r"got shape \(3, 1\)"),
        ([1.0, 2.0, 3.0], TypeError, "whole numbers or strings; got dtype float64"),
        ([True, False, True], TypeError, "whole numbers or strings; got dtype bool"),
        (["a", 1, 2], TypeError, "of one type; got 'int', 'str'"),
        ([2**63, 1, 2], ValueError, "must fit int64"),
        ("abc", TypeError, "got the one id 'abc'"),
    ],
)
def test_wrong_ids_are_refused(ids, error, message):
    with pytest.raises(error, match=message):
        Concepts.from_labels([0, 0, 0], ["a"], ids=ids)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0, -1, 2], ValueError, "in 0 … 1.*got -1 for sample 1, and 2 such in all"),
        ([0.0, 1.0], TypeError, "got dtype float64"),
        ([True, False], TypeError, "got dtype bool"),
        (["cat"], TypeError, "np.unique"),
        ([[0], [1]], ValueError, "several labels per sample are `from_indices`"),
        (np.array([], int), ValueError, "at least one sample"),
        (np.array([2**64 - 1], np.uint64), ValueError, "got 18446744073709551615"),
    ],
)
def test_wrong_labels_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        Concepts.from_labels(labels, ["a", "b"])


@pytest.mark.parametrize(
    ("indices", "error", "message"),
    [
        ([[0], [0, 2]], ValueError, "in 0 … 1.*got 2 for sample 1"),
        ([0, 1], TypeError, "one class index per sample is `from_labels`"),
        ([[0.0]], TypeError, "got a float"),
        ([[True, False]], TypeError, "truth values is `from_masks`"),
        ([["a"]], TypeError, "got a str"),
        ([[2**80]], ValueError, "must fit int64"),
        ([], ValueError, "at least one sample"),
    ],
)
def test_wrong_indices_are_refused(indices, error, message):
    with pytest.raises(error, match=message):
        Concepts.from_indices(indices, ["a", "b"])


def test_wrong_descriptions_are_refused():
    cases: list[tuple[Any, type[Exception], str]] = [
        (["x"], ValueError, "one text per concept; got 1 for 2"),
        ("xy", TypeError, "got the one text 'xy'"),
        (iter([1, 2]), TypeError, "must be strings; got 1"),
    ]
    for descriptions, error, message in cases:
        with pytest.raises(error, match=message):
            Concepts.from_labels([0], ["a", "b"], descriptions=descriptions)


def test_an_unknown_name_is_refused_with_those_alike():
    concepts = Concepts.from_labels([0], ["labrador", "cat"])
    with pytest.raises(ValueError, match="got 'labradr'; did you mean 'labrador'"):
        concepts.masks(["labradr"])
    with pytest.raises(ValueError, match="names begin with 'labrador', 'cat'"):
        concepts.select(["zzz"])


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "boolean mask or indices"),
        ([False, False], "leave at least one sample"),
        ([True], "as a mask must have 2 values; got 1"),
        ([0, 2], r"in 0 … 1; got 0 … 2"),
        ([-1], "in 0 … 1; got -1"),
        ([0.5], "got float64"),
    ],
)
def test_wrong_samples_are_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        Concepts.from_labels([0, 1], ["a", "b"]).take(samples)


def test_join_refuses_other_samples_and_names():
    left = Concepts.from_labels([0, 1], ["a", "b"], ids=["x", "y"])
    for right, message in [
        (Concepts.from_labels([0], ["c"]), "in the same order; got 2 and 1"),
        (Concepts.from_labels([0, 0], ["b"]), "both have 'b'"),
        (
            Concepts.from_labels([0, 0], ["c"], ids=["y", "x"]),
            "sample 0 has the id 'x' in one and 'y' in the other",
        ),
        (
            Concepts.from_labels([0, 0], ["c"], ids=[0, 1]),
            "the same ids; got 'x' and 0",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            left.join(right)


def test_stack_refuses_other_names_and_repeated_ids():
    first = Concepts.from_labels([0, 1], ["a", "b"], ids=["x", "y"])
    second = Concepts.from_labels([0, 1], ["b", "c"], ids=["z", "w"])
    with pytest.raises(ValueError, match="first lacks 'c'; the second lacks 'a'"):
        first.stack(second)
    with pytest.raises(ValueError, match="'error' or 'absent'; got 'skip'"):
        first.stack(second, missing="skip")
    with pytest.raises(ValueError, match="must hold other samples; got 'x' in both"):
        first.stack(first)
    with pytest.raises(ValueError, match="kinds U and None; set or drop them"):
        first.stack(first.with_ids(None))


def test_align_refuses_what_it_cannot_find():
    concepts = Concepts.from_labels([0, 1], ["a", "b"], ids=["x", "y"])
    with pytest.raises(ValueError, match="it lacks 'z'"):
        concepts.align(["x", "z"])
    with pytest.raises(ValueError, match="of the kind of the table's, <U1; got int64"):
        concepts.align([1, 2])
    with pytest.raises(ValueError, match="needs a table with ids"):
        concepts.with_ids(None).align(["x"])
