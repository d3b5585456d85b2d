import numpy as np
import pytest

from invert_jax.concepts.formula_masks import FormulaMasks
from tests.concepts.random_tables import named, random_masks

# (c0 AND NOT c1) OR c2
FORMULA = [0, 3, 4], [0, 1]


def test_a_formula_holds_where_its_literals_say(rng):
    masks = random_masks(rng)
    found = FormulaMasks(named(masks))
    holds = found.of(*FORMULA)[found.row_of_sample]
    expected = masks[:, 0] & ~masks[:, 1] | masks[:, 2]
    np.testing.assert_array_equal(holds, expected)


def test_sums_without_a_literal_are_those_of_what_is_left_of_the_formula(rng):
    masks = random_masks(rng)
    weights = rng.integers(-100, 100, len(masks))
    found = FormulaMasks(named(masks))
    row_sums = np.zeros(found.num_rows, np.int64)
    np.add.at(row_sums, found.row_of_sample, weights)
    sums, supports = found.sums_without(FORMULA, row_sums, length=4)
    a, b, c = masks[:, 0], ~masks[:, 1], masks[:, 2]
    left = (b | c, a | c, a & b)
    assert sums.tolist() == [weights[mask].sum() for mask in left] + [0]
    assert supports.tolist() == [mask.sum() for mask in left] + [0]


@pytest.mark.parametrize("formula", [([], []), ([3], [])])
def test_nothing_is_left_of_a_formula_of_at_most_one_literal(rng, formula):
    found = FormulaMasks(named(random_masks(rng)))
    row_sums = np.ones(found.num_rows, np.int64)
    assert not np.any(found.sums_without(formula, row_sums, length=2))
