import itertools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse as sp
from jax.experimental import sparse

import invert_jax as ij
from invert_jax.plain_arrays import plain_array
from tests.small_runs import as_in_production

QUIET: dict[str, Any] = {
    "max_length": 1,
    "min_fraction": 0.3,
    "options": ij.Options(progress=False),
}
MASKS = (np.arange(150) % 3 == 0)[:, None]
VALUES = (MASKS + np.arange(150)[:, None] / 100).astype(np.float32)
TABLE = ij.Concepts.from_masks(MASKS, ["third"])
NAMED = [f"s{sample}" for sample in range(150)]


def identity(inputs):
    return {"layer": inputs}


def collected(inputs):
    return ij.activations.collect(identity, [inputs], progress=False)["layer"]


def best(explanations):
    return explanations.scores[0, 0]


# Every door that takes an array, with the argument that its message names.
DOORS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "explain": ("activations", lambda x: ij.explain(x, TABLE, **QUIET)),
    "auroc": ("activations", lambda x: ij.auroc(x, MASKS)),
    "Activations": ("values", ij.Activations),
    "collect": ("batches", collected),
    "ids of a batch": (
        "ids",
        lambda x: collected(ij.activations.Batch(VALUES, ids=x[:, 0])),
    ),
    "project": (
        "directions",
        lambda x: ij.activations.project(ij.Activations(VALUES), x),
    ),
    "from_masks": ("masks", lambda x: ij.Concepts.from_masks(x, ["a"])),
    "from_labels": ("labels", lambda x: ij.Concepts.from_labels(x[:, 0], ["a", "b"])),
    "from_indices": ("indices", lambda x: ij.Concepts.from_indices(x, ["a", "b"])),
    "imagenet": ("labels", lambda x: ij.concepts.imagenet(x[:, 0])),
    "where": ("where", lambda x: ij.explain(VALUES, TABLE, where=x[:, 0], **QUIET)),
    "neurons": (
        "neurons",
        lambda x: ij.explain(VALUES, TABLE, neurons=x[:, 0], **QUIET),
    ),
    "groups": (
        "groups",
        lambda x: ij.explain(
            VALUES, TABLE, holdout=0.5, key=0, groups=x[:, 0], **QUIET
        ),
    ),
    "take": ("samples", lambda x: TABLE.take(x[:, 0])),
    "ids": ("ids", lambda x: ij.Concepts.from_masks(MASKS, ["a"], ids=x[:, 0])),
}
every_door = pytest.mark.parametrize("door", DOORS)


@every_door
def test_masked_values_are_refused_at_every_door(door):
    name, call = DOORS[door]
    gaps = np.zeros((150, 1), bool)
    gaps[:7] = True
    with (
        as_in_production(),
        pytest.raises(ValueError, match=rf"`{name}` must have a value everywhere; got"),
    ):
        call(np.ma.masked_array(np.arange(150)[:, None], gaps))


@every_door
def test_sparse_formats_of_jax_are_refused_at_every_door(door):
    name, call = DOORS[door]
    dense = jnp.arange(150)[:, None]
    with (
        as_in_production(),
        pytest.raises(TypeError, match=rf"`{name}` must be dense; got BCOO.*todense"),
    ):
        call(sparse.BCOO.fromdense(dense))


@pytest.mark.parametrize("door", [door for door in DOORS if door != "from_masks"])
def test_sparse_formats_of_scipy_are_refused_but_for_masks(door):
    name, call = DOORS[door]
    with as_in_production(), pytest.raises(TypeError, match=rf"`{name}` must be dense"):
        call(sp.csr_array(np.arange(150)[:, None]))


def test_a_mask_without_gaps_is_plain():
    masked = np.ma.masked_array(VALUES, np.zeros_like(VALUES, bool))
    found = ij.explain(masked, TABLE, **QUIET)
    assert best(found) == best(ij.explain(VALUES, TABLE, **QUIET))


def test_gaps_of_one_row_of_a_list_are_seen():
    rows = [np.ma.masked_array([1, 0], [False, True]), np.array([0, 1])]
    with (
        as_in_production(),
        pytest.raises(ValueError, match="`masks` must have a value everywhere"),
    ):
        ij.Concepts.from_masks(rows, ["a", "b"])


class Recorded:
    """Gives masked arrays where it is sliced, as files of measurements do."""

    def __init__(self, values, gaps):
        self.masked = np.ma.masked_array(values, gaps)
        self.shape, self.dtype = values.shape, values.dtype

    def __getitem__(self, index):
        return self.masked[index]


def test_gaps_that_show_only_when_read_are_refused():
    gaps = np.zeros_like(VALUES, bool)
    assert (
        best(ij.explain(ij.Activations(Recorded(VALUES, gaps)), TABLE, **QUIET)) > 0.5
    )
    gaps[5] = True
    with pytest.raises(ValueError, match="must have a value everywhere"):
        ij.explain(ij.Activations(Recorded(VALUES, gaps)), TABLE, **QUIET)


def test_missing_values_of_arrow_are_refused():
    with (
        as_in_production(),
        pytest.raises(ValueError, match=r"`labels` must have.*got a Int64Array with 1"),
    ):
        ij.Concepts.from_labels(pa.array([0, None, 1]), ["a", "b"])
    with as_in_production(), pytest.raises(ValueError, match="`groups` must have"):
        plain_array("groups", pa.chunked_array([["a"], [None]]))


def test_labels_of_a_table_name_neurons_and_samples():
    frame = pd.DataFrame(VALUES, index=NAMED, columns=["unit 7"])
    with as_in_production():
        layer = ij.Activations(frame)
    assert layer.names == ("unit 7",)
    np.testing.assert_array_equal(layer.ids, NAMED)

    backwards = ij.Concepts.from_masks(MASKS[::-1], ["third"], ids=NAMED[::-1])
    with as_in_production(), pytest.raises(ValueError, match="in the same order"):
        ij.explain(frame, backwards, **QUIET)
    with as_in_production():
        found = ij.explain(frame, backwards.align(NAMED), **QUIET)
    assert found.neuron_names == ("unit 7",)
    assert best(found) == best(ij.explain(VALUES, TABLE, **QUIET))


def test_an_index_that_counts_from_0_says_nothing():
    with as_in_production():
        layer = ij.Activations(pd.DataFrame(VALUES))
    assert layer.names == ("0",) and layer.ids is None
    assert ij.Concepts.from_labels(pd.Series([0, 1]), ["a", "b"]).ids is None


def test_every_second_row_or_column_is_named_by_its_number():
    frame = pd.DataFrame(np.arange(12.0).reshape(4, 3))
    with as_in_production():
        assert ij.Activations(frame.iloc[:, ::2]).names == ("0", "2")
        np.testing.assert_array_equal(ij.Activations(frame.iloc[::2]).ids, [0, 2])


def test_rows_in_another_order_need_the_ids_of_the_concepts():
    frame = pd.DataFrame(VALUES).iloc[::-1]
    with as_in_production(), pytest.raises(ValueError, match="labeled by the `ids`"):
        ij.explain(frame, TABLE, **QUIET)
    named = ij.Concepts.from_masks(MASKS, ["third"], ids=np.arange(150))
    with as_in_production():
        found = ij.explain(frame, named.align(np.arange(150)[::-1]), **QUIET)
    assert best(found) == best(ij.explain(VALUES, TABLE, **QUIET))


def test_activations_of_activations_keep_their_names_and_ids():
    inner: Any = ij.Activations(VALUES, ["unit"], ids=np.array(NAMED))
    with as_in_production():
        layer = ij.Activations(inner, layer="fc")
    assert layer.names == ("unit",)
    np.testing.assert_array_equal(layer.ids, NAMED)


def test_auroc_takes_the_names_of_its_masks():
    frame = pd.DataFrame(MASKS, columns=["third"])
    with as_in_production():
        assert ij.auroc(VALUES, frame).shape == (1, 1)


def test_a_mask_over_the_mask_of_batches_is_refused():
    gaps = np.arange(3)[None] == np.full((4, 1), 2)
    where = np.ma.masked_array(np.ones((4, 3), bool), gaps)
    with (
        as_in_production(),
        pytest.raises(ValueError, match="`where` must have a value everywhere"),
    ):
        ij.activations.batched(np.ones((4, 3, 2)), 2, where=where)


def test_columns_of_indices_may_be_given_in_the_same_memory():
    def indices():
        memory = np.zeros(1, int)
        for column in range(3):
            memory[0] = column
            yield memory

    table = ij.Concepts.from_indices(indices(), ["a", "b", "c"])
    np.testing.assert_array_equal(table.masks(), np.eye(3, dtype=bool))


def test_labels_of_masks_are_their_ids_and_must_be_their_names():
    frame = pd.DataFrame(MASKS, index=NAMED, columns=["third"])
    np.testing.assert_array_equal(ij.Concepts.from_masks(frame, ["third"]).ids, NAMED)
    with pytest.raises(ValueError, match=r"`masks` must be labeled by the `names`"):
        ij.Concepts.from_masks(frame, ["fourth"])
    with pytest.raises(ValueError, match=r"`masks` must be labeled by the `ids`.*'s0'"):
        ij.Concepts.from_masks(frame, ["third"], ids=NAMED[::-1])


def test_rows_that_were_left_out_of_a_table_are_seen():
    labels = pd.Series(np.arange(150) % 2)[lambda column: column.index > 9]
    table = ij.Concepts.from_labels(labels, ["even", "odd"])
    np.testing.assert_array_equal(table.ids, range(10, 150))


@pytest.mark.parametrize("name", ["where", "groups"])
def test_labels_of_what_goes_along_must_be_the_ids(name):
    table = ij.Concepts.from_masks(MASKS, ["third"], ids=NAMED)
    column = pd.Series(np.arange(150) < 149, index=NAMED)
    if name == "groups":
        column = pd.Series(np.arange(150) // 3, index=NAMED)
    settings = QUIET | ({"holdout": 0.5, "key": 0} if name == "groups" else {})
    for labeled, known in itertools.product([column, column[::-1]], [table, TABLE]):
        if labeled is column and known is table:
            ij.explain(VALUES, known, **{name: labeled}, **settings)
            continue
        match = rf"`{name}` must be labeled by the `ids`, or not at all.*to_numpy"
        with as_in_production(), pytest.raises(ValueError, match=match):
            ij.explain(VALUES, known, **{name: labeled}, **settings)


def test_samples_are_taken_by_a_mask_that_is_labeled_by_the_ids():
    table = ij.Concepts.from_masks(MASKS, ["third"], ids=NAMED)
    wanted = pd.Series(np.arange(150) < 9, index=NAMED)
    with as_in_production():
        assert table.take(wanted).num_samples == 9
        with pytest.raises(ValueError, match="`samples` must be labeled by the `ids`"):
            table.take(wanted[::-1])


def test_labels_of_columns_mean_nothing_in_a_batch():
    frame = pd.DataFrame(VALUES, columns=["width"])
    with (
        as_in_production(),
        pytest.raises(ValueError, match=r"`batches` must be without labels.*'width'"),
    ):
        collected(frame)


def test_a_store_of_numbers_with_a_dtype_of_its_own_is_read():
    import tensorstore as ts

    stored: Any = ts.open(
        {"driver": "zarr", "kvstore": "memory://"},
        create=True, dtype=ts.float32, shape=VALUES.shape,
    ).result()  # fmt: skip
    stored[...] = VALUES
    with as_in_production():
        found = ij.explain(stored, TABLE, **QUIET)
    assert best(found) == best(ij.explain(VALUES, TABLE, **QUIET))
    assert ij.Activations(stored).dtype == np.float32


class Elsewhere:
    """An array that cannot be read, as one on a device of another library."""

    shape, dtype = (150, 1), "their float32"

    def __getitem__(self, index):
        raise NotImplementedError

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert a tensor on a device; use .cpu() first")


@pytest.mark.parametrize("door", ["explain", "collect", "from_masks", "Activations"])
def test_what_numpy_cannot_read_is_refused_by_name(door):
    name, call = DOORS[door]
    match = rf"`{name}` must be an array that NumPy can read; got Elsewhere.*\.cpu\(\)"
    with as_in_production(), pytest.raises(TypeError, match=match):
        call(Elsewhere())
