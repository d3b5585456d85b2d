"""Shares of labels by the kinds of their concepts."""

import numpy as np
import pytest

import invert_jax as ij
from tests.small_runs import QUIET

NAMES = ["shape=cat", "shape=dog", "texture=fur", "texture=wool", "digit"]


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    masks = rng.random((600, 5)) < 0.4
    concepts = ij.Concepts.from_masks(masks, NAMES)
    columns = [
        masks[:, 0], masks[:, 1], masks[:, 2], masks[:, 0] & masks[:, 2],
        masks[:, 4], np.zeros(600),
    ]  # fmt: skip
    values = np.stack(columns, 1).astype(np.float32)
    return ij.explain(
        values, concepts, max_length=2, min_fraction=0.05, options=QUIET
    ).simplest()


def test_labels_are_counted_by_the_kinds_they_name(found):
    shares = found.shares()
    assert shares.num_labels == {
        "shape": 2, "other": 1, "shape + texture": 1, "texture": 1,
    }  # fmt: skip
    assert shares.total == 5  # the constant one has no label
    assert shares["shape"] == 0.4 and shares["size"] == 0
    assert repr(shares).startswith("Shares(5 labels: shape 2 (40.0%), other 1")


def test_what_ends_a_kind_can_be_chosen(found):
    assert found.shares("a").num_labels == {
        "sh": 2, "other": 2, "other + sh": 1,
    }  # fmt: skip
    with pytest.raises(ValueError, match="`by` must be a string"):
        found.shares("")


def test_those_called_chance_do_not_count(found):
    concepts = ij.Concepts.from_masks(
        np.random.default_rng(0).random((600, 5)) < 0.4, NAMES
    )
    noise = np.random.default_rng(1).normal(size=(600, 4))
    labels = ij.explain(noise, concepts, max_length=1, min_fraction=0.1, options=QUIET)
    null = ij.null_distribution(concepts, labels, num_draws=100, key=0, options=QUIET)
    assert labels.shares().total == 4
    assert labels.with_null(null).shares().total == 0


def test_they_are_printed_where_names_have_kinds(found):
    assert "shape 2 (40.0%)" in str(found)
    assert "shape 2 (40.0%)" in found._repr_html_()
    assert "other" not in str(found.unit(0))


def test_the_order_in_which_kinds_are_asked_for_does_not_matter(found):
    shares = found.shares()
    assert shares["texture + shape"] == shares["shape + texture"] > 0
