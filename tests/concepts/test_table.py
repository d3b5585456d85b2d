"""Concepts by hand, against dense numpy, by its laws, at its edges, and misused."""

import time
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

from invert_jax.concepts import _build, _distinct
from invert_jax.concepts.table import Concepts


def random_masks(rng, num_samples=200, num_concepts=7, density=0.3):
    return rng.random((num_samples, num_concepts)) < density


def named(masks, prefix="c", **settings):
    num_concepts = masks.shape[1] if hasattr(masks, "shape") else len(masks[0])
    names = [f"{prefix}{column}" for column in range(num_concepts)]
    return Concepts.from_masks(masks, names, **settings)


def ids_of(concepts):
    assert concepts.ids is not None
    return concepts.ids


# By hand.


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


# Against dense numpy.


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
def test_colliding_hashes_change_nothing(rng, monkeypatch, convert):
    masks = random_masks(rng, 100, 5)
    expected = named(masks)
    for name in ("_hash_sparse_rows", "_hash_packed_rows"):
        monkeypatch.setattr(
            _distinct, name, lambda rows: np.zeros(rows.shape[0], np.uint64)
        )
    collided = named(convert(masks))
    assert collided.fingerprint() == expected.fingerprint()
    np.testing.assert_array_equal(collided.column_groups(), expected.column_groups())


@pytest.mark.parametrize("convert", [np.asarray, sp.csr_array])
def test_tables_larger_than_a_block_are_handled_in_blocks(rng, monkeypatch, convert):
    masks = random_masks(rng, 500, 70, 0.02)
    expected = named(masks).fingerprint()
    monkeypatch.setattr(_distinct, "_CHUNK", 16)
    monkeypatch.setattr(_build, "_BLOCK", 256)
    assert named(convert(masks)).fingerprint() == expected


# Laws.


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


# Files.


@pytest.mark.parametrize(
    "ids", [None, np.arange(200) * 3, [f"é{i}" for i in range(200)]]
)
@pytest.mark.parametrize("descriptions", [None, [f"text {i}" for i in range(7)]])
def test_a_saved_table_loads_as_it_was(rng, tmp_path, ids, descriptions):
    names = ["a", "b & c", "d\0", "“e”", " f", "g" * 1000, "\ud83d"]
    masks = random_masks(rng)
    concepts = Concepts.from_masks(masks, names, ids=ids, descriptions=descriptions)
    concepts.save(tmp_path / "table")
    loaded = Concepts.load(tmp_path / "table")
    assert [path.name for path in tmp_path.iterdir()] == ["table"]
    assert loaded.fingerprint() == concepts.fingerprint()
    assert loaded.descriptions == concepts.descriptions
    assert loaded.names == tuple(names)


def test_a_failed_save_leaves_the_old_file(rng, tmp_path, monkeypatch):
    concepts = named(random_masks(rng))
    concepts.save(tmp_path / "table.npz")

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="disk full"):
        named(random_masks(rng, 3)).save(tmp_path / "table.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["table.npz"]
    assert Concepts.load(tmp_path / "table.npz").num_samples == 200


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"exists; got .*none.npz"):
        Concepts.load(tmp_path / "none.npz")
    with pytest.raises(FileNotFoundError, match="folder that exists"):
        named(np.ones((1, 1), bool)).save(tmp_path / "none" / "table.npz")


def test_a_pickled_file_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", names=np.array([{"a": 1}], dtype=object))
    np.save(tmp_path / "b.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    for name in ("a.npz", "b.npy"):
        with pytest.raises(ValueError, match="pickled Python objects, which are never"):
            Concepts.load(tmp_path / name)


def test_a_foreign_npz_file_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", masks=np.ones((2, 2)))
    with pytest.raises(
        ValueError, match="is not a saved concept table: it lacks names"
    ):
        Concepts.load(tmp_path / "a.npz")
    np.save(tmp_path / "b.npy", np.ones(2))
    with pytest.raises(ValueError, match="single array"):
        Concepts.load(tmp_path / "b.npy")


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_short_is_refused(rng, tmp_path, fraction):
    path = tmp_path / "table.npz"
    named(random_masks(rng)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
    with pytest.raises(ValueError, match=r"table.npz cannot be read as npz"):
        Concepts.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row_of_sample": np.array([0, 9])}, "a row that is not there"),
        ({"row_of_sample": np.array([0.5])}, "integers expected"),
        ({"row_of_sample": np.array([], np.int32)}, "a row that is not there"),
        ({"rows_indptr": np.array([0, 5, 1])}, "is damaged"),
        ({"rows_indices": np.array([7])}, "is damaged"),
        ({"rows_indptr": np.array([0])}, "no rows"),
        ({"names": np.array(["a"])}, "text as bytes"),
        ({"names": np.frombuffer(b"{}", np.uint8)}, "a list of texts"),
        ({"names": np.frombuffer(b"[1]", np.uint8)}, "a list of texts"),
        ({"ids": np.array([1, 1])}, "must be unique"),
        ({"descriptions": np.frombuffer(b"[]", np.uint8)}, "one text per concept"),
    ],
)
def test_a_saved_table_that_does_not_fit_together_is_refused(tmp_path, change, message):
    path = tmp_path / "table.npz"
    Concepts.from_masks([[1], [0]], ["a"]).save(path)
    np.savez(path, **{**np.load(path), **change})
    with pytest.raises(ValueError, match=message):
        Concepts.load(path)


# Edges.


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


# Misuse.


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
            r"one id per sample, 3 in one dimension; got shape \(2,\)",
        ),
        ([[1], [2], [3]], ValueError, r"got shape \(3, 1\)"),
        ([1.0, 2.0, 3.0], TypeError, "integers or strings; got float64"),
        ([True, False, True], TypeError, "integers or strings; got bool"),
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
        (Concepts.from_labels([0], ["c"]), "same samples in both tables; got 2 and 1"),
        (Concepts.from_labels([0, 0], ["b"]), "both have 'b'"),
        (
            Concepts.from_labels([0, 0], ["c"], ids=["y", "x"]),
            "first at 0: 'x' and 'y'",
        ),
        (Concepts.from_labels([0, 0], ["c"], ids=[0, 1]), "got <U1 and int64"),
    ]:
        with pytest.raises(ValueError, match=message):
            left.join(right)


def test_stack_refuses_other_names_and_repeated_ids():
    first = Concepts.from_labels([0, 1], ["a", "b"], ids=["x", "y"])
    second = Concepts.from_labels([0, 1], ["b", "c"], ids=["z", "w"])
    with pytest.raises(ValueError, match="first lacks 'c'; the second lacks 'a'"):
        first.stack(second)
    with pytest.raises(ValueError, match='"error" or "absent"; got \'skip\''):
        first.stack(second, missing="skip")
    with pytest.raises(ValueError, match="unique; got 'x' for samples 0 and 2"):
        first.stack(first)
    with pytest.raises(ValueError, match="got <U1 and None; set or drop them"):
        first.stack(first.with_ids(None))


def test_align_refuses_what_it_cannot_find():
    concepts = Concepts.from_labels([0, 1], ["a", "b"], ids=["x", "y"])
    with pytest.raises(ValueError, match="it lacks 'z'"):
        concepts.align(["x", "z"])
    with pytest.raises(ValueError, match="of the kind of the table's, <U1; got int64"):
        concepts.align([1, 2])
    with pytest.raises(ValueError, match="needs a table with ids"):
        concepts.with_ids(None).align(["x"])


# Size.


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
