"""Concepts by hand, against dense numpy, by its laws, and at its edges."""

import time

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

from invert_jax.concepts import building, distinct
from invert_jax.concepts.table import Concepts
from tests.concepts.random_tables import ids_of, named, random_masks


def test_equal_samples_share_a_row_and_rows_come_in_order_of_first_occurrence():
    concepts = Concepts.from_masks([[0, 1], [1, 0], [0, 1], [1, 1]], ["a", "b"])
    assert concepts.rows.toarray().tolist() == [[0, 1], [1, 0], [1, 1]]
    assert concepts.row_of_sample.tolist() == [0, 1, 0, 2]
    assert concepts.row_of_sample.dtype == np.int32
    assert concepts.row_counts.tolist() == [2, 1, 1]
    assert concepts.num_positives.tolist() == [2, 3]


def test_constant_and_repeated_columns_are_kept_and_known():
    masks = [[1, 0, 1, 0, 1], [1, 0, 0, 1, 0]]
    concepts = Concepts.from_masks(masks, ["all", "none", "x", "not x", "also x"])
    assert concepts.names == ("all", "none", "x", "not x", "also x")
    assert concepts.is_constant.tolist() == [True, True, False, False, False]
    assert concepts.column_groups().tolist() == [0, 1, 2, 3, 2]


def test_labels_name_the_class_of_each_sample():
    concepts = Concepts.from_labels([2, 0, 2], ["a", "b", "c"], ids=["x", "y", "z"])
    assert concepts.masks().astype(int).tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1]]
    assert concepts.num_rows == 2
    assert ids_of(concepts).tolist() == ["x", "y", "z"]


def test_indices_are_the_true_columns_in_any_order_with_repeats():
    concepts = Concepts.from_indices(
        [[2, 0, 2], [], (1,), np.array([0, 2])], ["a", "b", "c"]
    )
    assert concepts.masks().astype(int).tolist() == [
        [1, 0, 1],
        [0, 0, 0],
        [0, 1, 0],
        [1, 0, 1],
    ]
    assert concepts.row_of_sample.tolist() == [0, 1, 2, 0]


def test_repr_says_sizes_and_what_is_constant_or_repeated():
    masks = [[1, 1, 0, 1], [1, 0, 1, 0]]
    concepts = Concepts.from_masks(masks, ["any", "a", "b", "a2"], ids=[4, 5])
    text = repr(concepts)
    assert "2 samples, 4 concepts, 2 distinct rows, 62.500% true" in text
    assert "constant: 'any'; equal to an earlier one: 1" in text
    assert "ids: 4, 5" in text


def test_select_merges_rows_that_no_longer_differ():
    concepts = Concepts.from_masks(
        [[1, 0], [1, 1]], ["a", "b"], descriptions=["first", "second"]
    )
    only = concepts.select(["a"])
    assert (only.num_rows, only.names, only.descriptions) == (1, ("a",), ("first",))
    assert only.row_of_sample.tolist() == [0, 0]


def test_take_reorders_samples_and_renumbers_rows():
    concepts = Concepts.from_labels([0, 1, 2, 1], ["a", "b", "c"], ids=[10, 11, 12, 13])
    taken = concepts.take([3, 0])
    assert ids_of(taken).tolist() == [13, 10]
    assert taken.rows.toarray().astype(int).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert taken.row_of_sample.tolist() == [0, 1]
    np.testing.assert_array_equal(
        concepts.take(np.array([False, True, False, True])).masks(),
        taken.masks()[[0, 0]],
    )


def test_align_puts_the_samples_in_the_order_of_the_ids():
    concepts = Concepts.from_labels([0, 1, 2], ["a", "b", "c"], ids=["x", "y", "z"])
    assert concepts.align(["z", "x"]).masks(["c"]).ravel().tolist() == [True, False]


def test_joined_tables_keep_ids_and_descriptions():
    left = Concepts.from_labels([0, 1], ["a", "b"], descriptions=["A", "B"])
    right = Concepts.from_masks([[1], [1]], ["c"], ids=["x", "y"])
    joined = left.join(right)
    assert joined.names == ("a", "b", "c")
    assert joined.descriptions == ("A", "B", "")
    assert ids_of(joined).tolist() == ["x", "y"]


def test_stack_matches_columns_by_name():
    first = Concepts.from_masks([[1, 0]], ["a", "b"], ids=[1])
    second = Concepts.from_masks([[1, 0]], ["b", "a"], ids=[2])
    stacked = first.stack(second)
    assert stacked.masks().astype(int).tolist() == [[1, 0], [0, 1]]
    assert ids_of(stacked).tolist() == [1, 2]


def test_a_concept_that_one_stacked_table_lacks_is_false_there_when_absent():
    first = Concepts.from_masks([[1, 1]], ["a", "b"])
    second = Concepts.from_masks([[1, 1], [0, 1]], ["c", "b"])
    stacked = first.stack(second, missing="absent")
    assert stacked.names == ("a", "b", "c")
    assert stacked.masks().astype(int).tolist() == [[1, 1, 0], [0, 1, 1], [0, 1, 0]]


@pytest.mark.parametrize("num_samples", [1, 2, 33, 1000])
@pytest.mark.parametrize("num_concepts", [1, 8, 63, 64, 65, 200])
@pytest.mark.parametrize("density", [0.01, 0.5], ids="density={}".format)
def test_rows_are_numpys_unique_rows(rng, num_samples, num_concepts, density):
    masks = random_masks(rng, num_samples, num_concepts, density)
    concepts = named(masks)
    assert concepts.num_rows == len(np.unique(masks, axis=0))
    np.testing.assert_array_equal(concepts.masks(), masks)
    np.testing.assert_array_equal(concepts.num_positives, masks.sum(axis=0))
    assert concepts.row_counts.sum() == num_samples
    assert concepts.row_of_sample.max() == concepts.num_rows - 1


@pytest.mark.parametrize(
    "convert",
    [
        np.asfortranarray,
        jnp.asarray,
        lambda masks: masks.tolist(),
        lambda masks: masks.astype(np.float16),
        lambda masks: masks.astype(np.uint8),
        lambda masks: masks.astype(np.int64)[::-1][::-1],
        sp.csr_array,
        sp.csr_matrix,
        sp.csc_array,
        sp.coo_array,
        lambda masks: sp.coo_array(masks.astype(np.float64)),
        lambda masks: sp.lil_array(masks),
    ],
)
def test_every_kind_of_mask_table_gives_the_same_concepts(rng, convert):
    masks = random_masks(rng)
    assert named(convert(masks)).fingerprint() == named(masks).fingerprint()


def test_labels_and_indices_give_the_concepts_of_their_one_hot_masks(rng):
    labels = rng.integers(7, size=300)
    by_masks = named(np.eye(7, dtype=bool)[labels]).fingerprint()
    names = [f"c{i}" for i in range(7)]
    assert Concepts.from_labels(labels, names).fingerprint() == by_masks
    assert Concepts.from_indices(labels[:, None], names).fingerprint() == by_masks
    lists = [[label] for label in labels.tolist()]
    assert Concepts.from_indices(lists, names).fingerprint() == by_masks


def test_sparse_masks_may_hold_zeros_repeats_and_unsorted_columns():
    matrix = sp.csr_array(
        ([True, True, False, True, True], [2, 0, 1, 1, 1], [0, 3, 5]), shape=(2, 3)
    )
    concepts = named(matrix)
    assert concepts.masks().astype(int).tolist() == [[1, 0, 1], [0, 1, 0]]
    assert matrix.indices.tolist() == [2, 0, 1, 1, 1], "the input is not changed"


def test_column_groups_are_the_first_equal_columns(rng):
    masks = random_masks(rng, 40, 30)[:, rng.integers(30, size=60)]
    expected = [
        next(i for i in range(60) if (masks[:, i] == masks[:, column]).all())
        for column in range(60)
    ]
    assert named(masks).column_groups().tolist() == expected


@pytest.mark.parametrize("convert", [np.asarray, sp.csr_array])
def test_tables_larger_than_a_block_are_handled_in_blocks(rng, monkeypatch, convert):
    masks = random_masks(rng, 500, 70, 0.02)
    expected = named(masks).fingerprint()
    monkeypatch.setattr(distinct, "_CHUNK", 16)
    monkeypatch.setattr(building, "_BLOCK", 256)
    assert named(convert(masks)).fingerprint() == expected


def test_permuting_samples_permutes_the_masks(rng):
    masks, order = random_masks(rng), rng.permutation(200)
    concepts = named(masks)
    assert named(masks[order]).fingerprint() == concepts.take(order).fingerprint()


def test_permuting_concepts_permutes_the_columns(rng):
    masks, order = random_masks(rng), rng.permutation(7)
    names = [f"c{i}" for i in order]
    permuted = Concepts.from_masks(masks[:, order], names)
    assert permuted.fingerprint() == named(masks).select(names).fingerprint()


def test_join_is_the_horizontal_stack_of_masks(rng):
    left, right = random_masks(rng), random_masks(rng, 200, 3)
    joined = named(left).join(named(right, "d"))
    np.testing.assert_array_equal(joined.masks(), np.hstack([left, right]))
    names = [f"c{i}" for i in range(7)] + [f"d{i}" for i in range(3)]
    direct = Concepts.from_masks(np.hstack([left, right]), names)
    assert joined.fingerprint() == direct.fingerprint()


def test_stack_is_the_vertical_stack_of_masks(rng):
    above, below = random_masks(rng), random_masks(rng, 50)
    stacked = named(above).stack(named(below))
    assert stacked.fingerprint() == named(np.vstack([above, below])).fingerprint()


def test_a_table_stacked_on_itself_doubles_the_counts_and_keeps_the_rows(rng):
    concepts = named(random_masks(rng))
    twice = concepts.stack(concepts)
    np.testing.assert_array_equal(twice.row_counts, 2 * concepts.row_counts)
    np.testing.assert_array_equal(twice.rows.toarray(), concepts.rows.toarray())


@pytest.mark.parametrize(
    "changed",
    [
        lambda c: c.take(np.arange(199)),
        lambda c: c.select(c.names[::-1]),
        lambda c: c.with_ids(np.arange(200)),
        lambda c: c.with_ids([str(i) for i in range(200)]),
        lambda c: Concepts.from_masks(c.masks(), list("abcdefg")),
    ],
)
def test_the_fingerprint_differs_where_the_content_differs(rng, changed):
    concepts = named(random_masks(rng))
    assert changed(concepts).fingerprint() != concepts.fingerprint()


def test_the_fingerprint_is_the_same_in_every_process():
    concepts = Concepts.from_labels([1, 0], ["cat", "dog"], ids=["a", "b"])
    assert concepts.fingerprint() == (
        "b9f98ecb594fd8b099f5f3c0405e9c30115a5371240f41f34dc5f6a5ed6794d2"
    )


def test_one_sample_and_one_concept():
    concepts = Concepts.from_masks([[True]], ["a"])
    assert (concepts.num_samples, concepts.num_concepts, concepts.num_rows) == (1, 1, 1)
    assert concepts.is_constant.tolist() == [True]
    assert concepts.masks().tolist() == [[True]]


def test_all_samples_alike_make_one_row():
    concepts = named(np.zeros((1000, 3), bool))
    assert concepts.num_rows == 1
    assert concepts.row_counts.tolist() == [1000]
    assert concepts.column_groups().tolist() == [0, 0, 0]


def test_the_table_cannot_be_changed():
    concepts = Concepts.from_labels([0, 1], ["a", "b"], ids=[1, 2])
    for array in (concepts.row_of_sample, concepts.rows.indices, ids_of(concepts)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_the_users_arrays_stay_writeable_and_apart(rng):
    masks, ids = sp.csr_array(random_masks(rng)), np.arange(200)
    concepts = named(masks, ids=ids)
    ids[0] = 7
    masks.indices[:] = 0
    assert ids_of(concepts)[0] == 0
    assert concepts.rows.indices.max() == 6


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (np.array([3, 2], np.uint8), np.array([3, 2], np.int64)),
        ([b"a", b"b"], np.array(["a", "b"])),
        (np.array(["a", "b"], object), np.array(["a", "b"])),
        (np.array(["a", "b"], "U40"), np.array(["a", "b"])),
        (np.array(["a", "b"], np.dtypes.StringDType()), np.array(["a", "b"])),
        (range(2), np.array([0, 1])),
    ],
)
def test_ids_become_int64_or_short_text(ids, expected):
    concepts = Concepts.from_labels([0, 0], ["a"], ids=ids)
    assert ids_of(concepts).dtype == expected.dtype
    np.testing.assert_array_equal(ids_of(concepts), expected)


def test_the_paper_sized_table_is_grouped_in_well_under_a_second(rng):
    rows = rng.random((1000, 1472)) < 0.008
    masks = rows[rng.integers(1000, size=50_000)]
    names = [f"c{i}" for i in range(1472)]
    sparse = sp.csr_array(masks)
    for table in (masks, sparse):
        start = time.process_time()
        concepts = Concepts.from_masks(table, names)
        assert time.process_time() - start < 2.0  # 0.2 s alone; the machine is shared
        assert concepts.num_rows == 1000


def test_a_sparse_table_too_large_to_be_dense_is_built_sparse(rng):
    num_samples, num_concepts = 300_000, 100_000  # 30 GB if it were dense
    columns = rng.integers(num_concepts, size=(num_samples, 2))
    columns[num_samples // 2 :] = columns[: num_samples // 2]
    concepts = Concepts.from_indices(columns, [str(i) for i in range(num_concepts)])
    assert concepts.num_rows <= num_samples // 2
    joined = concepts.join(named(columns % 2 == 0, "even"))
    taken = joined.take(np.arange(0, num_samples, 7)).select(["5", "even0", "77"])
    np.testing.assert_array_equal(
        taken.masks(["even0"]).ravel(), columns[::7, 0] % 2 == 0
    )


def test_renaming_changes_names_alone_and_refuses_unknown_or_equal_ones():
    table = Concepts.from_labels([0, 1, 0], ["a", "b"], ids=[4, 5, 6])
    swapped = table.rename({"a": "b", "b": "a"})
    assert swapped.names == ("b", "a") and table.names == ("a", "b")
    assert swapped.masks(["b"]).tolist() == table.masks(["a"]).tolist()
    assert swapped.ids is not None and swapped.ids.tolist() == [4, 5, 6]
    assert table.rename({}).fingerprint() == table.fingerprint()
    with pytest.raises(ValueError, match="names of concepts; got 'c'"):
        table.rename({"c": "d"})
    with pytest.raises(ValueError, match="must be unique; got more than once: 'b'"):
        table.rename({"a": "b"})
