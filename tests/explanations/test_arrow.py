"""Explanations as tables of Arrow and pandas."""

import numpy as np
import pytest

import invert_jax as ij
from tests import small_runs
from tests.small_runs import explain


@pytest.fixture(scope="module")
def explanations():
    world = small_runs.make_world()
    return explain(world.layer, world.concepts)


COLUMNS = [
    "neuron", "name", "status", "formula", "score", "fraction", "num_positives",
    "num_literals", "log10_p", "label_notes",
]  # fmt: skip


def test_a_table_has_one_row_per_neuron(explanations):
    table = explanations.to_arrow()
    assert table.column_names == COLUMNS
    assert table["neuron"].to_pylist() == list(range(8))
    row = table.slice(6, 1).to_pylist()[0]
    assert row["formula"] == "six" and row["score"] == 1.0
    assert row["num_positives"] == 10 and row["fraction"] == 10 / 60
    assert row["name"] == "unit 6" and row["status"] == "labeled"
    assert row["num_literals"] == 1
    assert row["log10_p"] == explanations.log10_p[6, 0]


def test_a_neuron_without_a_formula_has_nulls(explanations):
    row = explanations.to_arrow().slice(4, 1).to_pylist()[0]
    assert row == {
        **dict.fromkeys(COLUMNS),
        "neuron": 4,
        "name": "unit 4",
        "status": "constant",
    }


def test_a_table_of_all_ranks_has_one_row_per_formula(explanations):
    table = explanations.to_arrow(all_ranks=True)
    assert set(table.column_names) == {*COLUMNS, "rank"}
    assert len(table) == (explanations.num_positives > 0).sum()
    for row in table.to_pylist():
        j, r = row["neuron"], row["rank"]
        assert ij.Formula.parse(row["formula"]) == explanations.formulas[j][r]
        assert row["score"] == explanations.scores[j, r]


def test_pandas_shows_the_same(explanations):
    frame = explanations.to_pandas()
    assert list(frame.columns) == COLUMNS
    assert frame["formula"][6] == "six"
    assert frame["formula"].isna().tolist() == [j == 4 for j in range(8)]
    np.testing.assert_array_equal(frame["score"], explanations.scores[:, 0])
