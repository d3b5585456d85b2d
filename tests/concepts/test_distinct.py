"""Which rows are equal, against comparing each with all before it."""

import numpy as np
import pytest
import scipy.sparse as sp

from invert_jax.concepts.distinct import (
    distinct_packed_rows,
    distinct_sparse_rows,
    pack_rows,
    unpack_rows,
)
from tests.concepts.random_tables import random_masks

BY_HAND = np.array([[1, 0], [0, 0], [1, 1], [0, 1], [0, 0], [1, 0]], bool)
READERS = [
    lambda masks: distinct_packed_rows(pack_rows(masks)),
    lambda masks: distinct_sparse_rows(sp.csr_array(masks)),
]
of_both = pytest.mark.parametrize("distinct_rows", READERS, ids=["packed", "sparse"])


@of_both
def test_rows_are_numbered_as_they_first_occur(distinct_rows):
    first, group = distinct_rows(BY_HAND)
    assert first.tolist() == [0, 1, 2, 3]
    assert group.tolist() == [0, 1, 2, 3, 1, 0]


@of_both
@pytest.mark.parametrize("num_concepts", [1, 7, 64, 70])
def test_the_groups_are_those_of_a_search_row_by_row(rng, distinct_rows, num_concepts):
    masks = random_masks(rng, 150, num_concepts, 0.03)
    earliest = [next(i for i in range(150) if (masks[i] == row).all()) for row in masks]
    first, group = distinct_rows(masks)
    assert first.tolist() == sorted(set(earliest))
    assert first[group].tolist() == earliest


@of_both
@pytest.mark.parametrize("shape", [(1, 1), (5, 3)])
def test_rows_where_nothing_is_true_are_one(distinct_rows, shape):
    first, group = distinct_rows(np.zeros(shape, bool))
    assert first.tolist() == [0] and group.tolist() == [0] * shape[0]


def test_packed_rows_are_unpacked_to_what_they_were(rng):
    masks = random_masks(rng, 30, 70)
    np.testing.assert_array_equal(unpack_rows(pack_rows(masks), 70).toarray(), masks)
